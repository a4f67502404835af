"""Server-sent events: bytes in, whole events out, no I/O.

Lines end in LF, CRLF or CR only (U+2028 and its like occur raw inside JSON), an event ends at a
blank line, and nothing is assumed of where the network cut the bytes.
"""

import re
from collections.abc import Iterator

# Atomic, or the two halves of one CRLF would be taken for two line ends.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LINE = re.compile(rb"(?:data|event|id|retry)?(?::.*)?", re.DOTALL)
_BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """More bytes than `limit` came without the end of an event."""


class Cutter:
    """Cuts a stream after its last whole event; what follows waits for the rest.

    `feed` gives back bytes as they came, ending at an event's end, or b"" while none is whole.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._held_size = 0
        self._tail = b""
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        if not self._begun:
            data = self._strip_bom(data)
        # The end of an event may lie across the border of two reads: look again at the last bytes.
        end = _last_end(self._tail + data)
        if not end:
            self._hold(data)
            return b""
        end -= len(self._tail)
        whole = b"".join((*self._held, data[:end]))
        self._held, self._held_size, self._tail = [], 0, b""
        if end < len(data):
            self._hold(data[end:])
        return whole

    def rest(self) -> bytes:
        """What is left without its blank line when the stream has ended."""
        left = b"".join(self._held)
        self._held, self._held_size, self._tail = [], 0, b""
        return left

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        self._tail = data[-3:] if len(data) >= 3 else (self._tail + data)[-3:]
        if self._held_size > self._limit:
            raise TooLong(f"an event of more than {self._limit} bytes")

    def _strip_bom(self, data: bytes) -> bytes:
        data = self.rest() + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            return data
        self._begun = True
        return data.removeprefix(_BOM)


def _last_end(data: bytes) -> int:
    """The index behind the last blank line, or 0."""
    if b"\r" not in data:
        return data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
    end = 0
    for found in _BLANK_LINE.finditer(data):
        end = found.end()
    # "\r\n\r" may still become "\r\n\r\n": the line feed to come belongs to this event.
    if end == len(data) and data.endswith(b"\r") and not data.endswith(b"\r\r"):
        earlier = _last_end(data[:-1]) if len(data) > 1 else 0
        return earlier
    return end


def events(block: bytes) -> Iterator[bytes]:
    """Each event of a block of whole events, as it came, with its blank line."""
    if b"\r" not in block:
        start = 0
        while (end := block.find(b"\n\n", start)) >= 0:
            yield block[start : end + 2]
            start = end + 2
        if start < len(block):
            yield block[start:]
        return
    start = 0
    for found in _BLANK_LINE.finditer(block):
        yield block[start : found.end()]
        start = found.end()
    if start < len(block):
        yield block[start:]


def data_of(event: bytes) -> bytes:
    """The joined `data` lines of one event; b"" for a comment or an event without data."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n"):
        if event.count(b"\n") == 2 and b"\r" not in event:
            return event[6:-2]
    elif event.startswith(b"event: ") and event.endswith(b"\n\n"):
        at = event.find(b"\n") + 1
        if event.startswith(b"data: ", at) and event.count(b"\n") == 3 and b"\r" not in event:
            return event[at + 6 : -2]
    lines = []
    for line in _LINE_END.split(event):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines)


def name_of(event: bytes) -> str | None:
    """The event's name, from its `event` line."""
    if event.startswith(b"event: ") and b"\r" not in event:
        return event[7:].partition(b"\n")[0].strip().decode(errors="replace")
    if b"event:" not in event:
        return None
    for line in _LINE_END.split(event):
        if line.startswith(b"event:"):
            return line[6:].strip().decode(errors="replace")
    return None


def has_data(block: bytes) -> bool:
    """Whether a block holds anything but comments and blank lines."""
    if block.startswith(b"data:"):
        return True
    return any(line and not line.startswith(b":") for line in _LINE_END.split(block))


def is_event(text: bytes) -> bool:
    """Whether every line of a text is one of an event, a comment or empty."""
    return all(map(_LINE.fullmatch, _LINE_END.split(text)))
