"""A Gemini model's answers, whole and streamed, read as events."""

from typing import Any
from uuid import uuid4

import orjson

from gateway.chat import Usage
from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.gemini import logprobs
from gateway.dialects.gemini.facts import BLOCKED, FINISH_REASONS, MADE_ID, SPOILT
from gateway.dialects.gemini.native import image_of, kept, shown

# What a candidate says of its sources.
SOURCES = ("groundingMetadata", "citationMetadata", "urlContextMetadata")


def read_answer(body: dict[str, Any]) -> list[Event]:
    """A whole answer. What is not as it should be is left out."""
    reader = _Reader()
    events = reader.read(body)
    reader.close()
    return [*events, *reader.finish()]


def spoilt(answer: Any) -> dict[str, Any] | None:
    """The error that an answer of nothing but a malformed call stands for: the next may be good."""
    candidates = _list(answer.get("candidates")) if isinstance(answer, dict) else []
    if len(candidates) != 1 or not isinstance(candidates[0], dict):
        return None
    [candidate] = candidates
    content, word = candidate.get("content"), _text(candidate.get("finishReason"))
    if word not in SPOILT or (isinstance(content, dict) and content.get("parts")):
        return None
    message = _text(candidate.get("finishMessage"))
    said = f"{word}: {message}" if message else word
    return {"error": {"type": "api_error", "message": f"The model spoilt its answer ({said})"}}


class StreamReader:
    """`ended`: a finish reason was seen. `failure`: the event with upstream's error, or what came
    instead of JSON.
    """

    def __init__(self) -> None:
        self._reader = _Reader()
        self._told = False
        self.failure: Any = None

    @property
    def ended(self) -> bool:
        return self._reader.ended

    @property
    def usage(self) -> Usage | None:
        return self._reader.counted

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        """The data of one event; a JSON array is taken for several."""
        if self.failure is not None or not data.strip() or data == b"[DONE]":
            return []
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            self.failure = data.decode(errors="replace")
            return []
        if isinstance(found, list):
            return [event for chunk in found for event in self._read(chunk)]
        return self._read(found)

    def _read(self, chunk: Any) -> list[Event]:
        if not isinstance(chunk, dict) or self.failure is not None:
            return []
        if chunk.get("error"):
            self.failure = chunk
            return []
        self.failure = None if self._told else spoilt(chunk)
        if self.failure is not None:
            return []
        events = self._reader.read(chunk)
        self._told = self._told or any(not isinstance(event, Began) for event in events)
        return events

    def finish(self) -> list[Event]:
        """How the choices ended, and the last count: more may follow a finish reason, and each
        count replaces the one before.
        """
        return self._reader.finish()


class _Choice:
    """`ending`: what the candidate says of its end, as it came. `logprobs`: of all its tokens."""

    __slots__ = ("calls", "ending", "logprobs")

    def __init__(self) -> None:
        self.calls = 0
        self.logprobs: list[dict[str, Any]] = []
        self.ending: dict[str, Any] = {}

    def finished(self, index: int) -> Finished:
        word = self.ending.get("finishReason", "SAFETY")
        reason = FINISH_REASONS.get(word, "stop")
        if reason == "stop" and self.calls:
            reason = "tool_calls"
        native = {**(kept(self.ending) or {}), **logprobs.kept(self.logprobs)}
        return Finished(reason, index, explanation=_explanation(self.ending), native=native or None)


