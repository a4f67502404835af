"""What the gateway would do with a question: its targets in order, and what each would be sent.

Nothing is sent, fetched or counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.chat import ChatRequest
from gateway.dialects import anthropic, gemini, openai, responses
from gateway.dialects.table import DIALECTS
from gateway.errors import BadRequest, GatewayError
from gateway.fallback import fitting
from gateway.fetcher import Fetcher
from gateway.limits import check_standing
from gateway.memory import Memory
from gateway.prices import Prices
from gateway.providers import Ways
from gateway.providers.base import Target
from gateway.question import Placeholders, address_and_headers, question_for
from gateway.routing import route
from gateway.store.clients import Client

# Fields that tell a door's body from those of the others; OpenAI's has all that is left.
_MARKS = {
    "gemini": {"contents"},
    "responses": {"input", "previous_response_id"},
    "anthropic": {"system", "stop_sequences"},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A body as a door would get it. `model` and `stream` stand in the path of Gemini's alone;
    `forwarded` are the caller's headers that a vendor may see.
    """

    raw: bytes
    door: str
    model: str = ""
    stream: bool = False
    forwarded: Mapping[str, str] = field(default_factory=dict)


DOORS: Mapping[str, Callable[[Asked], ChatRequest]] = {
    "openai": lambda asked: openai.read_request(asked.raw),
    "anthropic": lambda asked: anthropic.read_request(asked.raw, asked.forwarded),
    "gemini": lambda asked: gemini.read_request(
        asked.raw, asked.model, kind="chat", stream=asked.stream
    ),
    "responses": lambda asked: responses.read_request(asked.raw),
}


def door_of(raw: bytes) -> str:
    """The door that a body is most likely meant for."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "openai"
    names = body.keys() if isinstance(body, dict) else set()
    return next((door for door, marks in _MARKS.items() if marks & names), "openai")


def preview(
    client: Client, ways: Ways, prices: Prices, fetcher: Fetcher, memory: Memory, asked: Asked
) -> dict[str, Any]:
    """The targets, what would be sent to each, and the error that the client would get instead.

    Bodies are texts (`orjson.Fragment`), since what is sent is sent as it is.
    """
    told: dict[str, Any] = {"door": asked.door, "model": None, "stream": False}
    told |= {"targets": [], "skipped": [], "error": None}
    try:
        check_standing(client)
        request = DOORS[asked.door](asked)
        told |= {"model": request.model, "stream": request.stream}
        way = route(client, request.model, ways)
    except GatewayError as error:
        return told | {"error": _answer(asked.door, error)}
    memory.look_back(request)
    targets, unfit = fitting(way.targets, request, prices)
    told["skipped"] = [*way.skipped, *unfit]
    failures: list[BadRequest] = []
    for target in targets:
        shown = _place(target)
        try:
            shown |= _sent(client, request, target, Placeholders(fetcher), memory)
            shown["chosen"] = not any(one["chosen"] for one in told["targets"])
        except BadRequest as error:
            shown["error"] = _told(error)
            failures.append(error)
        told["targets"].append(shown)
    if len(failures) == len(targets):
        told["error"] = _answer(asked.door, failures[0])
    return told


def _place(target: Target) -> dict[str, Any]:
    return {
        "provider": target.provider.id,
        "model": target.model,
        "chosen": False,
        "method": "POST",
        "url": None,
        "headers": {},
        "body": None,
        "dropped": [],
        "fetches": [],
        "error": None,
    }


def _sent(
    client: Client, request: ChatRequest, target: Target, placeholders: Placeholders, memory: Memory
) -> dict[str, Any]:
    """What would go to a target, without its key. Raises BadRequest."""
    question = question_for(client, request, target, client.max_output_tokens, placeholders, memory)
    url, headers = address_and_headers(target, question.request)
    return {
        "url": url,
        "headers": headers,
        "body": orjson.Fragment(question.body),
        "dropped": list(dict.fromkeys(question.dropped)),
        "fetches": placeholders.urls,
    }


def _answer(door: str, error: GatewayError) -> dict[str, Any]:
    """An error as the client would get it."""
    return {"status": error.status, "body": DIALECTS[door].error_body(error)}


def _told(error: GatewayError) -> dict[str, Any]:
    return {
        "status": error.status,
        "code": error.code,
        "param": error.param,
        "message": error.message,
    }
