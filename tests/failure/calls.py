"""Calls of a client whose provider is the scripted upstream, and what became of them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.running import Answered, Running
from tests.upstream import Answer, Json, Sse, Upstream, chunks, completion

SECRET = "sk-upstream-0123456789abcdefghijklmnop"
WORDS = ("Grüße", " aus ", "東京", " 👋🏽", "!")
STREAM = Sse(chunks(WORDS))
WHOLE = Json(completion("".join(WORDS)))

both = pytest.mark.parametrize("question", [QUESTION, STREAMED], ids=["whole", "streamed"])


def good_for(question: Mapping[str, Any]) -> Json | Sse:
    """What an upstream that works would say."""
    return STREAM if "stream" in question else WHOLE


def client_of(gateway: Running, upstream: Upstream, **fields: Any) -> str:
    """The key of a client whose provider is the scripted upstream."""
    return gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        provider_api_key=SECRET,
        **fields,
    )


def ask(gateway: Running, key: str, question: Any) -> Answered:
    """An answer, of which it is sure that it has one status line and ends as HTTP wants it."""
    with Caller(gateway) as caller:
        caller.send(request(key, question))
        answer = caller.answer()
        assert caller.received.count(b"HTTP/1.1 ") == 1
        assert not caller.interim
        caller.send(request(None, None, method="GET", path="/health"))
        assert caller.answer().status == 200
    assert SECRET.encode() not in caller.received
    return answer


def events_of(answer: Answered) -> list[Any]:
    """The data of a stream's events: parsed, or the text of `[DONE]`."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = answer.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in found]


def written(answer: Answer) -> bytes:
    """The body of an answer as upstream sends it."""
    return b"".join(answer.parts())


def live(gateway: Running) -> list[dict[str, Any]]:
    told = gateway.admin("GET", "/requests/live")
    assert told.status == 200, told.body
    assert told.json["complete"] is True
    assert told.json["count"] == len(told.json["items"])
    items: list[dict[str, Any]] = told.json["items"]
    return items


def only_one(gateway: Running, name: str) -> dict[str, Any]:
    """The one call of this client, as soon as it is told of."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [one for one in live(gateway) if one["client_name"] == name]
        return bool(found)

    gateway.wait_until(is_there, "a call under way")
    (call,) = found
    return call
