"""Anthropic: its own Messages API, with the version and beta headers that the caller asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.chat import ChatRequest
from gateway.dialects import anthropic
from gateway.dialects.splice import value_of
from gateway.errors import UpstreamError, UpstreamRateLimited, UpstreamRejected
from gateway.providers.base import NO_HEADERS, Credentials, Provider
from gateway.providers.failures import judge
from gateway.providers.quirks import Draft

# The newer 2026-10-21 removes temperature, top_p and top_k for every model.
VERSION = "2023-06-01"
_FORWARDED = ("anthropic-version", "anthropic-beta")


@dataclass(frozen=True, kw_only=True)
class Anthropic(Provider):
    """Relays Messages as they came; other dialects are translated before they get here."""

    def headers(
        self, credentials: Credentials, forwarded: Mapping[str, str] = NO_HEADERS
    ) -> dict[str, str]:
        return {
            **super().headers(credentials),
            "anthropic-version": VERSION,
            **{name: forwarded[name] for name in _FORWARDED if name in forwarded},
        }

    def _path(self, request: ChatRequest) -> str:
        return f"{self.chat_path}/count_tokens" if request.kind == "count" else self.chat_path

    def clean_base_url(self, base_url: str) -> str:
        return base_url.rstrip("/").removesuffix(self.chat_path).removesuffix("/v1")

    def read_models(self, body: Any) -> list[dict[str, Any]]:
        return [{name: row[name] for name in row if name != "type"} for row in _rows(body)]

    def judge(
        self, status: int, headers: Mapping[str, str], raw: bytes, key: str | None
    ) -> UpstreamError:
        """Its types are not OpenAI's: what they say goes into the code."""
        error = judge(status, headers, raw, key)
        if isinstance(error, (UpstreamRejected, UpstreamRateLimited)):
            found = {"type": error.type, "message": error.message}
            error.code = anthropic.code_of(found) or error.code
            error.type = type(error).type
        if status == 409:
            error.retryable, error.sticky = True, False
        if _is_spent(error):
            error.retryable = False
        return error

    def _prompt(self, draft: Draft, prompt: str) -> None:
        given = draft.request.body.get("system")
        if not given:
            draft.set("system", prompt)
        elif isinstance(given, str):
            draft.set("system", f"{prompt}\n\n{given}")
        else:
            text = value_of(draft.request.raw, "system") or b"[]"
            block = orjson.dumps({"type": "text", "text": prompt})
            draft.replace["system"] = b"[" + block + b"," + text[1:]

    def _cap(self, draft: Draft, cap: int) -> None:
        body = draft.request.body
        asked = body.get("max_tokens")
        if isinstance(asked, int) and asked <= cap:
            return
        draft.set("max_tokens", cap)
        thinking = body.get("thinking") or {}
        budget = thinking.get("budget_tokens")
        # A budget has to be below `max_tokens`, but for one that was above it already, as
        # interleaved thinking allows.
        if isinstance(budget, int) and cap <= budget and not (asked and budget >= asked):
            _lower_budget(draft, thinking, cap)


def _lower_budget(draft: Draft, thinking: dict[str, Any], cap: int) -> None:
    """Half of the cap is for thinking; one that has no room for the least budget leaves none."""
    if cap > anthropic.LEAST_BUDGET:
        budget = max(anthropic.LEAST_BUDGET, cap // 2)
        draft.set("thinking", {**thinking, "budget_tokens": budget})
    else:
        draft.leave_out.add("thinking")
        draft.hints.append("thinking")


def _is_spent(error: UpstreamError) -> bool:
    """Whether a limit of spending was reached, which no retry helps."""
    details = error.extra.get("details")
    word = details.get("error_code") if isinstance(details, dict) else None
    return isinstance(word, str) and "spend_limit" in word


def _rows(body: Any) -> list[dict[str, Any]]:
    rows = body.get("data") if isinstance(body, dict) else None
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict) and isinstance(row.get("id"), str)]


ANTHROPIC = Anthropic(
    id="anthropic",
    title="Anthropic",
    key_format="sk-ant-…",
    model_hint="For example claude-sonnet-4-5.",
    speaks=("anthropic",),
    base_url="https://api.anthropic.com",
    key_header="x-api-key",
    chat_path="/v1/messages",
    embed_path=None,
    models_path="/v1/models?limit=1000",
    next_page=("last_id", "after_id"),
    stream_usage="given",
)
