"""What a vendor is told in a question of its dialect, in one form for all three.

    ("says", role, text) · ("calls", name, arguments) · ("gives", name, text, is_error) ·
    ("shows", base64 data)

A result is named by the call that it answers, so that mixed-up ids are noticed. An error that a
dialect has no word for is a text that begins with "Error: ".
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

Told = tuple[Any, ...]
_ERROR = "Error: "
_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")


def told(dialect: str, body: dict[str, Any]) -> list[Told]:
    """Texts that follow each other are one, however a stream has cut them."""
    said: list[Told] = []
    for one in _READ[dialect](body):
        if one[0] == "says" and said and said[-1][:2] == one[:2]:
            said[-1] = (*one[:2], said[-1][2] + one[2])
        elif one[0] != "says" or one[2]:
            said.append(one)
    return said


def offered(dialect: str, body: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Name, description and schema of each function."""
    return [
        (one["name"], one["description"], one[next(name for name in _SCHEMAS if name in one)])
        for tool in body["tools"]
        for one in _functions(dialect, tool)
    ]


def _functions(dialect: str, tool: dict[str, Any]) -> list[dict[str, Any]]:
    if dialect == "gemini":
        return list(tool["functionDeclarations"])
    return [tool["function"] if dialect == "openai" else tool]


def _gives(name: str, text: str, is_error: bool = False) -> Told:
    is_error = is_error or text.startswith(_ERROR)
    return "gives", name, text.removeprefix(_ERROR), is_error


def _openai(body: dict[str, Any]) -> Iterator[Told]:
    names: dict[str, str] = {}
    for message in body["messages"]:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        if message["role"] == "tool":
            yield _gives(names[message["tool_call_id"]], text)
            continue
        for part in parts:
            if part["type"] == "image_url":
                yield "shows", _address(part["image_url"]).partition("base64,")[2]
        yield "says", message["role"], text
        for call in message.get("tool_calls") or ():
            function = call["function"]
            names[call["id"]] = function["name"]
            yield "calls", function["name"], json.loads(function["arguments"])


def _address(image: Any) -> str:
    return str(image["url"] if isinstance(image, dict) else image)


def _anthropic(body: dict[str, Any]) -> Iterator[Told]:
    names: dict[str, str] = {}
    for message in body["messages"]:
        for block in _blocks(message["content"]):
            if block["type"] == "text":
                yield "says", message["role"], block["text"]
            elif block["type"] == "image":
                yield "shows", block["source"]["data"]
            elif block["type"] == "tool_use":
                names[block["id"]] = block["name"]
                yield "calls", block["name"], block["input"]
            else:
                inside = _blocks(block.get("content") or [])
                text = "".join(one["text"] for one in inside if one["type"] == "text")
                yield _gives(names[block["tool_use_id"]], text, bool(block.get("is_error")))
                for image in (one for one in inside if one["type"] == "image"):
                    yield "shows", image["source"]["data"]


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _gemini(body: dict[str, Any]) -> Iterator[Told]:
    """Its calls without an id are answered in their order."""
    for content in body["contents"]:
        role = "assistant" if content["role"] == "model" else "user"
        if role == "assistant":
            waiting = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        for part in content["parts"]:
            if "text" in part:
                yield "says", role, part["text"]
            elif "functionCall" in part:
                yield "calls", part["functionCall"]["name"], part["functionCall"]["args"]
            elif "inlineData" in part:
                yield "shows", _data(part)
            else:
                given = part["functionResponse"]
                call = next((one for one in waiting if _answers(given, one)), None)
                assert call is not None and call["name"] == given["name"], given
                waiting.remove(call)
                said = given["response"]
                text = said.get("output") or said.get("error") or json.dumps(said)
                yield _gives(given["name"], text, "error" in said)
                for one in given.get("parts") or ():
                    yield "shows", _data(one)


def _data(part: dict[str, Any]) -> str:
    """Google's SDK words what is deep inside in its own way, and writes base64 for URLs."""
    blob = part.get("inlineData") or part["inline_data"]
    return str(blob["data"]).translate(str.maketrans("-_", "+/"))


def _answers(given: dict[str, Any], call: dict[str, Any]) -> bool:
    return bool(given.get("id") == call.get("id"))


_READ: dict[str, Callable[[dict[str, Any]], Iterator[Told]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
