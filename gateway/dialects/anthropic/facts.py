"""What the Messages wire says and means: words, statuses, members.

The facts are those of the anthropic package's types (2.12) and of recorded traffic.
"""

from typing import Any

from gateway.conversation import Effort, FinishReason

NAME = "anthropic"

# The first keeps temperature, top_p and top_k usable; the second refuses them for every model.
VERSIONS = ("2023-06-01", "2026-10-21")
SAMPLING_VERSION = VERSIONS[0]

STREAM_TYPE = "text/event-stream; charset=utf-8"
KEEP_ALIVE = b'event: ping\ndata: {"type": "ping"}\n\n'

STOP_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
STOP_WORDS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}

# error.type ⇄ status; in a stream, where there is no status, the type alone tells.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
ERROR_TYPES = {status: word for word, status in STATUSES.items()} | {503: "overloaded_error"}
# What OpenAI's dialect calls the same, in `code`.
CODES = {
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "not_found_error": "model_not_found",
    "request_too_large": "request_too_large",
    "rate_limit_error": "rate_limit_exceeded",
    "overloaded_error": "overloaded",
}

EFFORTS: dict[str, Effort] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
LEAST_BUDGET = 1024

# How the base64 of a file begins whose type nobody told.
BEGINNINGS = {
    "/9j/": "image/jpeg",
    "iVBORw0": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}

# Blocks that stand in a message of the role `system` alone.
SYSTEM_BLOCKS = frozenset({"tool_addition", "tool_removal"})
CITATIONS = frozenset(
    {
        "char_location",
        "page_location",
        "content_block_location",
        "web_search_result_location",
        "search_result_location",
    }
)

# Members that other dialects have no word for, and that go back as they came.
TOP_LEVEL = frozenset(
    {
        "billing_policy",
        "cache_control",
        "compaction",
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "speed",
        "thinking",
        "thread",
        "user_profile_id",
    }
)
COUNTED = frozenset(
    {
        "billing_policy",
        "cache_control",
        "compaction",
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}

# A tool whose `type` begins so is Anthropic's own: it defines it, and often runs it.
HOSTED_TOOLS = (
    "advisor_",
    "bash_",
    "browser_",
    "code_execution_",
    "computer_",
    "mcp_toolset",
    "memory_",
    "text_editor_",
    "tool_search_tool_",
    "web_fetch_",
    "web_search_20",
)


def native(found: dict[str, Any] | None) -> Any:
    """What this dialect alone says of a part, if it does."""
    return found.get(NAME) if found else None
