"""What each endpoint is for, asks and answers; OPERATIONS names them as Flask does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.blueprints.admin.requests_api import FAILED, FILTERS, MAX_PAGE
from gateway.blueprints.docs.shapes import FLAG, MOMENT, OBJECT, TEXT, Shape, ref
from gateway.preview import DOORS
from gateway.store.client_book import HIGHEST_ID
from gateway.store.stats import RANGES

JSON, STREAM, CSV, PLAIN, HTML = (
    "application/json",
    "text/event-stream",
    "text/csv",
    "text/plain",
    "text/html",
)

Answers = Mapping[int | str, Mapping[str, Shape]]
"""Shapes by status and media type."""


@dataclass(frozen=True, slots=True)
class Body:
    """`example` is one that the demo provider, or a new gateway, answers."""

    shape: str
    example: Any = None
    required: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """`ending` stands in the place of the last
    argument of the path, whose methods it takes apart; `sample` fills the arguments in;
    `failures` are statuses that its area does not have.
    """

    summary: str
    description: str = ""
    query: Mapping[str, Shape] = field(default_factory=dict)
    body: Body | None = None
    answers: Answers = field(default_factory=dict)
    ending: str | None = None
    sample: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """Endpoints of one kind: `prefixes` begin their names, `security` says what lets a caller in.

    `failures`: statuses, all of the one shape.
    """

    name: str
    prefixes: tuple[str, ...]
    about: str
    security: tuple[str, ...] = ()
    failure: str = "OpenAIError"
    failures: tuple[int, ...] = ()

    @property
    def is_for_admins(self) -> bool:
        return self.failure == "AdminError"


_KEYS = ("clientKey", "clientKeyHeader")
_OF_CALLS = (400, 401, 403, 404, 413, 429, 502, 503, 504)
_OF_LOOKS = (401, 403, 404, 429, 503)
_ADMIN = ("adminToken", "adminSession")
_OUTSIDE = (502, 504)
_OF_API = ("AdminError", (401, 403, 422, 429, 503))

AREAS = (
    Area(
        "OpenAI",
        ("openai_api.",),
        "For OpenAI's SDKs and whatever speaks as they do: set the base URL to this gateway's /v1.",
        _KEYS,
        failures=_OF_CALLS,
    ),
    Area(
        "Anthropic",
        ("anthropic_api.",),
        "For Anthropic's SDKs and Claude Code: set the base URL to this gateway.",
        _KEYS,
        "AnthropicError",
        _OF_CALLS,
    ),
    Area(
        "Gemini",
        ("legacy_proxy.",),
        "For Google's SDKs: set the base URL to this gateway.",
        ("googleKey", "googleKeyInQuery", "clientKey"),
        "GeminiError",
        _OF_CALLS,
    ),
    Area(
        "Models",
        ("models.",),
        "The models that a client may use, in the dialect of who asks: Anthropic's with the header "
        "anthropic-version, Gemini's with x-goog-api-key, ?key= or below /v1beta, else OpenAI's.",
        _KEYS,
        failures=_OF_LOOKS,
    ),
    Area(
        "Receipts",
        ("receipts.",),
        "What a client may know of its own calls.",
        _KEYS,
        failures=_OF_LOOKS,
    ),
    Area("Health", ("health.",), "Open to everybody: for load balancers and supervisors."),
    Area(
        "Metrics",
        ("metrics.",),
        "For Prometheus: by basic auth where metrics.username is set, else on this machine alone.",
        ("metricsPassword",),
        failures=(401, 403, 404),
    ),
    Area(
        "Clients",
        ("admin_api.clients.", "admin_api.preview.", "admin_api.connection."),
        "Who may call, and what each may do.",
        _ADMIN,
        *_OF_API,
    ),
    Area("Requests", ("admin_api.requests.",), "The log of requests.", _ADMIN, *_OF_API),
    Area("Statistics", ("admin_api.stats.",), "What requests add up to.", _ADMIN, *_OF_API),
    Area("Tools", ("admin_api.tools.",), "What the gateway can run for a model.", _ADMIN, *_OF_API),
    Area("Providers", ("admin_api.providers.",), "How the providers do.", _ADMIN, *_OF_API),
    Area("Audit log", ("admin_api.audit.",), "What administrators did.", _ADMIN, *_OF_API),
    Area("Administration", ("admin_api.",), "What else an administrator may do.", _ADMIN, *_OF_API),
    Area(
        "Documentation",
        ("docs.",),
        "Open to everybody if docs.public is set.",
        _ADMIN,
        failures=(401,),
    ),
)


def area_of(endpoint: str) -> Area | None:
    """None for pages, which are for people."""
    for area in AREAS:
        if endpoint.startswith(area.prefixes):
            return area
    return None


def _json(name: str, status: int = 200) -> Answers:
    return {status: {JSON: ref(name)}}


_HELLO = [{"role": "user", "content": "Hello"}]
_STREAM: Shape = {**TEXT, "description": "server-sent events, if the question says `stream`"}
_ANSWERED: Answers = {200: {JSON: OBJECT, STREAM: _STREAM}}
_CURSOR: Shape = {**TEXT, "description": "`next_cursor` of the page before"}
_LIMIT: Shape = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}
_RANGE: Shape = {"type": "string", "enum": [*RANGES], "default": "24h"}
_BETWEEN = {
    "since": {**MOMENT, "description": "from this moment on"},
    "until": {**MOMENT, "description": "before this moment"},
}
_OF_FILTERS: Mapping[str, Shape] = {
    "client_id": {"type": "integer", "minimum": 1, "maximum": HIGHEST_ID},
    "status": {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 599}, {"const": FAILED}],
        "description": f"`{FAILED}`: whichever is an error's",
    },
    "error_text": {**TEXT, "description": "within a day that since and until name"},
    **_BETWEEN,
}
_FILTERS = {name: _OF_FILTERS.get(name, TEXT) for name in FILTERS}
_OF_PREVIEW = {
    "door": {"type": "string", "enum": [*DOORS], "description": "without it, it is guessed"},
    "model": {**TEXT, "description": "at Gemini's door"},
    "stream": {**FLAG, "description": "at Gemini's door"},
}
_GEMINI_HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def _gemini(method: str, summary: str, answers: Answers, **more: Any) -> Operation:
    return Operation(
        summary,
        body=Body("GeminiQuestion", _GEMINI_HELLO),
        answers=answers,
        ending=f"{{model}}:{method}",
        sample={"model": "demo"},
        **more,
    )


OPERATIONS: Mapping[str, tuple[Operation, ...]] = {
    "openai_api.chat_completions": (
        Operation(
            "Ask a model, as OpenAI's chat completions do",
            "Whole, or with `stream` as server-sent events. Any provider may be behind it.",
            body=Body("ChatQuestion", {"model": "demo", "messages": _HELLO}),
            answers=_ANSWERED,
        ),
    ),
    "openai_api.create_response": (
        Operation(
            "Ask a model, as OpenAI's Responses do",
            body=Body("ResponsesQuestion", {"model": "demo", "input": "Hello"}),
            answers=_ANSWERED,
        ),
    ),
    "openai_api.stored_response": (
        Operation(
            "A response that the gateway keeps",
            "Those of providers that keep their own are not known here.",
            answers={200: {JSON: OBJECT}},
            sample={"response_id": "resp_123"},
        ),
    ),
    "openai_api.forget_response": (
        Operation(
            "Forget a response that the gateway keeps",
            answers={200: {JSON: OBJECT}},
            sample={"response_id": "resp_123"},
        ),
    ),
    "openai_api.embeddings": (
        Operation(
            "Vectors of texts",
            body=Body("EmbeddingsQuestion", {"model": "text-embedding-3-small", "input": "Hello"}),
            answers={200: {JSON: OBJECT}},
        ),
    ),
    "anthropic_api.messages": (
        Operation(
            "Ask a model, as Anthropic's Messages do",
            body=Body("MessagesQuestion", {"model": "demo", "max_tokens": 100, "messages": _HELLO}),
            answers=_ANSWERED,
        ),
    ),
    "anthropic_api.count_tokens": (
        Operation(
            "Count the tokens of a question",
            body=Body("MessagesQuestion", {"model": "demo", "messages": _HELLO}),
            answers={200: {JSON: OBJECT}},
        ),
    ),
    "legacy_proxy.generate": (
        _gemini("generateContent", "Ask a model, as Gemini does", {200: {JSON: OBJECT}}),
        _gemini(
            "streamGenerateContent",
            "Ask a model for a stream, as Gemini does",
            {200: {JSON: {"type": "array", "items": OBJECT}, STREAM: _STREAM}},
            query={"alt": {**TEXT, "description": "`sse` for events, else a JSON array"}},
        ),
        _gemini("countTokens", "Count the tokens of a question", {200: {JSON: OBJECT}}),
    ),
    "models.models": (
        Operation("The models that this client may use", answers=_json("ModelList")),
    ),
    "models.model": (
        Operation("One of these models", answers={200: {JSON: OBJECT}}, sample={"model": "demo"}),
    ),
    "receipts.receipt": (
        Operation(
            "What a call cost, and how it went",
            "`request_id` is in the header x-request-id of every answer.",
            answers=_json("Receipt"),
            sample={"request_id": "req_0123456789abcdef01234567"},
        ),
    ),
    "receipts.usage": (
        Operation(
            "What this client has used today and this month, and what is left",
            answers=_json("Usage"),
        ),
    ),
    "health.live": (Operation("Whether the gateway lives", answers={200: {JSON: OBJECT}}),),
    "health.ready": (
        Operation(
            "Whether the gateway can serve",
            "`degraded` says what is amiss while calls can still be answered.",
            answers={200: {JSON: OBJECT}},
        ),
    ),
    "metrics.metrics": (Operation("Figures for Prometheus", answers={200: {PLAIN: TEXT}}),),
    "admin_api.clients.list_clients": (
        Operation(
            "The clients, by their ids",
            query={"cursor": _CURSOR, "limit": _LIMIT},
            answers=_json("ClientPage"),
        ),
    ),
    "admin_api.clients.create_client": (
        Operation(
            "Make a client",
            "Its key is in the answer, and shown this once.",
            body=Body(
                "NewClient", {"name": "team a", "provider": "demo", "rate_limit_minute": 100}
            ),
            answers=_json("ClientMade", 201),
        ),
    ),
    "admin_api.clients.show_client": (Operation("A client", answers=_json("Client")),),
    "admin_api.clients.change_client": (
        Operation(
            "Change fields of a client",
            body=Body("ClientChange", {"is_active": False}),
            answers=_json("Client"),
        ),
    ),
    "admin_api.clients.delete_client": (
        Operation("Delete a client", "Its log stays.", answers={204: {}}),
    ),
    "admin_api.clients.rotate_key": (
        Operation(
            "Give a client a new key",
            body=Body("KeyRotation", {"grace_seconds": 3600}, required=False),
            answers=_json("NewKey"),
        ),
    ),
    "admin_api.preview.show_preview": (
        Operation(
            "What a client's question would come to, without asking anybody",
            "The body may also be the question itself; what else there is to say stands in the "
            "query then.",
            query=_OF_PREVIEW,
            body=Body(
                "PreviewAsked",
                {"door": "openai", "body": {"model": "demo", "messages": _HELLO}},
            ),
            answers=_json("Preview"),
        ),
    ),
    "admin_api.connection.show_test": (
        Operation(
            "What the last test of a client's connection says", answers=_json("ConnectionTest")
        ),
    ),
    "admin_api.connection.begin_test": (
        Operation(
            "Test a client's connection",
            "Asks its provider, by a set of small questions. It goes on by itself: ask for what is "
            "known so far.",
            body=Body("ConnectionTestAsked", {"model": "demo"}, required=False),
            answers=_json("ConnectionTest", 202),
            failures=(409,),
        ),
    ),
    "admin_api.connection.fetch_models": (
        Operation(
            "The models that a client's provider lists for its key",
            answers=_json("ModelsFetched"),
            failures=_OUTSIDE,
        ),
    ),
    "admin_api.stats.show_stats": (
        Operation(
            "Requests, errors, tokens, money and times of everybody",
            query={"range": _RANGE},
            answers=_json("Statistics"),
        ),
    ),
    "admin_api.stats.show_usage": (
        Operation("The same of one client", query={"range": _RANGE}, answers=_json("ClientUse")),
    ),
    "admin_api.stats.usage_csv": (
        Operation(
            "A line an hour, client, provider and model, the oldest first",
            query=_BETWEEN,
            answers={200: {CSV: TEXT}},
        ),
    ),
    "admin_api.requests.list_requests": (
        Operation(
            "The log of requests, the newest first",
            "A page looks at no more than 5,000 rows, so it may be short, or empty, and still "
            "have a `next_cursor`.",
            query={**_FILTERS, "cursor": _CURSOR, "limit": _LIMIT},
            answers=_json("LogPage"),
        ),
    ),
    "admin_api.requests.requests_csv": (
        Operation("All of the log as CSV", query=_FILTERS, answers={200: {CSV: TEXT}}),
    ),
    "admin_api.requests.show_request": (
        Operation(
            "One request, with its bodies where they are kept",
            answers=_json("LoggedRequestWhole"),
            sample={"request_id": "req_0123456789abcdef01234567"},
        ),
    ),
    "admin_api.requests.list_in_flight": (
        Operation("Calls that are under way", answers=_json("InFlight")),
    ),
    "admin_api.requests.cancel_request": (
        Operation(
            "Cancel a call that is under way",
            "Its client is told, and it is settled by what was used.",
            answers=_json("Cancelled"),
            sample={"request_id": "req_0123456789abcdef01234567"},
        ),
    ),
    "admin_api.tools.list_servers": (Operation("MCP servers", answers=_json("McpServers")),),
    "admin_api.tools.add_server": (
        Operation(
            "Add an MCP server",
            body=Body("NewMcpServer", {"name": "wiki", "url": "http://127.0.0.1:8000/mcp"}),
            answers=_json("McpServer", 201),
        ),
    ),
    "admin_api.tools.change_server": (
        Operation(
            "Change an MCP server that was added here",
            body=Body("McpServerChange", {"allowed_tools": ["search"]}),
            answers=_json("McpServer"),
            sample={"name": "wiki"},
        ),
    ),
    "admin_api.tools.remove_server": (
        Operation(
            "Remove an MCP server that was added here", answers={204: {}}, sample={"name": "wiki"}
        ),
    ),
    "admin_api.tools.check_server": (
        Operation(
            "Ask an MCP server for its tools at once",
            answers=_json("McpServer"),
            sample={"name": "wiki"},
        ),
    ),
    "admin_api.providers.list_providers": (
        Operation("The providers, and how they do", answers=_json("Providers")),
    ),
    "admin_api.providers.show_provider": (
        Operation(
            "A provider, with its models and their prices",
            answers=_json("ProviderWhole"),
            sample={"provider_id": "demo"},
        ),
    ),
    "admin_api.providers.fetch_models": (
        Operation(
            "Ask a provider for its models, by the gateway's own key",
            answers=_json("ProviderWhole"),
            sample={"provider_id": "openai"},
            failures=_OUTSIDE,
        ),
    ),
    "admin_api.settings.show_settings": (
        Operation(
            "The settings in force, and where each comes from", answers=_json("SettingsInForce")
        ),
    ),
    "admin_api.tools.list_tools": (
        Operation("Tools, those that are on, and MCP servers", answers=_json("Tools")),
    ),
    "admin_api.tools.enable_tools": (
        Operation(
            "Switch these tools on, all others off",
            body=Body("ToolsEnabled", {"enabled": ["get_time", "calculate"]}),
            answers=_json("Tools"),
        ),
    ),
    "admin_api.tools.run_tool": (
        Operation(
            "Run a tool, whether it is on or not",
            body=Body("ToolArguments", {"arguments": {"expression": "6 * 7"}}, required=False),
            answers=_json("ToolResult"),
            sample={"name": "calculate"},
        ),
    ),
    "admin_api.audit.list_entries": (
        Operation(
            "What administrators did, the newest first",
            query={"cursor": _CURSOR, "limit": _LIMIT},
            answers=_json("AuditPage"),
        ),
    ),
    "docs.openapi": (Operation("This document", answers={200: {JSON: OBJECT}}),),
    "docs.show": (Operation("The page that shows it", answers={200: {HTML: TEXT}}),),
}
