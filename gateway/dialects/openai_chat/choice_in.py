"""One choice of an answer, read piece by piece: a stream's deltas, or a whole message."""

from typing import Any

from gateway.conversation import (
    Cited,
    Event,
    Finished,
    FinishReason,
    RefusalPiece,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat.calls_in import CallReader
from gateway.dialects.openai_chat.details_in import Details
from gateway.dialects.openai_chat.images import images_of
from gateway.dialects.openai_chat.logprobs import Logprobs
from gateway.dialects.openai_chat.native import kept
from gateway.dialects.openai_chat.thoughts import (
    google_signature,
    objects,
    plain_text,
    read_block,
    read_chunk,
    read_thoughts,
)

# Words of OpenAI, Mistral, DeepSeek, Cohere; what is not here says no more than "stop".
FINISH_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "error": "length",
    "insufficient_system_resource": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_MERE_TEXT = frozenset({"role", "content"})
# xAI may send a block of thoughts twice; a piece this long is no accident of the language.
_BLOCK = 32


class ChoiceReader:
    """`reason`: how it finished, in upstream's word; None while it has not."""

    def __init__(self, choice: int, taken: set[str]) -> None:
        self.choice = choice
        self.reason: str | None = None
        self.logprobs: Logprobs = {}
        self._calls = CallReader(choice, taken)
        self._details = Details(choice)
        self._last_thought = ""
        self._told: list[str] = []
        self._citations: list[dict[str, Any]] = []

    def read_delta(self, delta: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        if delta.keys() <= _MERE_TEXT:
            self._read_content(delta.get("content"), events)
            return events
        self._read_thought(delta, events)
        if delta.get("thinking_blocks"):
            self._read_blocks(delta, events)
        self._read_content(delta.get("content"), events)
        self._read_more(delta, events)
        return events

    def read_message(self, message: dict[str, Any]) -> list[Event]:
        """A whole message; its calls are told apart by their place alone."""
        events: list[Event] = []
        for thought in read_thoughts(message):
            events += self._thought_events(thought)
        self._read_content(message.get("content"), events)
        calls = objects(message.get("tool_calls"))
        whole = [{**call, "index": at} for at, call in enumerate(calls)]
        self._read_more({**message, "tool_calls": whole}, events)
        return events

    def cite(self, citations: list[dict[str, Any]]) -> None:
        """Keeps sources to be told at the end; some vendors repeat them in each chunk."""
        self._citations += [each for each in citations if each not in self._citations]

    def finish(self, ended: bool) -> list[Event]:
        """What waited for the end. `ended`: upstream said all, even if not why it stopped."""
        events = self._details.sealed()
        events += [Cited(citation, self.choice) for citation in self._citations]
        self._citations = []
        if self.reason is not None or ended:
            told = kept({"logprobs": self.logprobs} if self.logprobs else {})
            events.append(Finished(self._finish_reason(), self.choice, native=told))
        return events

    def _finish_reason(self) -> FinishReason:
        """vLLM ends a call of a named tool with "stop"; and without a call there is none."""
        reason = FINISH_REASONS.get((self.reason or "").lower(), "stop")
        if reason in ("stop", "tool_calls"):
            return "tool_calls" if self._calls.begun else "stop"
        return reason

    def _thought_events(self, thought: Thinking) -> list[Event]:
        events: list[Event] = []
        if thought.text:
            events.append(ThinkingPiece(thought.text, self.choice))
        if thought.signature or thought.redacted or thought.details is not None:
            seal = (thought.signature, thought.redacted, thought.details)
            events.append(ThinkingSealed(*seal, choice=self.choice))
        return events

    def _read_thought(self, delta: dict[str, Any], events: list[Event]) -> None:
        text = plain_text(delta)
        told = self._details.read(delta.get("reasoning_details"))
        if told and not text:
            text = self._untold(told)
        if not text or (len(text) >= _BLOCK and text == self._last_thought):
            return
        self._last_thought = text
        self._told.append(text)
        events.append(ThinkingPiece(text, self.choice))

    def _read_blocks(self, delta: dict[str, Any], events: list[Event]) -> None:
        """LiteLLM's: their text stands in `reasoning_content`, too, there or before."""
        told = bool(plain_text(delta))
        for block in objects(delta["thinking_blocks"]):
            thought = read_block(block)
            thought.text = "" if told else self._untold(thought.text)
            events += self._thought_events(thought)

    def _untold(self, text: str) -> str:
        """A text that comes with its seal, unless it has been told before that."""
        told = "".join(self._told)
        if not text or not told.startswith(text):
            return text
        self._told = [told[len(text) :]]
        return ""

    def _read_content(self, content: Any, events: list[Event]) -> None:
        if isinstance(content, str):
            if content:
                events += self._details.sealed()
                events.append(TextPiece(content, self.choice))
        elif isinstance(content, list):
            for part in content:
                self._read_part(part, events)

    def _read_part(self, part: Any, events: list[Event]) -> None:
        """Mistral's chunks of content."""
        if isinstance(part, str):
            self._read_content(part, events)
        elif isinstance(part, dict):
            if part.get("type") == "thinking":
                events += self._thought_events(Thinking(read_chunk(part)))
            elif part.get("type") == "reference":
                self.cite([part])
            elif part.get("type") == "refusal":
                self._read_refusal(part, events)
            elif isinstance(part.get("text"), str):
                self._read_content(part["text"], events)

    def _read_refusal(self, holder: dict[str, Any], events: list[Event]) -> None:
        refusal = holder.get("refusal")
        if refusal and isinstance(refusal, str):
            events.append(RefusalPiece(refusal, self.choice))

    def _read_more(self, delta: dict[str, Any], events: list[Event]) -> None:
        """What few deltas hold."""
        self._read_refusal(delta, events)
        signature = google_signature(delta)
        calls = delta.get("tool_calls")
        if calls:
            events += self._details.sealed()
            events += self._calls.read(calls, None if delta.get("content") else signature)
        elif isinstance(delta.get("function_call"), dict):
            call = {"index": -1, "function": delta["function_call"]}
            events += self._details.sealed()
            events += self._calls.read([call], signature)
        if signature and (delta.get("content") or not calls):
            events.append(TextPiece("", self.choice, signature))
        if delta.get("images"):
            events += [TextPiece("", self.choice, image=image) for image in images_of(delta)]
        self.cite(objects(delta.get("annotations")) + objects(delta.get("citations")))
