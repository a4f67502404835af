"""What a choice says beside its text and calls; a client gets it once, when the choice ends.

The SDKs' accumulators would garble it if it came in pieces.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import Cited, Finished, FinishReason, Image, ThinkingSealed
from gateway.dialects.openai_chat.citations import annotations_of
from gateway.dialects.openai_chat.logprobs import write_logprobs
from gateway.dialects.openai_chat.media import data_uri
from gateway.dialects.openai_chat.native import own
from gateway.dialects.openai_chat.thoughts import block_of, google_content


@dataclass(slots=True)
class Margin:
    """`written`: how many characters of text came so far; `refused`: a refusal was given."""

    written: int = 0
    refused: bool = False
    finished: Finished | None = None
    signature: str | None = None
    images: list[dict[str, Any]] = field(default_factory=list)
    _run: list[str] = field(default_factory=list)
    _blocks: list[dict[str, Any]] = field(default_factory=list)
    _details: list[dict[str, Any]] = field(default_factory=list)
    _annotations: list[dict[str, Any]] = field(default_factory=list)
    _citations: list[dict[str, Any]] = field(default_factory=list)

    def think(self, text: str) -> None:
        self._run.append(text)

    def picture(self, image: Image | None) -> None:
        """OpenAI has no word for an image in an answer: it is said as OpenRouter does."""
        if image is not None:
            url = image.url or data_uri(image.media_type, image.data or "")
            shown = {"type": "image_url", "image_url": {"url": url}, "index": len(self.images)}
            self.images.append(shown)

    def seal(self, event: ThinkingSealed) -> None:
        if event.signature or event.redacted:
            text = "" if event.redacted else "".join(self._run)
            self._blocks.append(block_of(text, event.signature, event.redacted))
        if event.details is not None:
            self._details.append(event.details)
        self._run = []

    def cite(self, event: Cited) -> None:
        """OpenAI has a word for a source that has an address; others go as they came."""
        found = annotations_of(event.citation, self.written)
        self._annotations += [each for each in found if each not in self._annotations]
        if not found:
            self._citations.append(event.citation)

    def reason(self, *, called: bool) -> FinishReason:
        if self.finished is None:
            return "tool_calls" if called else "stop"
        return self.finished.reason

    def logprobs(self) -> dict[str, Any] | None:
        told = own(self.finished.native) if self.finished is not None else {}
        return write_logprobs(told.get("logprobs"))

    def members(self) -> dict[str, Any]:
        """Members of a message, or of the last delta: only those that have something to say."""
        explanation = self.finished.explanation if self.finished is not None else None
        members = {
            "refusal": None if self.refused else explanation,
            "images": self.images,
            "annotations": self._annotations,
            "citations": _numbered(self._citations),
            "thinking_blocks": self._blocks,
            "reasoning_details": _numbered(self._details),
            "extra_content": google_content(self.signature) if self.signature else None,
        }
        return {name: value for name, value in members.items() if value}


def _numbered(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The openai package merges entries of equal `index`, and refuses a list where some lack it."""
    numbers = [item.get("index") for item in items]
    in_order = all(type(number) is int for number in numbers)
    if in_order and numbers == list(range(len(items))):
        return items
    if not any("index" in item for item in items):
        return items
    return [{**item, "index": at} for at, item in enumerate(items)]
