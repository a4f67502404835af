"""Recorded questions to Claude: read and written again, they ask for the same."""

import json
import subprocess
import sys
from typing import Any

import orjson
import pytest

from gateway.dialects.anthropic import count_tokens_body, read_chat, write_chat
from tests.dialects.anthropic_sdk import ALL, name
from tests.upstream import Recording

# Its vendor refused this effort for this model, and told which it takes: the nearest is asked for.
CHANGED = {"266a3669fe86": {"output_config": {"effort": "high"}}}

# The SDK's request types take every iterable unread; with lists in their place they are strict.
# Plain top-level keys pass all the same, so these are compared with the types' own.
VALIDATOR = """
import json, sys, typing
typing.Iterable = typing.List
from anthropic.types.beta import message_create_params, message_count_tokens_params
from pydantic import TypeAdapter
asked = TypeAdapter(message_create_params.MessageCreateParamsStreaming)
known = {name for base in (message_create_params.MessageCreateParamsBase,
                           message_create_params.MessageCreateParamsStreaming)
         for name in base.__annotations__}
for line in sys.stdin:
    body = json.loads(line)
    unknown = body.keys() - known
    try:
        asked.validate_python({**body, "stream": True})
        fault = f"unknown: {sorted(unknown)}" if unknown else ""
    except Exception as error:
        fault = str(error)[:2000]
    print(json.dumps(fault))
"""


def rewritten(recording: Recording) -> dict[str, Any]:
    body = recording.request
    written = write_chat(read_chat(body), body["model"], stream=body.get("stream", False))
    assert written.dropped == []
    whole = not recording.path.endswith("count_tokens")
    return written.body if whole else count_tokens_body(written.body)


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """The question without what may be said in two ways, or says nothing."""
    said: dict[str, Any] = json.loads(json.dumps(body))
    if not said.get("stream"):
        said.pop("stream", None)
    if not said.get("tools"):
        said.pop("tools", None)
    for owner in [said, *said["messages"]]:
        for member in ("system", "content"):
            if isinstance(owner.get(member), str):
                owner[member] = [{"type": "text", "text": owner[member]}]
    for block in (block for message in said["messages"] for block in message["content"]):
        if block["type"] == "tool_result":
            _simplify(block)
    for tool in said.get("tools", []):
        if tool.get("type") == "custom":
            del tool["type"]
    return said


def _simplify(result: dict[str, Any]) -> None:
    if not result.get("is_error"):
        result.pop("is_error", None)
    if isinstance(result.get("content"), str):
        result["content"] = [{"type": "text", "text": result["content"]}]


@pytest.mark.parametrize("recording", ALL, ids=name)
def test_a_question_keeps_its_meaning(recording: Recording) -> None:
    expected = recording.request | CHANGED.get(recording.id, {})
    assert meaning(rewritten(recording)) == meaning(expected)


def test_all_but_one_of_168_questions_are_unchanged() -> None:
    same = [row for row in ALL if meaning(rewritten(row)) == meaning(row.request)]
    assert (len(ALL), len(same)) == (168, 167)


def test_the_sdks_types_accept_what_is_written() -> None:
    asked = [row for row in ALL if row.path == "/v1/messages"]
    faults = validate([rewritten(row) for row in asked])
    assert [fault for fault in faults if fault] == []
    assert len(faults) == 162


def test_the_sdks_types_would_notice() -> None:
    wrong = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{}]}]}
    unknown = {"model": "m", "max_tokens": 1, "messages": [], "seed": 1}
    assert all(validate([wrong, unknown]))


def validate(bodies: list[dict[str, Any]]) -> list[str]:
    lines = b"\n".join(map(orjson.dumps, bodies))
    done = subprocess.run(
        [sys.executable, "-c", VALIDATOR], input=lines, capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_count_tokens_takes_no_limits_and_no_sampling() -> None:
    body = {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": "q"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "stop_sequences": ["."],
        "metadata": {"user_id": "u"},
        "stream": True,
        "system": "s",
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto"},
    }
    counted = count_tokens_body(body)
    assert set(counted) == {"model", "messages", "system", "tools", "tool_choice"}
