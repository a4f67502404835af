"""The Anthropic door: Messages, and the tokens of a question."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, request

from gateway.blueprints import access
from gateway.blueprints.replies import Reply, reply
from gateway.chat import ChatRequest
from gateway.dialects import anthropic
from gateway.exchange import Exchange

bp = Blueprint("anthropic_api", __name__)
_FORWARDED = {
    "HTTP_ANTHROPIC_VERSION": "anthropic-version",
    "HTTP_ANTHROPIC_BETA": "anthropic-beta",
}


@bp.post("/v1/messages")
def messages() -> Reply:
    return reply("anthropic", _ask)


@bp.post("/v1/messages/count_tokens")
def count_tokens() -> Reply:
    return reply("anthropic", _ask_count)


def _ask_count(exchange: Exchange) -> ChatRequest:
    return replace(_ask(exchange), kind="count", stream=False)


def _ask(exchange: Exchange) -> ChatRequest:
    raw = access.admitted_body(exchange, request.environ)
    return anthropic.read_request(raw, forwarded(request.environ))


def forwarded(environ: dict[str, Any]) -> dict[str, str]:
    """The caller's headers that Anthropic sees."""
    return {name: environ[key] for key, name in _FORWARDED.items() if key in environ}
