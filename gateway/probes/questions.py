"""What the probes ask, in the words of OpenAI's chat completions."""

import base64
import struct
import zlib
from typing import Any

Body = dict[str, Any]

CAP = 1024
"""Room for a model that thinks first."""
COLOUR = "red"
CITY_TOOL, TIME_TOOL = "get_weather", "get_time"
_SIDE = 64  # some vendors refuse smaller pictures


def _tool(name: str, what: str, argument: str) -> Body:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    function = {"name": name, "description": what, "parameters": parameters}
    return {"type": "function", "function": function}


def _picture() -> str:
    """A square of one colour, as a data URL of a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + b"\xff\0\0" * _SIDE) * _SIDE
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _said(content: Any) -> list[Body]:
    return [{"role": "user", "content": content}]


WEATHER = _tool(CITY_TOOL, "Gives the weather in a city", "city")
TIME = _tool(TIME_TOOL, "Gives the time in a city", "city")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["city", "inhabitants"],
    "additionalProperties": False,
}
QUESTIONS: dict[str, Body] = {
    "whole": {"messages": _said("Reply with the one word OK.")},
    "stream": {
        "messages": _said("Count from one to five, in words."),
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "tools": {
        "messages": _said(f"What is the weather in Bern? Use the tool {CITY_TOOL}."),
        "tools": [WEATHER],
    },
    "parallel_tools": {
        "messages": _said(
            f"Call {CITY_TOOL} for Bern and {TIME_TOOL} for Tokyo, both in the same turn."
        ),
        "tools": [WEATHER, TIME],
    },
    # It does not ask for JSON: that the answer is JSON all the same is the schema's doing.
    "json_schema": {
        "messages": _said("Name a large city, and tell how many people live there."),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
        },
    },
    "image": {
        "messages": _said(
            [
                {"type": "text", "text": "Which colour is this? Reply with one word."},
                {"type": "image_url", "image_url": {"url": _picture()}},
            ]
        ),
    },
}
