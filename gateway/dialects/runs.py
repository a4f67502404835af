"""Runs of events that differ in their text alone: when many come at once, nearly all are of one."""

import re
from collections.abc import Callable

# A text that differs from event to event; `obfuscation` is OpenAI's padding.
_TEXT = re.compile(
    rb'"(?:content|reasoning_content|reasoning|obfuscation)": ?"((?:[^"\\]++|\\.)*+)"', re.DOTALL
)
LEAST = 2048
"""Bytes of a block from which on to look for runs is worth it."""
_MOST_ODD = 8


class Runs:
    """Finds what of a block is not of a run. `is_dull`: a text in which there is nothing to see."""

    def __init__(self, is_dull: Callable[[bytes], bool]) -> None:
        self._is_dull = is_dull
        self._before = b""
        self._behind: tuple[bytes, ...] = ()
        """What stands before the first text of an event of the run, and behind each of them."""

    def others(self, block: bytes) -> list[tuple[int, int]]:
        """Start and end of the stretches that have to be looked at; whole events all of them."""
        size = len(block)
        if size < LEAST or b"\r" in block or not (self._before or self._learn(block)):
            return [(0, size)]
        found: list[tuple[int, int]] = []
        at = odd = 0
        while (start := self._skip(block, at)) < size:
            odd += 1
            if odd > _MOST_ODD:
                self._before = b""
            end = block.find(b"\n\n", start) + 2 if self._before else size
            if found and start == at:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
            at = end
        return found

    def _skip(self, block: bytes, at: int) -> int:
        """Where the run that begins here ends; these operations are most of what a burst costs."""
        starts, find, before = block.startswith, block.find, self._before
        if not before or not starts(before, at):
            return at
        (*inner, last), joint = self._behind, self._behind[-1] + before
        size, step, end = len(last), len(joint), at + len(before)
        while True:
            for part in inner:
                end = find(b'"', end)
                if not starts(part, end):
                    return at
                end += len(part)
            end = find(b'"', end)
            if not starts(joint, end):
                return end + size if starts(last, end) else at
            at, end = end + size, end + step

    def _learn(self, block: bytes) -> bool:
        """Takes an event in the middle for one of the run, if all but its texts is dull."""
        start = block.find(b"\n\n", len(block) // 2) + 2
        event = block[start : block.find(b"\n\n", start) + 2]
        texts = [text.span(1) for text in _TEXT.finditer(event)]
        if not texts:
            return False
        ends = [(end, start) for (_, end), (start, _) in zip(texts, texts[1:], strict=False)]
        behind = [event[end:start] for end, start in (*ends, (texts[-1][1], len(event)))]
        before = event[: texts[0][0]]
        if not all(map(self._is_dull, (before, *behind))):
            return False
        self._before, self._behind = before, tuple(behind)
        return True
