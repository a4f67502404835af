"""mistral-common, Mistral's own checks of a question, accepts what the gateway sends there."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from gateway.chat import ChatRequest
from gateway.dialects.translation import in_dialect
from gateway.errors import BadRequest
from gateway.providers import PROVIDERS
from tests.environments import python_environment
from tests.upstream import load
from tests.upstream.recordings import RECORDINGS

HERE = Path(__file__).parent
VERSIONS = ("v3", "v7", "v11", "v13")
DIALECTS = {
    "openai-chat": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "openai-responses": "responses",
}
# What these checks cannot judge, or what a client said that Mistral itself has to refuse.
EXCUSED = {
    r"'document_url' is not a valid ChunkTypes": "Mistral's API reads documents before the model",
    r"'video_url' is not a valid ChunkTypes": "a part of another vendor, relayed as it came",
    r"input_value='openrouter:": "a tool of another vendor, relayed as it came",
    r"reasoning_effort='\w+' is not supported": "a matter of the model, not of the question",
    r"\nreasoning_effort\n  Input should be": "a word of Groq's, relayed as it came",
    r"for ThinkChunk\nthinking\n": "the API gives and takes a list here, as the recordings show",
}
# What the oldest tokenizer's models cannot be told at all.
EXCUSED_V3 = {
    r"either content or tool_calls, but not both": "text beside calls",
    r"\['AudioURLChunk'\]": "audio",
    r"\['ThinkChunk'\]": "thoughts",
}
# A client's own fault: its recorded question leaves a call without a result.
UNANSWERED = "83138d65d44f"

QUESTION: dict[str, Any] = {"role": "user", "content": "How warm is it in Bern?"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather"}}
CALL: dict[str, Any] = {
    "id": "call_0123456789abcdef",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
}
TURN: list[dict[str, Any]] = [
    QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "x"}]},
    {"role": "tool", "tool_call_id": CALL["id"], "content": "21 °C"},
    {"role": "tool", "tool_call_id": "x", "content": "20 °C"},
]
SAID: dict[str, list[dict[str, Any]]] = {
    "a question": [QUESTION],
    "a developer": [{"role": "developer", "content": "Be brief."}, QUESTION],
    "a tool turn": TURN,
    "a user after a tool": [*TURN, {"role": "user", "content": "And tomorrow?"}],
    "the system in the middle": [
        QUESTION,
        {"role": "assistant", "content": "Warm."},
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": "How warm?"},
    ],
    "a trailing answer": [QUESTION, {"role": "assistant", "content": "It is"}],
    "users in a row": [QUESTION, {"role": "user", "content": "Please."}],
    "a name": [{**QUESTION, "name": "anna"}],
}


def test_what_openais_clients_say_is_accepted_by_all() -> None:
    bodies = [_sent("openai", _asked(messages)) for messages in SAID.values()]
    judged = dict(zip(SAID, _judged(bodies), strict=True))
    assert judged == {name: dict.fromkeys(VERSIONS) for name in SAID}


def test_every_recorded_question_is_accepted() -> None:
    bodies, names = [], []
    for file, dialect in DIALECTS.items():
        for recording in load(RECORDINGS.with_name(f"{file}.jsonl.gz")):
            if "count" in recording.path or "mbed" in recording.path:
                continue
            try:
                bodies.append(_sent(dialect, recording.request))
                names.append(recording.id)
            except BadRequest as error:
                assert error.param, error.message  # refused before it is sent
    accepted = dict.fromkeys(VERSIONS, 0)
    for name, judged in zip(names, _judged(bodies), strict=True):
        for version, complaint in judged.items():
            excused = name == UNANSWERED or _excuse(version, complaint or "")
            assert complaint is None or excused, f"{name} {version}: {complaint}"
            accepted[version] += complaint is None
    assert len(bodies) == 557
    assert accepted == {"v3": 438, "v7": 480, "v11": 480, "v13": 480}


def _excuse(version: str, complaint: str) -> str | None:
    excused = EXCUSED | (EXCUSED_V3 if version in ("v3", "v7") else {})
    return next((why for words, why in excused.items() if re.search(words, complaint)), None)


def _asked(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": "m",
        "messages": messages,
        "tools": [TOOL],
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "seed": 1,
        "max_completion_tokens": 9,
        "user": "anna",
    }


def _sent(dialect: str, body: dict[str, Any]) -> Any:
    mistral = PROVIDERS["mistral"]
    raw = json.dumps(body).encode()
    asked = ChatRequest(raw, body, "m", bool(body.get("stream")), False, dialect=dialect)
    said, _ = in_dialect(asked, "openai", "mistral-large-latest", mistral.accepts)
    return json.loads(mistral.write(said, "mistral-large-latest", None, None).body)


def _judged(bodies: list[Any]) -> list[dict[str, str | None]]:
    python = python_environment(HERE / "mistral-common.txt")
    ran = subprocess.run(
        [str(python), str(HERE / "drivers" / "mistral_common_judge.py")],
        input=json.dumps(bodies),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    judged: list[dict[str, str | None]] = json.loads(ran.stdout)
    return judged
