"""The demo's choices: what it says or calls, cut where the request wants it, and counted.

A token is a word, at most 12 characters of it, or one other mark, each with the white space that
leads it. Prompt and answer are counted alike; the name of a called tool is one token.
"""

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from gateway.errors import BadRequest
from gateway.providers.demo.instance import example
from gateway.providers.demo.request import Asked, JsonFormat, Tool
from gateway.providers.demo.schema import NoInstance, Steps
from gateway.providers.demo.words import answer, json_answer, long_answer, wants_much

# Where an answer that is asked to be long ends: without a cap, and with any cap.
LONG_ANSWER = 4_000
LONGEST_ANSWER = 16_384

_TOKEN = re.compile(r"\s*(?:\w{1,12}|[^\w\s])|\s+")


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: Sequence[str]


@dataclass(frozen=True)
class Choice:
    """Its text, and a call's arguments, stand in tokens."""

    text: Sequence[str]
    calls: Sequence[Call]
    finish: str

    @property
    def size(self) -> int:
        return len(self.text) + sum(1 + len(call.arguments) for call in self.calls)


def tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def choices(asked: Asked) -> list[Choice]:
    """The `n` answers. Raises BadRequest when nothing fits a schema."""
    steps = Steps()
    if not asked.tools:
        return [_speaking(asked, index, steps) for index in range(asked.n)]
    wanted = [(tool.name, _arguments(tool, steps)) for tool in _called(asked)]
    return [_calling(asked, index, wanted) for index in range(asked.n)]


def _speaking(asked: Asked, index: int, steps: Steps) -> Choice:
    pieces, limit = _pieces(asked, index, steps)
    kept = list(islice(pieces, limit))
    text = "".join(kept)
    ends = [at for stop in asked.stops if (at := text.find(stop)) >= 0]
    if ends:
        return Choice(tokens(text[: min(ends)]), (), "stop")
    return Choice(kept, (), "stop" if next(pieces, None) is None else "length")


def _pieces(asked: Asked, index: int, steps: Steps) -> tuple[Iterator[str], int | None]:
    """The tokens of an answer that nothing cuts, and how many of them are wanted."""
    if asked.format:
        return iter(tokens(_json(asked, asked.format, index, steps))), asked.cap
    if wants_much(asked):
        limit = min(asked.cap or LONG_ANSWER, LONGEST_ANSWER)
        return (token for text in long_answer(asked, index) for token in tokens(text)), limit
    return iter(tokens(answer(asked, index))), asked.cap


def _json(asked: Asked, wanted: JsonFormat, index: int, steps: Steps) -> str:
    if wanted.schema is None:
        return orjson.dumps(json_answer(asked, index)).decode()
    try:
        return example(wanted.schema, index, steps)
    except NoInstance as error:
        message = f"The demo finds nothing that fits this schema: {error}"
        raise BadRequest(message, param="response_format.json_schema.schema") from error


def _called(asked: Asked) -> Sequence[Tool]:
    """The tools that the user's text names, else the first; one alone unless parallel."""
    text = asked.wish.casefold()
    named = [tool for tool in asked.tools if _is_named(tool.name.casefold(), text)]
    return named if named and asked.parallel else (named or asked.tools)[:1]


def _is_named(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _arguments(tool: Tool, steps: Steps) -> list[str]:
    try:
        return tokens(example({**tool.parameters, "type": "object"}, 0, steps))
    except NoInstance as error:
        message = f"The demo finds no arguments that fit this schema: {error}"
        raise BadRequest(message, param=tool.param) from error


def _calling(asked: Asked, index: int, wanted: Sequence[tuple[str, list[str]]]) -> Choice:
    left = asked.cap or sys.maxsize
    calls = []
    for place, (name, arguments) in enumerate(wanted):
        if left > 0:
            calls.append(Call(_call_id(asked, index, place), name, arguments[: left - 1]))
        left -= 1 + len(arguments)
    return Choice((), calls, "tool_calls" if left >= 0 else "length")


def _call_id(asked: Asked, index: int, place: int) -> str:
    name = f"{asked.mark} {len(asked.messages)} {index} {place}"
    return f"call_{hashlib.sha256(name.encode()).hexdigest()[:24]}"
