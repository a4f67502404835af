"""Recorded questions in another vendor's words, judged by that vendor's own SDK types."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from gateway.chat import ChatRequest
from gateway.dialects.translation import in_dialect
from gateway.errors import BadRequest
from tests.dialects.test_anthropic_requests import VALIDATOR
from tests.dialects.test_gemini_recorded_requests import meaning
from tests.dialects.test_openai_chat_recorded_requests import JUDGE
from tests.upstream import Recording, load
from tests.upstream.recordings import RECORDINGS

FILES = {
    "openai": "openai-chat",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "responses": "openai-responses",
}
MODELS = {"openai": "gpt-5", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro"}
GONE = ("temperature", "top_p", "top_k")
# What no vendor of that dialect has: tools that another one runs, its files, its kept answers.
REFUSED: dict[tuple[str, str], dict[str, int]] = {
    ("openai", "anthropic"): {"tools[0]": 4, "messages[2].content[1]": 1},
    ("openai", "gemini"): {"tools[0]": 4, "file_id": 1},
    ("anthropic", "openai"): {"tools[0]": 14, "messages": 3},
    ("anthropic", "gemini"): {"tools[0]": 14, "file_id": 2},
    ("gemini", "openai"): {"tools[0]": 13},
    ("gemini", "anthropic"): {"tools[0]": 13},
    ("responses", "openai"): {
        "tools[0]": 11,
        "background": 4,
        "previous_response_id": 1,
        "input[6].type": 1,
    },
    ("responses", "anthropic"): {
        "tools[0]": 11,
        "background": 4,
        "logprobs": 2,
        "messages[2].content[0].content[0]": 1,
        "messages[2].content[1]": 1,
        "previous_response_id": 1,
        "input[6].type": 1,
    },
    ("responses", "gemini"): {
        "tools[0]": 11,
        "background": 4,
        "file_id": 1,
        "previous_response_id": 1,
        "input[6].type": 1,
    },
}
# Video and sound by address, as some vendors of OpenAI's dialect take them, but not OpenAI.
MISFITS = {("gemini", "openai"): 7, ("responses", "openai"): 1}
WAYS = [(door, vendor) for door in FILES for vendor in MODELS if door != vendor]


def chats(door: str) -> list[Recording]:
    found = load(RECORDINGS.with_name(f"{FILES[door]}.jsonl.gz"))
    return [one for one in found if not one.path.endswith((":batchEmbedContents", "count_tokens"))]


def asked(door: str, recording: Recording) -> ChatRequest:
    body = recording.request
    raw = json.dumps(body).encode()
    stream = recording.stream or bool(body.get("stream"))
    return ChatRequest(raw, body, "any", stream, True, dialect=door)


def translated(door: str, vendor: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The questions in the vendor's words, and the fields for whose sake others were refused."""
    said, refused = [], []
    for recording in chats(door):
        try:
            said.append(in_dialect(asked(door, recording), vendor, MODELS[vendor])[0].body)
        except BadRequest as error:
            refused.append(str(error.param))
    return said, refused


def judged(script: str, bodies: list[dict[str, Any]]) -> list[str]:
    lines = "\n".join(map(json.dumps, bodies))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("door", "vendor"), WAYS)
def test_what_is_asked_is_a_question_of_the_vendors(door: str, vendor: str) -> None:
    said, refused = translated(door, vendor)
    assert Counter(refused) == REFUSED.get((door, vendor), {})
    if vendor == "gemini":
        for body in said:
            meaning(body)
        return
    script, fine = (JUDGE, "fits") if vendor == "openai" else (VALIDATOR, '""')
    verdicts = judged(script, [plain(body) for body in said] if vendor == "anthropic" else said)
    misfits = [body for body, told in zip(said, verdicts, strict=True) if told != fine]
    assert len(misfits) == MISFITS.get((door, vendor), 0)
    assert all(_shows_what_openai_does_not_know(body) for body in misfits)


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is gone from the API's newest version alone, which the types describe."""
    return {name: value for name, value in body.items() if name not in GONE}


def _shows_what_openai_does_not_know(body: dict[str, Any]) -> bool:
    contents = (message.get("content") for message in body["messages"])
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(part["type"] in ("audio_url", "video_url") for part in parts)