class _Reader:
    def __init__(self) -> None:
        self.ended = False
        self._begun = False
        self._choices: dict[int, _Choice] = {}
        self._ids: set[str] = set()
        self._usage: dict[str, Any] | None = None

    @property
    def counted(self) -> Usage | None:
        """The last count: each replaces the one before."""
        return None if self._usage is None else usage_of(self._usage)

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            events.append(Began(_text(chunk.get("responseId")), _text(chunk.get("modelVersion"))))
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict):
            self._usage = usage
        candidates = chunk.get("candidates")
        if isinstance(candidates, list):
            for place, candidate in enumerate(candidates):
                if isinstance(candidate, dict):
                    self._read_candidate(candidate, place, events)
        feedback = chunk.get("promptFeedback")
        if isinstance(feedback, dict) and _text(feedback.get("blockReason")):
            self._block(feedback, events)
        return events

    def _read_candidate(self, found: dict[str, Any], place: int, events: list[Event]) -> None:
        index = found.get("index")
        if type(index) is not int or not 0 <= index < 1000:
            index = place
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        content = found.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if isinstance(parts, list):
            for part in parts:
                if isinstance(part, dict):
                    self._read_part(part, index, choice, events)
        for name in SOURCES:
            source = found.get(name)
            if isinstance(source, dict) and source:
                events.append(Cited({name: source}, index))
        if "logprobsResult" in found:
            choice.logprobs += logprobs.rows_of(found["logprobsResult"])
        if _text(found.get("finishReason")):
            self.ended = True
            choice.ending = {name: found[name] for name in _ENDING if found.get(name) is not None}

    def _read_part(
        self, part: dict[str, Any], index: int, choice: _Choice, events: list[Event]
    ) -> None:
        text = part.get("text")
        signature = _text(part.get("thoughtSignature"))
        call = part.get("functionCall")
        if isinstance(text, str) and part.get("thought") is True:
            if text:
                events.append(ThinkingPiece(text, index))
            if signature:
                events.append(ThinkingSealed(signature, choice=index))
        elif isinstance(text, str):
            if text or signature:
                events.append(TextPiece(text, index, signature))
        elif isinstance(call, dict) and isinstance(call.get("name"), str):
            self._read_call(call, signature, index, choice, events)
        else:
            members = {name: item for name, item in part.items() if name != "thoughtSignature"}
            if members or signature:
                image = image_of(members)
                events.append(TextPiece(shown(members), index, signature, kept(members), image))

    def _read_call(
        self,
        call: dict[str, Any],
        signature: str | None,
        index: int,
        choice: _Choice,
        events: list[Event],
    ) -> None:
        id = _text(call.get("id"))
        if id is None or id in self._ids:
            id = MADE_ID + uuid4().hex[:24]
        self._ids.add(id)
        events.append(CallBegan(choice.calls, id, call["name"], index, signature=signature))
        events.append(CallPiece(choice.calls, _arguments(call.get("args")), index))
        choice.calls += 1

    def _block(self, feedback: dict[str, Any], events: list[Event]) -> None:
        """The question itself was refused, so there is no candidate."""
        choice = self._choices.setdefault(0, _Choice())
        if not choice.ending:
            events.append(RefusalPiece(f"{BLOCKED}{feedback['blockReason']}"))
            choice.ending = {"promptFeedback": feedback}
            self.ended = True

    def close(self) -> None:
        """A whole answer has ended, whether it says so or not."""
        if not self._choices:
            self._choices[0] = _Choice()
        for choice in self._choices.values():
            choice.ending = choice.ending or {"finishReason": "STOP"}

    def finish(self) -> list[Event]:
        events: list[Event] = [
            choice.finished(index)
            for index, choice in sorted(self._choices.items())
            if choice.ending
        ]
        if self._usage is not None:
            events.append(Counted(usage_of(self._usage), kept(self._usage)))
        return events


# What a candidate says of its end, besides its sources.
_ENDING = (
    "finishReason",
    "finishMessage",
    "continuationToken",
    "safetyRatings",
    "avgLogprobs",
    "logprobsResult",
    "tokenCount",
)
_PLAIN = ("STOP", "MAX_TOKENS", "CONTINUATION")


def _explanation(ending: dict[str, Any]) -> str | None:
    """What withheld the content, or spoilt it; the plain reasons need no words."""
    if "promptFeedback" in ending:
        return f"{BLOCKED}{ending['promptFeedback']['blockReason']}"
    if ending["finishReason"] in _PLAIN:
        return None
    message = _text(ending.get("finishMessage"))
    return f"{ending['finishReason']}: {message}" if message else str(ending["finishReason"])


def _arguments(value: Any) -> str:
    try:
        return orjson.dumps(value if isinstance(value, dict) else {}).decode()
    except orjson.JSONEncodeError:  # nested deeper than it can be written
        return "{}"


def usage_of(found: dict[str, Any]) -> Usage:
    """Thoughts stand beside the candidates' tokens, tools' prompts beside the prompt; a count
    that is missing is 0.
    """
    thoughts = _count(found.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=(_count(found.get("promptTokenCount")) or 0)
        + (_count(found.get("toolUsePromptTokenCount")) or 0),
        output_tokens=(_count(found.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        cached_tokens=_count(found.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        input_audio_tokens=_of_kind(found, "AUDIO", "promptTokensDetails"),
        output_audio_tokens=_of_kind(found, "AUDIO", "candidatesTokensDetails"),
        cached_audio_tokens=_of_kind(found, "AUDIO", "cacheTokensDetails") or 0,
        output_image_tokens=_of_kind(found, "IMAGE", "candidatesTokensDetails") or 0,
    )


def _of_kind(found: dict[str, Any], modality: str, details: str) -> int | None:
    counts = [
        _count(item.get("tokenCount")) or 0
        for item in _list(found.get(details))
        if isinstance(item, dict) and item.get("modality") == modality
    ]
    return sum(counts) if counts else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return int(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
