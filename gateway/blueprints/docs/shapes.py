"""The shapes of bodies as JSON Schema, from the tables that the code itself goes by."""

from collections.abc import Collection, Mapping
from typing import Any, get_args

from gateway.blueprints.receipts import LISTS, NOT_TOLD
from gateway.config import McpServer
from gateway.dialects import checks, openai
from gateway.dialects.anthropic import request as anthropic
from gateway.dialects.checks import Check
from gateway.dialects.gemini import request as gemini
from gateway.dialects.responses import request as responses
from gateway.preview import DOORS
from gateway.store.client_book import LONGEST_GRACE
from gateway.store.client_fields import READ_ONLY, ClientFields
from gateway.store.connection_tests import State
from gateway.store.log_pages import BODIES
from gateway.store.models import LOG_COLUMNS, RequestLog
from gateway.store.stats import PERCENTILES, RANGES, Totals

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer"}
NUMBER: Shape = {"type": "number"}
FLAG: Shape = {"type": "boolean"}
OBJECT: Shape = {"type": "object"}
MOMENT: Shape = {"type": "string", "format": "date-time"}
ANYTHING: Shape = {}
_OF_CHECKS: Mapping[str, Shape] = {
    checks.TEXT[1]: TEXT,
    checks.NUMBER[1]: NUMBER,
    checks.COUNT[1]: {"type": "integer", "minimum": 1},
    checks.COUNT_OR_ZERO[1]: {"type": "integer", "minimum": 0},
    checks.FLAG[1]: FLAG,
    checks.OBJECT[1]: OBJECT,
    checks.OBJECTS[1]: {"type": "array", "items": OBJECT},
    checks.INTEGER[1]: WHOLE,
    checks.TEXTS[1]: {"anyOf": [TEXT, {"type": "array", "items": TEXT}]},
    checks.TEXT_OR_OBJECT[1]: {"anyOf": [TEXT, OBJECT]},
    checks.TEXT_OR_OBJECTS[1]: {"anyOf": [TEXT, {"type": "array", "items": OBJECT}]},
}
_OF_COLUMNS = {int: WHOLE, str: TEXT, bool: FLAG, float: NUMBER}
_OTHERWISE = {"started_at": MOMENT, "cost_usd": {"anyOf": [NUMBER, {"type": "null"}]}}
"""Columns that are told in another way than they are kept."""


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def shape(properties: Mapping[str, Shape], optional: Collection[str] = (), **more: Any) -> Shape:
    """An object that has all these members, but perhaps the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def each(item: Shape) -> Shape:
    return {"type": "array", "items": item}


def nullable(one: Shape) -> Shape:
    return {"anyOf": [one, {"type": "null"}]}


def shapes() -> dict[str, Shape]:
    """All of them, by name."""
    of_admins = {**_clients(), **_connections(), **_log(), **_statistics(), **_tools(), **_others()}
    return {**of_admins, **_doors(), **_failures()}


def _page(item: Shape) -> Shape:
    return shape({"items": each(item), "next_cursor": nullable(TEXT)})


# Clients.


def _clients() -> dict[str, Shape]:
    fields = _fields()
    unread = {name: one for name, one in fields.items() if name != "provider_api_key"}
    client = {"id": WHOLE, **{name: _without_default(one) for name, one in unread.items()}}
    client |= {
        "has_provider_api_key": {**FLAG, "description": "whether it has one of its own"},
        "api_key_hint": {**nullable(TEXT), "description": "how its key begins and ends"},
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
    assert client.keys() >= set(READ_ONLY)
    told = ClientFields.__doc__
    grace = {"type": "integer", "minimum": 0, "maximum": LONGEST_GRACE, "default": 0}
    return {
        "Client": shape(client),
        "NewClient": shape(
            fields, fields.keys() - {"name"}, additionalProperties=False, description=told
        ),
        "ClientChange": shape(
            {name: _without_default(one) for name, one in fields.items()},
            fields.keys(),
            additionalProperties=False,
            description="What is not named stays as it is. A change of `provider` or "
            "`provider_base_url` needs `provider_api_key` again: no key goes to another host.",
        ),
        "ClientPage": _page(ref("Client")),
        "ClientMade": shape({"client": ref("Client"), "api_key": TEXT}),
        "KeyRotation": shape(
            {"grace_seconds": {**grace, "description": "how long older keys go on working"}},
            {"grace_seconds"},
            additionalProperties=False,
        ),
        "NewKey": shape({"api_key": TEXT}),
        "PreviewAsked": shape(
            {
                "body": {**OBJECT, "description": "the question as the door would get it"},
                "door": {"type": "string", "enum": [*DOORS]},
                "model": {**TEXT, "description": "at Gemini's door, where it stands in the path"},
                "stream": {**FLAG, "description": "at Gemini's door"},
            },
            {"door", "model", "stream"},
        ),
        "Preview": shape(
            {
                "door": TEXT,
                "model": nullable(TEXT),
                "stream": FLAG,
                "targets": each(OBJECT),
                "skipped": each(ANYTHING),
                "error": nullable(OBJECT),
            }
        ),
    }


def _fields() -> dict[str, Shape]:
    described: dict[str, Shape] = ClientFields.model_json_schema()["properties"]
    return {name: _plain(one) for name, one in described.items()}


def _plain(field: Shape) -> Shape:
    """Without what pydantic adds for itself."""
    if "decimal_places" in str(field):
        rule = {"type": "number", "minimum": 0, "maximum": 10**9, "multipleOf": 0.000001}
        field = {**field, "anyOf": [rule, {"type": "null"}]}
    return {name: value for name, value in field.items() if name != "title"}


def _without_default(field: Shape) -> Shape:
    return {name: value for name, value in field.items() if name != "default"}


def _connections() -> dict[str, Shape]:
    result = {"probe": TEXT, "title": TEXT, "status": TEXT, "detail": nullable(TEXT)}
    known = {
        "provider": TEXT,
        "provider_base_url": nullable(TEXT),
        "model": nullable(TEXT),
        "actor": TEXT,
        "started_at": MOMENT,
        "ended_at": nullable(MOMENT),
        "of": {**WHOLE, "description": "how many probes there are"},
    }
    states = {"type": "string", "enum": ["none", *get_args(State)]}
    model = {"id": TEXT, "context_window": nullable(WHOLE)}
    return {
        "ConnectionTest": shape(
            {
                "client_id": WHOLE,
                "state": states,
                "results": each(shape(result, {"detail"})),
                **known,
            },
            known.keys(),
        ),
        "ConnectionTestAsked": shape({"model": nullable(TEXT)}, {"model"}),
        "ModelsFetched": shape(
            {
                "provider": TEXT,
                "listed": {**FLAG, "description": "whether the provider has a list of its own"},
                "models": each(shape(model, {"context_window"})),
            }
        ),
    }


# The log, and what it adds up to.


def _log() -> dict[str, Shape]:
    columns = {name: _column(name) for name in LOG_COLUMNS}
    receipt: dict[str, Shape] = {"object": {"const": "receipt"}}
    receipt |= {name: one for name, one in columns.items() if name not in NOT_TOLD}
    receipt |= {name: each(ANYTHING) for name in LISTS}
    kept = shape({name: ANYTHING for name in BODIES})
    row = shape(columns)
    return {
        "LoggedRequest": row,
        "LogPage": _page(ref("LoggedRequest")),
        "LoggedRequestWhole": {
            "allOf": [ref("LoggedRequest"), shape({"bodies": nullable(kept)})],
        },
        "Receipt": shape(receipt),
        "AuditPage": _page(
            shape(
                {
                    "id": WHOLE,
                    "at": MOMENT,
                    "actor": TEXT,
                    "action": TEXT,
                    "subject": TEXT,
                    "subject_id": nullable(WHOLE),
                    "changes": {
                        "type": "object",
                        "additionalProperties": shape({"from": ANYTHING, "to": ANYTHING}),
                    },
                }
            )
        ),
    }


def _column(name: str) -> Shape:
    column = RequestLog.__table__.c[name]
    if name in _OTHERWISE:
        return _OTHERWISE[name]
    one = _OF_COLUMNS.get(column.type.python_type)
    if one is None:  # JSON
        return ANYTHING
    return nullable(one) if column.nullable else one


def _statistics() -> dict[str, Shape]:
    times = shape({name: nullable(NUMBER) for name in PERCENTILES})
    of_totals = {"error_rate": nullable(NUMBER), "cost_usd": NUMBER}
    of_totals |= {"latency_ms": times, "first_token_ms": times}
    totals = shape({name: of_totals.get(name, WHOLE) for name in Totals().told()})

    def by(**who: Shape) -> Shape:
        return each({"allOf": [shape(who), ref("Totals")]})

    client = {"client_id": nullable(WHOLE), "client_name": nullable(TEXT)}
    model = {"provider": nullable(TEXT), "model": nullable(TEXT)}
    statistics = {
        "range": {"type": "string", "enum": [*RANGES]},
        "since": MOMENT,
        "until": MOMENT,
        "step_seconds": WHOLE,
        "active_clients": WHOLE,
        "totals": ref("Totals"),
        "series": by(at=MOMENT),
        "by_client": by(**client),
        "by_provider": by(provider=nullable(TEXT)),
        "by_model": by(**model),
    }
    use = {name: one for name, one in statistics.items() if name != "by_client"}
    day = shape({"since": MOMENT, "requests": WHOLE, "cost_usd": NUMBER})
    return {
        "Totals": totals,
        "Statistics": shape(statistics),
        "ClientUse": shape({**use, "client_id": WHOLE, "client_name": TEXT}),
        "Usage": shape(
            {
                "object": {"const": "usage"},
                "today": day,
                "month": day,
                "limits": each(
                    shape(
                        {
                            "limit": TEXT,
                            "size": NUMBER,
                            "used": NUMBER,
                            "reserved": NUMBER,
                            "left": NUMBER,
                            "resets_in": nullable(NUMBER),
                        }
                    )
                ),
            }
        ),
    }


def _tools() -> dict[str, Shape]:
    tool = shape(
        {"name": TEXT, "source": TEXT, "description": TEXT, "schema": OBJECT, "enabled": FLAG}
    )
    added: Shape = McpServer.model_json_schema()
    fields = {name: _plain(one) for name, one in added["properties"].items()}
    server = {
        "name": TEXT,
        "url": TEXT,
        "headers": {**each(TEXT), "description": "their names"},
        "allowed_tools": each(TEXT),
        "source": {"type": "string", "enum": ["config.yaml", "admin"]},
        "version": nullable(TEXT),
        "tools": WHOLE,
        "healthy": FLAG,
        "error": nullable(TEXT),
        "checked_at": nullable(NUMBER),
    }
    return {
        "McpServer": shape(server),
        "McpServers": _page(ref("McpServer")),
        "NewMcpServer": shape(
            fields, fields.keys() - set(added["required"]), additionalProperties=False
        ),
        "McpServerChange": shape(
            fields,
            fields.keys(),
            additionalProperties=False,
            description="A header whose value is null keeps the one that it has.",
        ),
        "Tools": shape(
            {
                "items": each(tool),
                "next_cursor": nullable(TEXT),
                "enabled": each(TEXT),
                "mcp_servers": each(ref("McpServer")),
                "modules": each(
                    shape({"path": TEXT, "tools": each(TEXT), "error": nullable(TEXT)})
                ),
            }
        ),
        "ToolsEnabled": shape({"enabled": each(TEXT)}, additionalProperties=False),
        "ToolArguments": shape({"arguments": OBJECT}, {"arguments"}, additionalProperties=False),
        "ToolResult": shape(
            {
                "text": TEXT,
                "images": each(shape({"media_type": TEXT, "data": TEXT})),
                "is_error": FLAG,
                "seconds": NUMBER,
                "size": WHOLE,
            }
        ),
    }


def _others() -> dict[str, Shape]:
    call = {"request_id": TEXT, "started_at": MOMENT, "age_ms": WHOLE}
    provider = {
        "id": TEXT,
        "title": TEXT,
        "base_url": nullable(TEXT),
        "dialects": each(TEXT),
        "credentials": shape({"key": ANYTHING, "configured": FLAG}),
        "clients": WHOLE,
        "last_hour": ref("Totals"),
        "hang_ups": WHOLE,
        "failed_tries": WHOLE,
        "breaker": each(shape({"model": TEXT, "workers": WHOLE})),
        "last_error": nullable(OBJECT),
    }
    own = {"models_fetched_at": nullable(MOMENT), "models": each(OBJECT), "changes": ANYTHING}
    line = {"key": TEXT, "value": ANYTHING, "set": FLAG, "secret": FLAG, "meaning": TEXT}
    group = {"name": TEXT, "meaning": TEXT, "items": each(shape(line))}
    return {
        "InFlight": shape(
            {
                "items": each(shape(call)),
                "count": WHOLE,
                "complete": {**FLAG, "description": "false: the other workers' are not known"},
            }
        ),
        "Cancelled": shape({"request_id": TEXT, "cancelled": FLAG}),
        "Provider": shape(provider),
        "Providers": _page(ref("Provider")),
        "ProviderWhole": {"allOf": [ref("Provider"), shape(own)]},
        "SettingsInForce": shape(
            {"file": nullable(TEXT), "groups": each(shape(group)), "running": OBJECT}
        ),
    }


# The doors.


def _doors() -> dict[str, Shape]:
    messages = {"messages": {**each(OBJECT), "minItems": 1}}
    texts = each(TEXT)
    contents = {"contents": each(OBJECT)}
    return {
        "ChatQuestion": _question(openai.FIELDS, messages),
        "EmbeddingsQuestion": _question(
            {name: openai.FIELDS[name] for name in ("model", "user")},
            {"input": {"anyOf": [TEXT, texts, each(WHOLE), each(each(WHOLE))]}},
        ),
        "ResponsesQuestion": _question(responses.FIELDS),
        "MessagesQuestion": _question(anthropic.FIELDS, messages),
        "GeminiQuestion": _question(gemini.FIELDS, contents),
        "ModelList": shape({"object": TEXT, "data": each(shape({"id": TEXT}))}, {"object"}),
    }


def _question(fields: Mapping[str, Check], required: Mapping[str, Shape] | None = None) -> Shape:
    told = {name: nullable(_OF_CHECKS[wanted]) for name, (_, wanted) in fields.items()}
    more = "Any other field of the dialect goes on to a provider that knows it."
    return shape({**told, **(required or {})}, told.keys(), description=more)


def _failures() -> dict[str, Shape]:
    message = {"message": TEXT, "type": TEXT}
    fields = {"type": "object", "additionalProperties": TEXT, "description": "why, by field"}
    code = {"code": nullable(TEXT)}
    google = shape({"code": WHOLE, "message": TEXT, "status": TEXT})
    return {
        "OpenAIError": shape({"error": shape({**message, "param": nullable(TEXT), **code})}),
        "AnthropicError": shape({"type": {"const": "error"}, "error": shape(message)}),
        "GeminiError": shape({"error": google}),
        "AdminError": shape(
            {"error": shape({**message, **code, "fields": fields}, {"code", "fields"})}
        ),
    }
