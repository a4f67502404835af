"""OpenRouter's `reasoning_details` of a stream, put together until a run of thoughts ends."""

from typing import Any

from gateway.conversation import Event, ThinkingSealed
from gateway.dialects.openai_chat.thoughts import detail_text, objects, read_detail

_TEXTS = {"reasoning.text": "text", "reasoning.summary": "summary"}


class Details:
    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._items: list[dict[str, Any]] = []

    def read(self, details: Any) -> str:
        """Keeps the pieces; gives their text."""
        pieces = objects(details)
        for piece in pieces:
            self._keep(piece)
        return "".join(map(detail_text, pieces))

    def sealed(self) -> list[Event]:
        """Each item of the run that ends here, as whoever continues it must send it back."""
        if not self._items:
            return []
        thoughts = [read_detail(item) for item in self._items]
        self._items = []
        return [
            ThinkingSealed(each.signature, each.redacted, each.details, self._choice)
            for each in thoughts
        ]

    def _keep(self, piece: dict[str, Any]) -> None:
        """A piece of text continues the item of its kind and index; all else is an item whole."""
        member = _TEXTS.get(str(piece.get("type")))
        for item in reversed(self._items) if member else ():
            if item.get("type") == piece["type"] and item.get("index") == piece.get("index"):
                return _continue(item, piece, str(member))
        if piece not in self._items:
            self._items.append(dict(piece))


def _continue(item: dict[str, Any], piece: dict[str, Any], member: str) -> None:
    before, more = item.get(member), piece.get(member)
    item.update({name: value for name, value in piece.items() if value is not None})
    texts = [text for text in (before, more) if isinstance(text, str)]
    if texts:
        item[member] = "".join(texts)
