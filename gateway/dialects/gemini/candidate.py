"""One candidate of an answer while it is written, and the words for its end."""

from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import CallBegan, CallPiece, Counted, Finished, RefusalPiece
from gateway.dialects.gemini import logprobs
from gateway.dialects.gemini.answer_in import SOURCES
from gateway.dialects.gemini.facts import BLOCK_REASONS, BLOCKED, FINISH_WORDS
from gateway.dialects.gemini.native import own
from gateway.dialects.gemini.parts_out import JsonObject, call_part


@dataclass(slots=True)
class Call:
    began: CallBegan
    arguments: list[str] = field(default_factory=list)

    def part(self) -> JsonObject:
        began = self.began
        return call_part(began.id, began.name, "".join(self.arguments), began.signature)


@dataclass(slots=True)
class Candidate:
    """One candidate while it is written; a call is kept until it is whole."""

    calls: dict[int, Call] = field(default_factory=dict)
    sources: JsonObject = field(default_factory=dict)
    finished: Finished | None = None

    def begin(self, event: CallBegan) -> None:
        self.calls[event.call] = Call(event)

    def extend(self, event: CallPiece) -> None:
        if event.call in self.calls:
            self.calls[event.call].arguments.append(event.arguments)

    def cite(self, citation: dict[str, Any]) -> None:
        """Gemini's own words as they came; of others' what says where it is from."""
        said = {name: citation[name] for name in SOURCES if name in citation}
        if said:
            self.sources |= said
            return
        page = citation.get("url_citation")
        page = page if isinstance(page, dict) else citation
        web = {"uri": page.get("url"), "title": page.get("title")}
        web = {name: text for name, text in web.items() if isinstance(text, str)}
        if "uri" in web:
            grounding = self.sources.setdefault("groundingMetadata", {})
            grounding.setdefault("groundingChunks", []).append({"web": web})

    def ending(self) -> JsonObject:
        """Finish reason and sources, as members of a candidate."""
        return (_ending(self.finished) if self.finished else {}) | self.sources


def _ending(finished: Finished) -> JsonObject:
    """As Gemini itself worded it, or in its words; what withheld the content is told."""
    said = own(finished.native)
    if "finishReason" in said:
        return said
    ending: JsonObject = {"finishReason": FINISH_WORDS[finished.reason]}
    if finished.reason == "content_filter" and finished.explanation:
        ending["finishMessage"] = finished.explanation
    if (result := logprobs.result_of(finished.native)) is not None:
        ending["logprobsResult"] = result
    return ending


def block_reason(event: RefusalPiece) -> str | None:
    """Why the question itself was refused, if that is what it says."""
    reason = event.text.removeprefix(BLOCKED)
    return reason if reason != event.text and reason in BLOCK_REASONS else None


def prompt_feedback(reason: str, candidate: Candidate | None) -> JsonObject:
    """As Gemini itself worded it, or the reason alone."""
    finished = candidate.finished if candidate is not None else None
    said = own(finished.native).get("promptFeedback") if finished is not None else None
    return said if isinstance(said, dict) else {"blockReason": reason}


def usage_metadata(counted: Counted) -> JsonObject:
    """Gemini's own figures as they came, or others' in its words."""
    usage = counted.usage
    if said := own(counted.native):
        return said
    prompt, output = usage.input_tokens or 0, usage.output_tokens or 0
    thoughts = min(usage.reasoning_tokens or 0, output)
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output - thoughts,
        "totalTokenCount": prompt + output,
    }
    if usage.cached_tokens:
        counts["cachedContentTokenCount"] = usage.cached_tokens
    if thoughts:
        counts["thoughtsTokenCount"] = thoughts
    return counts
