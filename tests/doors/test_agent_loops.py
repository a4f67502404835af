"""Agents written with the vendors' SDKs: ten turns with three tools, and calls at the same time.

Through the gateway they end with the same messages as straight at the vendor; through a vendor of
another dialect, with the same texts and results.
"""

import json
from contextlib import closing
from typing import Any

import pytest

from tests import spoken
from tests.doors.tool_clients import CONVERSATIONS, Function, Result
from tests.running import Running
from tests.spoken import Call, Said
from tests.told import told
from tests.upstream import Received, Upstream

TURNS = 10
NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS = (
    Function("add", "The sum.", NUMBERS),
    Function("shout", "In capitals.", TEXT),
    Function("fail", "Never works.", {"type": "object", "properties": {}}),
)
VENDORS = {
    "openai": ("openai", "/v1", "gpt-5"),
    "anthropic": ("anthropic", "", "claude-sonnet-5"),
    "gemini": ("gemini", "", "gemini-3-flash"),
}
WAYS = [
    pytest.param(door, vendor, stream, id=f"{door}-{vendor}-{'stream' if stream else 'whole'}")
    for door in ("openai", "anthropic")
    for vendor in VENDORS
    for stream in (False, True)
]


def model(vendor: str) -> Any:
    """Calls one tool, then two, then three, and has its last word in the tenth turn."""

    def answer(received: Received) -> Any:
        turns = [one for one in told(vendor, received.json) if one[0] == "calls"]
        number = sum(1 for one in _turns(vendor, received.json))
        if number == TURNS - 1:
            return spoken.answer(vendor, Said(f"Done after {len(turns)} calls: ü€😀"), received)
        calls = (
            Call(f"call_add{number:06}", "add", {"a": number, "b": 2**40}),
            Call(f"call_sho{number:06}", "shout", {"text": f'turn "{number}" – ü\n'}),
            Call(f"call_fai{number:06}", "fail", {}),
        )
        text = "" if number % 2 else f"Turn {number}. "
        return spoken.answer(vendor, Said(text, calls[: number % 3 + 1]), received)

    return answer


def _turns(vendor: str, body: dict[str, Any]) -> list[Any]:
    """The model's own so far."""
    said = body["contents" if vendor == "gemini" else "messages"]
    return [one for one in said if one["role"] in ("assistant", "model")]


def run(name: str, arguments: dict[str, Any]) -> Result:
    if name == "add":
        return Result(json.dumps({"sum": arguments["a"] + arguments["b"]}))
    if name == "shout":
        return Result(arguments["text"].upper())
    return Result("It never works.", is_error=True)


def looped(door: str, origin: str, key: str, model: str, *, stream: bool) -> tuple[Any, Any]:
    """The agent; gives its messages, and what was said and done in no dialect."""
    conversation = CONVERSATIONS[door](origin, key, model, TOOLS)
    conversation.say("Go.")
    done: list[Any] = []
    with closing(conversation):
        while (heard := conversation.ask(stream=stream)).calls:
            results = [run(name, arguments) for name, arguments in heard.called]
            done.append((heard.text, heard.called, results))
            conversation.answer(heard, results)
    return conversation.messages, [*done, heard.text]


@pytest.mark.parametrize(("door", "vendor", "stream"), WAYS)
def test_a_loop_ends_as_it_does_without_the_gateway(
    gateway: Running, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    upstream.always(model(door))
    straight, done = looped(door, upstream.origin, "k", VENDORS[door][2], stream=stream)
    seen = told(door, upstream.requests[-1].json)
    assert len(done) == len(upstream.requests) == TURNS
    upstream.clear()
    upstream.always(model(vendor))
    provider, path, name = VENDORS[vendor]
    key = gateway.client(
        provider=provider, provider_base_url=upstream.origin + path, provider_api_key="k"
    )
    messages, same = looped(door, gateway.origin, key, name, stream=stream)
    assert same == done
    assert told(vendor, upstream.requests[-1].json) == seen
    if vendor == door:
        assert messages == straight
