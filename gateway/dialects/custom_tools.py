"""OpenAI's custom tools, for vendors whose models call functions alone.

A custom tool is called with plain text. Here it becomes a function of one string, `input`; calls
of it become custom calls again on their way back, whole and streamed.
"""

import json
import re
from collections.abc import Iterator

import orjson

from gateway.conversation import CallBegan, CallPiece, Chat, Event, Finished, Tool, ToolCall

_MEMBER = "input"
_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_CHARACTERS = re.compile(r'(?:[^"\\]|\\[^u]|\\u[0-9a-fA-F]{4})*')
# Its other half may still be to come.
_HALF_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")


def wrap(chat: Chat) -> frozenset[str]:
    """Turns custom tools and the calls of them into functions; gives the tools' names."""
    names = frozenset(tool.name for tool in chat.tools if tool.custom is not None)
    chat.tools = [_function(tool) if tool.custom is not None else tool for tool in chat.tools]
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, ToolCall) and part.custom:
                part.arguments = orjson.dumps({_MEMBER: part.arguments}).decode()
                part.custom = False
    return names


def _function(tool: Tool) -> Tool:
    about = "The tool's input: plain text, not JSON."
    wanted = (tool.custom or {}).get("format")
    if isinstance(wanted, dict) and wanted.get("type") == "grammar":
        grammar = wanted.get("grammar") or wanted
        about += f" It must fit this {grammar.get('syntax')} grammar:\n{grammar.get('definition')}"
    schema = {
        "type": "object",
        "properties": {_MEMBER: {"type": "string", "description": about}},
        "required": [_MEMBER],
        "additionalProperties": False,
    }
    return Tool(tool.name, tool.description, schema, cache=tool.cache)


class CustomCalls:
    """A filter: the calls of these tools become custom ones."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._open: dict[tuple[int, int], _Input] = {}

    def read(self, event: Event) -> Iterator[Event]:
        if isinstance(event, CallBegan) and event.name in self._names:
            event.custom = True
            self._open[event.choice, event.call] = _Input()
        elif isinstance(event, CallPiece) and (event.choice, event.call) in self._open:
            event.arguments = self._open[event.choice, event.call].feed(event.arguments)
            if not event.arguments:
                return
        elif isinstance(event, Finished):
            yield from self.rest(event.choice)
        yield event

    def rest(self, choice: int | None = None) -> Iterator[Event]:
        """Arguments in another form than was asked for are held back to the end."""
        for place in [place for place in self._open if choice in (None, place[0])]:
            if text := self._open.pop(place).rest():
                yield CallPiece(place[1], text, place[0])


class _Input:
    """The text inside `{"input": "…"}`, as it arrives in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._done = False

    def feed(self, piece: str) -> str:
        if self._done:
            return ""
        self._held += piece
        if not self._inside:
            opening = _OPENING.match(self._held)
            if opening is None:
                return ""
            self._inside = True
            self._held = self._held[opening.end() :]
        return self._text()

    def rest(self) -> str:
        if self._done or self._inside:
            return ""
        try:
            value = json.loads(self._held, strict=False)
        except ValueError:
            return self._held
        members = list(value.values()) if isinstance(value, dict) else [value]
        texts = [member for member in members if isinstance(member, str)]
        return texts[0] if len(texts) == len(members) == 1 else self._held if value else ""

    def _text(self) -> str:
        said = _CHARACTERS.match(self._held)
        assert said is not None
        end = said.end()
        self._done = self._held.startswith('"', end)
        if not self._done and (half := _HALF_PAIR.search(self._held, 0, end)):
            end = half.start()
        text, self._held = self._held[:end], self._held[end:]
        return _decoded(text)


def _decoded(text: str) -> str:
    """The text of a JSON string; models also write raw line breaks, and halves of pairs."""
    if "\\" not in text:
        return text
    try:
        value = str(json.loads(f'"{text}"', strict=False))
    except ValueError:  # an escape that JSON does not know
        return text
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
