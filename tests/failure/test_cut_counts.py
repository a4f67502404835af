"""What is booked of an answer whose count never came: what was told so far, else what is likely."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.failure.caller import CHAT, Caller, request
from tests.running import Running
from tests.upstream import Json, Named, Sse, Upstream, chunks, completion

HELLO = [{"role": "user", "content": "Hello"}]
ASKED = {"model": "claude-x", "max_tokens": 100, "messages": HELLO, "stream": True}
MESSAGES = "/v1/messages"
COUNTED = {
    "input_tokens": 3_000,
    "cache_read_input_tokens": 50_000,
    "cache_creation_input_tokens": 2_000,
    "output_tokens": 1,
}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
TEXT = {"type": "text_delta", "text": "1234 5678"}
CLAUDES = [
    Named(name, {"type": name, **members})
    for name, members in (
        ("message_start", {"message": {**MESSAGE, "usage": COUNTED}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 0, "delta": TEXT}),
    )
]
GEMINIS = [
    {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}],
        "usageMetadata": {"promptTokenCount": 40_000, "candidatesTokenCount": count},
    }
    for text, count in (("1234", 700), (" 5678", 900))
]
each_vendor = pytest.mark.parametrize(
    ("provider", "events", "counted"),
    [
        ("anthropic", CLAUDES, {"input_tokens": 55_000, "cached_tokens": 50_000}),
        ("gemini", GEMINIS, {"input_tokens": 40_000, "output_tokens": 900}),
    ],
    ids=["anthropic", "gemini"],
)
each_door = pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["openai", "anthropic"])


def key_of(gateway: Running, upstream: Upstream, provider: str, **fields: Any) -> str:
    address = {"provider_base_url": upstream.origin, "provider_api_key": "k"}
    return gateway.client(provider=provider, default_model="claude-x", **address, **fields)


def cut(gateway: Running, key: str, path: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a stream whose caller hangs up at its text."""
    with Caller(gateway) as caller:
        caller.send(request(key, question, path=path))
        _, headers = caller.head()
        arriving = caller.blocks(headers)
        while b"5678" not in next(arriving):
            pass
    (row,) = gateway.rows(1, request_id=headers["x-request-id"])
    return row


@each_vendor
@each_door
def test_what_was_told_before_a_hang_up_holds(
    gateway: Running,
    upstream: Upstream,
    path: str,
    provider: str,
    events: list[Any],
    counted: Mapping[str, int],
) -> None:
    upstream.always(Sse(events, done=False, hang=len(events)))
    row = cut(gateway, key_of(gateway, upstream, provider), path, ASKED)
    assert (row["status"], row["estimated"]) == (499, 1)
    assert {name: row[name] for name in counted} == counted
    assert row["output_tokens"] >= 3


@each_vendor
@each_door
def test_what_was_told_before_the_vendor_broke_off_holds(
    gateway: Running,
    upstream: Upstream,
    path: str,
    provider: str,
    events: list[Any],
    counted: Mapping[str, int],
) -> None:
    upstream.always(Sse(events, done=False))
    key = key_of(gateway, upstream, provider, quota_input_tokens_day=10**6)
    with Caller(gateway) as caller:
        caller.send(request(key, ASKED, path=path))
        answer = caller.answer()
    (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
    assert (row["error_code"], row["estimated"]) == ("upstream_truncated", 1)
    assert {name: row[name] for name in counted} == counted
    used = gateway.call("GET", "/v1/usage", headers={"x-api-key": key}).json["limits"]
    assert [one["used"] for one in used] == [counted["input_tokens"]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_all_that_was_sent_counts_where_nobody_counts(
    gateway: Running, upstream: Upstream, stream: bool
) -> None:
    """Tools, pictures and the client's own system prompt are input like any text."""
    upstream.always(Sse(chunks()) if stream else Json(completion(usage=False)))
    parameters = {"type": "object", "properties": {"x": {"description": "word " * 4_000}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    told = [{"role": "user", "content": [{"type": "text", "text": "Hello"}, picture]}]
    key = gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        system_prompt="word " * 400,
    )
    question = {"model": "m", "messages": told, "tools": [tool], "stream": stream}
    answer = gateway.chat(key, question)
    (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
    assert (row["status"], row["estimated"]) == (200, 1)
    assert 5_000 + 2_000 + 500 <= row["input_tokens"] < 7_700
