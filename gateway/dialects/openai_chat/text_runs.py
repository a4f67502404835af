"""Chunks that differ in their text alone, as most of a stream do: read without parsing them."""

from dataclasses import dataclass
from typing import Any

from gateway.conversation import Event, TextPiece

MOST_RUNS = 16
"""After so many chunks in a row that begin no run there is none; some vendors' are never alike."""
_BEGINNINGS = (b'"content":"', b'"content": "')
_TELLING = ("usage", "x_groq", "citations", "search_results")


@dataclass(frozen=True, slots=True)
class Run:
    """What stands before and behind the text in each of its chunks."""

    before: bytes
    behind: bytes
    choice: int

    def text_of(self, data: bytes) -> str | None:
        """The text of a chunk of this run; None of any other, and where a text has escapes."""
        if not (data.startswith(self.before) and data.endswith(self.behind)):
            return None
        raw = data[len(self.before) : -len(self.behind)]
        if b'"' in raw or b"\\" in raw:
            return None
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        # Signs of control are not JSON.
        return text if text and text.isprintable() else None


def run_of(data: bytes, chunk: dict[str, Any], events: list[Event]) -> Run | None:
    """The run that a chunk may be of; `events` is all that was read in it."""
    if len(events) != 1 or not isinstance(events[0], TextPiece) or not events[0].text:
        return None
    choices = chunk["choices"]
    if len(choices) != 1 or any(chunk.get(name) for name in _TELLING):
        return None
    if choices[0].get("finish_reason") or choices[0].get("logprobs"):
        return None
    if sum(map(data.count, _BEGINNINGS)) != 1:
        return None
    (beginning,) = (one for one in _BEGINNINGS if one in data)
    before, _, rest = data.partition(beginning)
    raw = events[0].text.encode(errors="surrogatepass")
    if before[-1:] == b"\\" or not rest.startswith(raw + b'"'):
        return None
    return Run(before + beginning, rest[len(raw) :], events[0].choice)
