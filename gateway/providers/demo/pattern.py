"""A text that matches a simple regular expression.

Simple: letters, classes, groups, alternatives, repetitions, anchors at the ends. The expression
is only read, never run: a caller's own could keep the worker busy for ever.
"""

import re
from collections.abc import Mapping
from math import inf

_LONGEST_PATTERN = 1_000
_LONGEST_TEXT = 10_000
_MORE_TRIES = 10

Range = tuple[str, str]

_CLASSES: Mapping[str, list[Range]] = {
    "d": [("0", "9")],
    "w": [("a", "z"), ("A", "Z"), ("0", "9"), ("_", "_")],
    "s": [(" ", " "), ("\t", "\r")],
}
_CONTROLS: Mapping[str, str] = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_ANYTHING = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_ .,:/+@#!"
_CODE = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})")
_BRACES = re.compile(r"\{(\d{1,5})(,?)(\d{0,5})\}")
_OPENING = re.compile(r"\?:|\?P?<[A-Za-z_]\w*>")


class NotSimple(Exception):
    """The expression has something in it that is not read here."""


def matching(pattern: str, least: int, variation: int) -> str:
    """A text that matches, of `least` characters where repetitions allow it. Raises NotSimple."""
    if len(pattern) > _LONGEST_PATTERN:
        raise NotSimple(pattern)
    made = _read(pattern, 0, variation)
    growth = len(_read(pattern, 1, variation)) - len(made)
    missing = least - len(made)
    if missing <= 0 or growth <= 0:
        return made
    first = -(-missing // growth)
    for stretch in range(first, first + _MORE_TRIES):
        made = _read(pattern, stretch, variation)
        if len(made) >= least:
            break
    return made


def _read(pattern: str, stretch: int, variation: int) -> str:
    reader = _Reader(pattern, stretch, variation)
    made = reader.alternatives()
    if reader.peek():
        raise NotSimple(pattern)
    return made


class _Reader:
    """Goes once over an expression, from left to right, and writes as it goes.

    `stretch`: how often more than it must a part is repeated, where it may.
    """

    def __init__(self, pattern: str, stretch: int, variation: int) -> None:
        self._pattern = pattern
        self._stretch = stretch
        self._variation = variation
        self._at = 0

    def peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def alternatives(self) -> str:
        made = [self._sequence()]
        while self._skip("|"):
            made.append(self._sequence())
        return made[self._variation % len(made)]

    def _sequence(self) -> str:
        made = ""
        while self.peek() not in ("", "|", ")"):
            made += self._repeated(self._part())
            if len(made) > _LONGEST_TEXT:
                raise NotSimple(self._pattern)
        return made

    def _part(self) -> str:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escaped()
        if char in "*+?{":
            raise NotSimple(self._pattern)
        if char == ".":
            return self._pick(_ANYTHING)
        return "" if char in "^$" else char

    def _group(self) -> str:
        if self.peek() == "?":
            self._match(_OPENING)
        made = self.alternatives()
        if not self._skip(")"):
            raise NotSimple(self._pattern)
        return made

    def _class(self) -> str:
        others = self._skip("^")
        ranges: list[Range] = []
        while not self._skip("]"):
            ranges += self._range()
        return self._outside(ranges) if others else self._pick(_members(ranges))

    def _range(self) -> list[Range]:
        char = self._take()
        if char == "\\":
            if self.peek() in _CLASSES:
                return _CLASSES[self._take()]
            char = self._character()
        if self.peek() != "-" or self._pattern[self._at + 1 : self._at + 2] == "]":
            return [(char, char)]
        self._take()
        last = self._take()
        return [(char, self._character() if last == "\\" else last)]

    def _escaped(self) -> str:
        if self.peek() in _CLASSES:
            return self._pick(_members(_CLASSES[self._take()]))
        if self.peek().lower() in _CLASSES:
            return self._outside(_CLASSES[self._take().lower()])
        return self._character()

    def _character(self) -> str:
        """One character that a backslash stands before."""
        if self.peek() in ("u", "x"):
            return chr(int("".join(filter(None, self._match(_CODE).groups())), 16))
        char = self._take()
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isalnum():
            raise NotSimple(self._pattern)
        return char

    def _repeated(self, part: str) -> str:
        low, high = self._times()
        times = min(high, low + self._stretch)
        if len(part) * times > _LONGEST_TEXT:
            raise NotSimple(self._pattern)
        return part * int(times)

    def _times(self) -> tuple[int, float]:
        char = self.peek()
        if not char or char not in "*+?{":
            return 1, 1
        if char == "{":
            low, comma, high = self._match(_BRACES).groups()
            bounds = int(low), int(high) if high else inf if comma else int(low)
        else:
            self._take()
            bounds = {"*": (0, inf), "+": (1, inf), "?": (0, 1)}[char]
        self._skip("?")
        return bounds

    def _pick(self, characters: str) -> str:
        if not characters:
            raise NotSimple(self._pattern)
        return characters[self._variation % len(characters)]

    def _outside(self, ranges: list[Range]) -> str:
        return self._pick("".join(c for c in _ANYTHING if not any(a <= c <= z for a, z in ranges)))

    def _take(self) -> str:
        char = self.peek()
        if not char:
            raise NotSimple(self._pattern)
        self._at += 1
        return char

    def _skip(self, char: str) -> bool:
        skipped = self.peek() == char
        self._at += skipped
        return skipped

    def _match(self, wanted: re.Pattern[str]) -> re.Match[str]:
        found = wanted.match(self._pattern, self._at)
        if not found:
            raise NotSimple(self._pattern)
        self._at = found.end()
        return found


def _members(ranges: list[Range]) -> str:
    """The first characters of each range."""
    spans = [range(ord(first), min(ord(last), ord(first) + 25) + 1) for first, last in ranges]
    return "".join(chr(code) for span in spans for code in span)
