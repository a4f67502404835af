"""The relay's meters, by what is loose in a vendor's streams."""

from collections.abc import Mapping
from typing import Literal

from gateway.dialects.openai import DONE, StreamMeter
from gateway.dialects.openai_chat.lists import plain_events

# `lists`: content may be a list (Mistral). `unended`: the last [DONE] may be missing (Perplexity).
Answers = Literal["usual", "lists", "unended"]


class _ListMeter(StreamMeter):
    """Gives texts where lists came."""

    def _read(self, block: bytes) -> bytes:
        return plain_events(super()._read(block))


class _EndMeter(StreamMeter):
    """Gives the terminator once, whether it came or not."""

    _done = False

    def _read(self, block: bytes) -> bytes:
        passed = super()._read(block)
        self._done = self._done or b"data: [DONE]" in passed
        return passed

    def finish(self) -> bytes:
        rest = super().finish()
        missing = self._learned.ended and not self._done and self.failure is None
        return rest + DONE if missing else rest


METERS: Mapping[Answers, type[StreamMeter]] = {
    "usual": StreamMeter,
    "lists": _ListMeter,
    "unended": _EndMeter,
}
