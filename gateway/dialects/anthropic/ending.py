"""How an answer ends: why it stopped, and what it used."""

from dataclasses import dataclass
from typing import Any

from gateway.chat import Usage
from gateway.conversation import Counted, Finished
from gateway.dialects.anthropic.facts import STOP_REASONS, STOP_WORDS, native


@dataclass(slots=True)
class Ending:
    """`calls`: whether tools were called; `refusal`: what the model said in refusing."""

    finished: Finished | None = None
    counted: Counted | None = None
    calls: bool = False
    refusal: str = ""

    def stop(self) -> dict[str, Any]:
        finished = self.finished or Finished("stop")
        own = native(finished.native) or {}
        word = self._word(finished, own)
        stop = {
            "stop_reason": word,
            "stop_sequence": finished.stop_sequence if word == "stop_sequence" else None,
            "stop_details": own.get("stop_details"),
        }
        if word == "refusal" and stop["stop_details"] is None:
            stop["stop_details"] = {
                "type": "refusal",
                "category": None,
                "explanation": finished.explanation or self.refusal or None,
            }
        return stop

    def rest(self) -> dict[str, Any]:
        """What else this vendor says of the message as a whole."""
        own = native(self.finished.native) if self.finished else None
        rest = own.get("rest") if isinstance(own, dict) else None
        return rest if isinstance(rest, dict) else {}

    def usage(self, input_tokens: int = 0) -> dict[str, Any]:
        """The figures as Anthropic counts them; `input_tokens` stands in while none are known."""
        usage = self.counted.usage if self.counted else Usage(input_tokens=input_tokens)
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        figures: dict[str, Any] = {
            "input_tokens": max(0, (usage.input_tokens or 0) - cached - written),
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": cached,
            "output_tokens": usage.output_tokens or 0,
        }
        if usage.reasoning_tokens is not None:
            figures["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
        own = native(self.counted.native) if self.counted else None
        return {**own, **figures} if isinstance(own, dict) else figures

    def _word(self, finished: Finished, own: dict[str, Any]) -> str:
        """A client acts upon `tool_use` and `refusal`, so they win over a bare end."""
        word = own.get("stop_reason")
        if isinstance(word, str) and STOP_REASONS.get(word, finished.reason) == finished.reason:
            return word
        if finished.reason == "stop" and (self.calls or self.refusal):
            return "tool_use" if self.calls else "refusal"
        if finished.reason == "stop" and finished.stop_sequence is not None:
            return "stop_sequence"
        return STOP_WORDS[finished.reason]
