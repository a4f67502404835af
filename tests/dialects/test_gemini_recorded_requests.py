"""Recorded requests to Gemini models: read as a question and written again, they say the same."""

from base64 import b64encode
from typing import Any

import pytest
from google.genai import types

from gateway.dialects.gemini import read_chat, write_chat
from tests.dialects.gemini_sdk import CHATS, add_part, model_of, plain
from tests.upstream import Recording

STAND_IN = "skip_thought_signature_validator"


def name(recording: Recording) -> str:
    return recording.id


def test_all_recorded_requests_are_here() -> None:
    assert len(CHATS) == 124


@pytest.mark.parametrize("recording", CHATS, ids=name)
def test_a_recorded_request_keeps_its_meaning(recording: Recording) -> None:
    model = model_of(recording)
    written = write_chat(read_chat(recording.request), model, stream=recording.stream)
    assert written.dropped == []
    assert meaning(written.body) == meaning(recording.request)


@pytest.mark.parametrize("recording", CHATS, ids=name)
def test_what_was_written_is_read_the_same(recording: Recording) -> None:
    chat = read_chat(recording.request)
    again = write_chat(chat, model_of(recording), stream=False).body
    assert read_chat(again) == chat


def meaning(body: dict[str, Any]) -> dict[str, Any]:
    """By the SDK's own types, which forbid what they do not know.

    Not told apart: with and without a role of the system text; how a model's unsigned text is cut
    into parts; how functions are spread over entries; `parameters` and their JSON Schema; the
    stand-in for a signature as text and in base64.
    """
    said = {camel(name): value for name, value in body.items()}
    tools = [types.Tool.model_validate(tool) for tool in said.pop("tools", [])]
    config = types.GenerationConfig.model_validate(said.pop("generationConfig", {}))
    tool_config = types.ToolConfig.model_validate(said.pop("toolConfig", {}))
    system = said.pop("systemInstruction", {"parts": []})
    return {
        "contents": [content(item) for item in said.pop("contents")],
        "functions": [
            function(item) for tool in tools for item in tool.function_declarations or []
        ],
        "hosted": [found for tool in tools if (found := hosted(tool))],
        "config": plain(config),
        "tool_config": plain(tool_config),
        "system": [part["text"] for part in system["parts"]],
        "safety": [plain(types.SafetySetting(**item)) for item in said.pop("safetySettings", [])],
        "rest": said,
    }


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def content(found: dict[str, Any]) -> dict[str, Any]:
    read = plain(types.Content.model_validate(found))
    parts: list[dict[str, Any]] = []
    for original, part in zip(found["parts"], read["parts"], strict=True):
        call = part.get("function_call")
        if call is not None:  # `add_part` takes away ids; here they count
            call["called"] = original["functionCall"].get("id")
        if part.get("thought_signature") == STAND_IN:
            part["thought_signature"] = b64encode(STAND_IN.encode()).decode()
        if read["role"] == "model":
            add_part(parts, part)
        else:
            parts.append(part)
    return {"role": read["role"], "parts": parts}


def function(found: types.FunctionDeclaration) -> dict[str, Any]:
    schema = found.parameters_json_schema
    if found.parameters is not None:
        schema = lower(plain(found.parameters.json_schema))
    return {"name": found.name, "description": found.description, "schema": schema}


def lower(schema: Any) -> Any:
    """The SDK's own translation, with the types as JSON Schema words them."""
    if isinstance(schema, dict):
        return {
            name: item.lower() if name == "type" and isinstance(item, str) else lower(item)
            for name, item in schema.items()
        }
    return schema


def hosted(tool: types.Tool) -> dict[str, Any]:
    return {name: item for name, item in plain(tool).items() if name != "function_declarations"}
