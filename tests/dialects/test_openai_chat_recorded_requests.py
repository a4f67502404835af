"""Recorded questions read into the canonical words and written again ask the same: 198 of 198.

What is not said again, since it says nothing or has no word: `prefix: false` and the `index` of a
call in Mistral's history, and how it cuts a thought into texts. Mistral's `document_url` (one
recording) becomes a file.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from gateway.conversation import Written
from gateway.dialects.openai_chat import OPENAI, Accepts, read_chat, write_chat
from tests.upstream import Recording, load

RECORDINGS = load()
# What these vendors were asked with, as the recordings show.
ACCEPTS = {
    "openai": Accepts(cache_marks="prompt_cache_breakpoint"),
    "openrouter": Accepts(cache_marks="cache_control"),
    "mistral": Accepts(thoughts="chunks", cap_field="max_tokens"),
}
# Run apart: the package's types check each message only if `Iterable` is a list when it is loaded.
JUDGE = """
import json, sys, typing
typing.Iterable = typing.List
from pydantic import TypeAdapter, ValidationError
from openai.types.chat import completion_create_params as params
kinds = {
    True: TypeAdapter(params.CompletionCreateParamsStreaming),
    False: TypeAdapter(params.CompletionCreateParamsNonStreaming),
}
for line in sys.stdin:
    body = json.loads(line)
    try:
        kinds[body.get("stream", False)].validate_python(body, strict=True)
    except ValidationError as error:
        print(body["model"], error.errors(include_url=False)[:3])
    else:
        print("fits")
"""


def names(recording: Recording) -> str:
    return f"{recording.provider}-{recording.id}"


def again(recording: Recording) -> Written:
    accepts = ACCEPTS.get(recording.provider, OPENAI)
    asked = recording.request
    stream = bool(asked.get("stream"))
    return write_chat(read_chat(asked), asked["model"], stream=stream, accepts=accepts)


@pytest.mark.parametrize("recording", RECORDINGS, ids=names)
def test_a_recorded_question_is_asked_again(recording: Recording) -> None:
    written = again(recording)
    assert meaning(written.body) == meaning(recording.request)
    assert written.dropped == []


def test_the_sdk_takes_them_for_questions() -> None:
    """190 of them; eight have words of a vendor's own: tools, chunks, video, a service tier."""
    bodies = [again(recording).body for recording in RECORDINGS]
    lines = "\n".join(map(json.dumps, bodies))
    judged = subprocess.run(
        [sys.executable, "-c", JUDGE], input=lines, capture_output=True, text=True, check=True
    )
    verdicts = judged.stdout.splitlines()
    assert len(verdicts) == 198
    misfits = [
        recording
        for recording, verdict in zip(RECORDINGS, verdicts, strict=True)
        if verdict != "fits"
    ]
    assert all(has_own_words(recording.request) for recording in misfits)
    assert len(misfits) == 8


def has_own_words(body: dict[str, Any]) -> bool:
    kinds = {tool.get("type", "function") for tool in body.get("tools", [])}
    for message in body["messages"]:
        if isinstance(message.get("content"), list):
            kinds |= {part["type"] for part in message["content"]}
    known = {"function", "custom", "text", "image_url", "file", "refusal"}
    return bool(kinds - known) or body.get("service_tier") == "on_demand"


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """A question as what it says, whatever its form."""
    asked = {name: value for name, value in body.items() if value is not None}
    system: list[Any] = []
    turns: list[Any] = []
    for message in asked.pop("messages"):
        if message["role"] in ("system", "developer"):
            system += parts(message)
        else:
            turns.append(turn(message))
    caps = [asked.pop(name, None) for name in ("max_tokens", "max_completion_tokens")]
    asked.pop("stream_options", None)
    return asked | {
        "system": system,
        "turns": turns,
        "cap": [cap for cap in caps if cap],
        "stream": asked.get("stream", False),
        "tools": [tool(given) for given in asked.get("tools", [])],
    }


def turn(message: dict[str, Any]) -> dict[str, Any]:
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or []
    ]
    said = {
        "role": message["role"],
        "parts": parts(message),
        "calls": calls,
        "answers": message.get("tool_call_id"),
    }
    if "reasoning_content" in message:
        said["thoughts"] = message["reasoning_content"]
    return said


def parts(message: dict[str, Any]) -> list[Any]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [part(given) for given in content or []]


def part(given: dict[str, Any]) -> dict[str, Any]:
    if given["type"] == "document_url":
        file = {"filename": "document.pdf", "file_data": given["document_url"]}
        return {"type": "file", "file": file}
    if given["type"] == "thinking":
        return {"type": "thinking", "text": "".join(each["text"] for each in given["thinking"])}
    return given


def tool(given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", **given}
