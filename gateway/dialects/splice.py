"""Edits of a JSON text in place: what is not named stays as it came, byte for byte.

Big integers, duplicate keys below the top level, key order, escapes and white space inside values
survive, because nothing is parsed and written again. Every function expects text that a JSON
parser has accepted already.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+")
_GAP = re.compile(rb"[\s,:]*")


class Member(NamedTuple):
    """One member of an object: its key, and where key and value stand in the text."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change among an object's members.

    `replace` sets the value of a member (adds it in front if it is not there), `rename` gives a
    member another key, `drop` takes it out. A duplicate key is edited at each of its places.
    """

    replace: Mapping[str, bytes] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()

    def apply(self, text: bytes) -> bytes:
        """The object's text after the edits."""
        parts, seen = [], set()
        for member in members(text, text.index(b"{")):
            if member.key in self.drop:
                continue
            key = self.rename.get(member.key, member.key)
            seen.add(key)
            if key in self.replace:
                parts.append(orjson.dumps(key) + b":" + self.replace[key])
            elif key != member.key:
                parts.append(orjson.dumps(key) + b":" + text[member.value : member.end])
            else:
                parts.append(text[member.start : member.end])
        missing = (key for key in self.replace if key not in seen)
        added = [orjson.dumps(key) + b":" + self.replace[key] for key in missing]
        return b"{" + b",".join(added + parts) + b"}"


def with_value(text: bytes, key: str, value: bytes) -> bytes | None:
    """The text with another value for a member that it has, found without a look at the others.

    None where that is not sure: something else has the same text, or keys may be escaped. `key` is
    plain ASCII; a quote within a string is escaped, so what is found alone is the key.
    """
    quoted = b'"%b"' % key.encode()
    if text.count(quoted) != 1 or b"\\u00" in text:
        return None
    at = text.index(quoted)
    start = _past_gap(text, at + len(quoted))
    return text[:start] + value + text[value_end(text, start) :]


def members(text: bytes, start: int) -> Iterator[Member]:
    """The members of the object whose `{` stands at `start`."""
    at = _past_gap(text, start + 1)
    while text[at] != 0x7D:
        key = _STRING.match(text, at)
        assert key is not None
        value = _past_gap(text, key.end())
        end = value_end(text, value)
        yield Member(_key(key.group()), at, value, end)
        at = _past_gap(text, end)


def elements(text: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Start and end of each element of the array whose `[` stands at `start`."""
    at = _past_gap(text, start + 1)
    while text[at] != 0x5D:
        end = value_end(text, at)
        yield at, end
        at = _past_gap(text, end)


def value_of(text: bytes, key: str, start: int | None = None) -> bytes | None:
    """The text of a member's value, the last one of duplicate keys; None without such a key."""
    found = None
    for member in members(text, text.index(b"{") if start is None else start):
        if member.key == key:
            found = text[member.value : member.end]
    return found


def joined(items: Iterable[bytes]) -> bytes:
    """An array of texts that are JSON already."""
    return b"[" + b",".join(items) + b"]"


def value_end(text: bytes, at: int) -> int:
    """Where the value that begins at `at` ends."""
    first = text[at]
    if first == 0x22:
        string = _STRING.match(text, at)
        assert string is not None
        return string.end()
    if first in b"{[":
        return _container_end(text, at)
    scalar = _SCALAR.match(text, at)
    assert scalar is not None
    return scalar.end()


def _container_end(text: bytes, at: int) -> int:
    depth = 0
    for token in _STRUCTURE.finditer(text, at):
        first = text[token.start()]
        if first in b"{[":
            depth += 1
        elif first != 0x22:
            depth -= 1
            if depth == 0:
                return token.end()
    raise ValueError("not JSON: a bracket is never closed")


def _past_gap(text: bytes, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _key(quoted: bytes) -> str:
    if b"\\" in quoted:
        return str(orjson.loads(quoted))
    return quoted[1:-1].decode()
