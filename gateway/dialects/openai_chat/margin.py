"""What a choice says beside its text and calls; a client gets it once, when the choice ends.

The SDKs' accumulators would garble it if it came in pieces.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import Cited, Finished, FinishReason, ThinkingSealed
from gateway.dialects.openai_chat.thoughts import block_of, google_content


@dataclass(slots=True)
class Margin:
    """`written`: how many characters of text came so far; `refused`: a refusal was given."""

    written: int = 0
    refused: bool = False
    finished: Finished | None = None
    signature: str | None = None
    _run: list[str] = field(default_factory=list)
    _blocks: list[dict[str, Any]] = field(default_factory=list)
    _details: list[dict[str, Any]] = field(default_factory=list)
    _annotations: list[dict[str, Any]] = field(default_factory=list)
    _citations: list[dict[str, Any]] = field(default_factory=list)

    def think(self, text: str) -> None:
        self._run.append(text)

    def seal(self, event: ThinkingSealed) -> None:
        if event.signature or event.redacted:
            text = "" if event.redacted else "".join(self._run)
            self._blocks.append(block_of(text, event.signature, event.redacted))
        if event.details is not None:
            self._details.append(event.details)
        self._run = []

    def cite(self, event: Cited) -> None:
        annotation = _annotation(event.citation, self.written)
        if annotation is not None:
            self._annotations.append(annotation)
        else:
            self._citations.append(event.citation)

    def reason(self, *, called: bool) -> FinishReason:
        if self.finished is None:
            return "tool_calls" if called else "stop"
        return self.finished.reason

    def members(self) -> dict[str, Any]:
        """Members of a message, or of the last delta: only those that have something to say."""
        explanation = self.finished.explanation if self.finished is not None else None
        members = {
            "refusal": None if self.refused else explanation,
            "annotations": self._annotations,
            "citations": self._citations,
            "thinking_blocks": self._blocks,
            "reasoning_details": _numbered(self._details),
            "extra_content": google_content(self.signature) if self.signature else None,
        }
        return {name: value for name, value in members.items() if value}


def _annotation(citation: dict[str, Any], place: int) -> dict[str, Any] | None:
    """OpenAI's wording of a source that has an address; vendors put it in several places."""
    inner = citation.get("url_citation") or citation.get("web") or citation
    if not isinstance(inner, dict):
        return None
    url = inner.get("url") or inner.get("uri")
    if not url or not isinstance(url, str):
        return None
    title, start, end = inner.get("title"), inner.get("start_index"), inner.get("end_index")
    said = {
        "start_index": start if type(start) is int else place,
        "end_index": end if type(end) is int else place,
        "title": title if isinstance(title, str) else "",
        "url": url,
    }
    return {"type": "url_citation", "url_citation": {**_content(inner), **said}}


def _content(inner: dict[str, Any]) -> dict[str, Any]:
    """OpenRouter quotes the source."""
    return {"content": inner["content"]} if isinstance(inner.get("content"), str) else {}


def _numbered(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The openai package merges entries of equal `index`, and refuses a list where some lack it."""
    numbers = [item.get("index") for item in details]
    if numbers in (list(range(len(details))), [None] * len(details)):
        return details
    return [{**item, "index": at} for at, item in enumerate(details)]
