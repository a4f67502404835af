"""What the upstream can answer, and every way it can go wrong in doing so.

    Answer      status and headers; when they are sent, in what pieces, and how far
    ├── Json    a JSON body, or bytes that claim to be one
    ├── Html    a page where JSON was due
    ├── Sse     a stream of server-sent events
    └── Raw     bytes that are no HTTP

An answer is a plain value; `steps` says what is to be done with the socket, and in which order.
A body consists of parts: the events of a stream, or the whole. A `Place` counts parts: 2 is after
the second, 2.5 in the middle of the third, 0 after the head.
"""

import json
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from http.client import responses
from itertools import accumulate
from typing import Any, ClassVar, Literal, Self

from .bodies import error

Place = Literal["before-head", "mid-head", "before-end"] | float
Chop = Literal["whole", "events", "characters", "bytes", "random"]
Framing = Literal["length", "chunked", "close"]


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Hold:
    """Wait until the test releases the answer."""


@dataclass(frozen=True)
class Close:
    """Close the connection in the ordinary way."""


@dataclass(frozen=True)
class Reset:
    """Close the connection so that the peer gets a reset."""


Step = bytes | Wait | Hold | Close | Reset


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`hang` waits at each of its places for a release; `close` and `reset` end the connection.

    `truncate` ends the *body* early, but in good order, so that only its reader can notice.
    """

    content_type: ClassVar[str]
    framed_by: ClassVar[Framing] = "length"

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)  # beside, or instead of, the usual
    interim: Sequence[int] = ()  # 1xx answers that come before
    http: Literal["1.1", "1.0"] = "1.1"
    framing: Framing | None = None
    length_error: int = 0  # added to the true Content-Length
    gzip: bool = False

    head_delay: float = 0.0  # seconds, as all the times here
    body_delay: float = 0.0
    pause: float = 0.0  # between pieces
    chop: Chop = "events"
    seed: int = 0  # of the random chop

    hang: Place | Sequence[Place] = ()
    truncate: float | None = None
    close: Place | None = None
    reset: Place | None = None
    stale: bool = False  # close afterwards, though the head promised to keep the connection

    def but(self, **changes: Any) -> Self:
        """The same answer with other fields."""
        return replace(self, **changes)

    def steps(self, *, last: bool) -> Iterator[Step]:
        """`last`: the peer wants no other answer on this connection."""
        parts = self._coded_parts()
        payload = b"".join(parts)[: _offset(parts, self.truncate)]
        head = self._head(len(payload), last)
        yield Wait(self.head_delay)
        yield from self._breaks("before-head")
        middle = len(head) // 2 if self._breaks("mid-head") else 0
        yield head[:middle]
        yield from self._breaks("mid-head")
        yield head[middle:]
        if self.body_delay:
            yield Wait(self.body_delay)
        yield from self._body(payload, parts)
        if last or self._ends_connection():
            yield Close()

    def parts(self) -> list[bytes]:
        raise NotImplementedError

    def _coded_parts(self) -> list[bytes]:
        if not self.gzip:
            return self.parts()
        coder = zlib.compressobj(wbits=31)
        coded = [coder.compress(p) + coder.flush(zlib.Z_SYNC_FLUSH) for p in self.parts()]
        return [*coded[:-1], *(part + coder.flush() for part in coded[-1:])]

    def _head(self, length: int, last: bool) -> bytes:
        headers = {"content-type": self.content_type}
        if self._framing() == "length":
            headers["content-length"] = str(length + self.length_error)
        if self._framing() == "chunked":
            headers["transfer-encoding"] = "chunked"
        if self._framing() == "close" or last:
            headers["connection"] = "close"
        if self.gzip:
            headers["content-encoding"] = "gzip"
        headers |= {name.lower(): value for name, value in self.headers.items()}
        interim = b"".join(_status_line(self.http, status) + b"\r\n" for status in self.interim)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return interim + _status_line(self.http, self.status) + lines.encode("latin-1") + b"\r\n"

    def _framing(self) -> Framing:
        return self.framing or ("close" if self.http == "1.0" else self.framed_by)

    def _ends_connection(self) -> bool:
        promised = {name.lower(): value.lower() for name, value in self.headers.items()}
        return (
            self.stale
            or self._framing() == "close"
            or self.http == "1.0"
            or self.length_error > 0
            or promised.get("connection") == "close"
        )

    def _body(self, payload: bytes, parts: list[bytes]) -> Iterator[Step]:
        breaks = self._breaks_by_offset(payload, parts)
        end = b"0\r\n\r\n" if self._framing() == "chunked" else b""
        yield from breaks.get(0, ())
        start = 0
        for stop in sorted({*self._cuts(payload, parts), *breaks, len(payload)} - {0}):
            if start:
                yield Wait(self.pause)
            # The end goes out with the last piece: a peer that has all it needs may be gone then.
            unbroken_end = end if stop == len(payload) and stop not in breaks else b""
            yield self._frame(payload[start:stop]) + unbroken_end
            yield from breaks.get(stop, ())
            start = stop
        if len(payload) in breaks or not payload:
            yield end

    def _frame(self, piece: bytes) -> bytes:
        if self._framing() == "chunked":
            return b"%x\r\n%b\r\n" % (len(piece), piece)
        return piece

    def _cuts(self, payload: bytes, parts: list[bytes]) -> set[int]:
        """The offsets at which the payload is cut into pieces."""
        match self.chop:
            case "whole":
                return set()
            case "events":
                cuts = set(accumulate(map(len, parts)))
            case "characters":
                cuts = {at for at, byte in enumerate(payload) if byte & 0xC0 == 0x80}
            case "bytes":
                cuts = set(range(len(payload)))
            case "random":
                chance = random.Random(self.seed)
                cuts = {at for at in range(len(payload)) if chance.random() < 0.1}
        return {cut for cut in cuts if cut < len(payload)}

    def _breaks_by_offset(self, payload: bytes, parts: list[bytes]) -> dict[int, list[Step]]:
        places = dict.fromkeys([*self._hangs(), self.close, self.reset])
        breaks: dict[int, list[Step]] = {}
        for place in places:
            if place is None or place in ("before-head", "mid-head"):
                continue
            offset = len(payload) if isinstance(place, str) else _offset(parts, place)
            breaks.setdefault(min(offset, len(payload)), []).extend(self._breaks(place))
        return breaks

    def _breaks(self, place: Place) -> list[Step]:
        held: list[Step] = [Hold() for each in self._hangs() if each == place]
        closed: list[Step] = [Close()] if self.close == place else []
        return held + closed + ([Reset()] if self.reset == place else [])

    def _hangs(self) -> Sequence[Place]:
        return (self.hang,) if isinstance(self.hang, str | int | float) else self.hang


@dataclass(frozen=True)
class Json(Answer):
    """`blank_lines` come before the body, each as a part of its own."""

    content_type = "application/json"

    body: Any
    _: KW_ONLY
    blank_lines: int = 0

    def parts(self) -> list[bytes]:
        body = self.body if isinstance(self.body, bytes) else _json(self.body).encode()
        return [b"\n"] * self.blank_lines + [body]


@dataclass(frozen=True)
class Html(Answer):
    content_type = "text/html; charset=utf-8"

    body: str = "<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>"

    def parts(self) -> list[bytes]:
        return [self.body.encode()]


@dataclass(frozen=True)
class Comment:
    text: str = "keep-alive"


@dataclass(frozen=True)
class Named:
    """An event with a name; its data as in `Sse`."""

    name: str
    data: Mapping[str, Any] | str


Event = Mapping[str, Any] | str | Comment | Named | bytes


@dataclass(frozen=True)
class Sse(Answer):
    """An event is JSON to be written, the text of its data, a comment, or bytes sent as they are.

    `done` adds OpenAI's `[DONE]`, which counts as an event too. Without `last_blank_line`, the last
    event is never dispatched by a strict reader.
    """

    content_type = "text/event-stream"
    framed_by = "chunked"

    events: Sequence[Event]
    _: KW_ONLY
    done: bool = True
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    space: bool = True  # after the colon
    bom: bool = False
    last_blank_line: bool = True

    def parts(self) -> list[bytes]:
        events = [*self.events, "[DONE]"] if self.done else self.events
        parts = [event if isinstance(event, bytes) else self._write(event) for event in events]
        if self.bom:
            parts[:1] = [b"\xef\xbb\xbf" + part for part in parts[:1]]
        if not self.last_blank_line:
            parts[-1:] = [part.removesuffix(self.newline.encode()) for part in parts[-1:]]
        return parts

    def _write(self, event: Mapping[str, Any] | str | Comment | Named) -> bytes:
        match event:
            case Comment(text):
                lines = [f": {text}"]
            case Named(name, data):
                lines = [self._line("event", name), *self._data_lines(data)]
            case _:
                lines = self._data_lines(event)
        return "".join(line + self.newline for line in [*lines, ""]).encode()

    def _data_lines(self, data: Mapping[str, Any] | str) -> list[str]:
        text = data if isinstance(data, str) else _json(data)
        return [self._line("data", line) for line in text.split("\n")]

    def _line(self, name: str, value: str) -> str:
        return f"{name}:{' ' if self.space else ''}{value}"


@dataclass(frozen=True)
class Raw(Answer):
    """Sent as it is, without a head; then the connection ends."""

    content_type = ""
    framed_by = "close"

    data: bytes

    def parts(self) -> list[bytes]:
        return [self.data]

    def _head(self, length: int, last: bool) -> bytes:
        return b""


def failure(
    status: int,
    message: str = "upstream failed",
    *,
    type: str = "api_error",
    code: str | int | None = None,
    param: str | None = None,
    retry_after: str | int | None = None,
    **how: Any,
) -> Json:
    """An error in OpenAI's shape; `how` are fields of `Json`."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    body = error(message, type=type, code=code, param=param)
    return Json(body, status=status, headers=headers | how.pop("headers", {}), **how)


def redirect(location: str, status: int = 302) -> Html:
    return Html("", status=status, headers={"location": location})


def _offset(parts: list[bytes], place: float | None) -> int:
    """Raises ValueError where the body has fewer parts than the place counts."""
    if place is None:
        return sum(map(len, parts))
    if not 0 <= place <= len(parts):
        raise ValueError(f"there is no place {place} in a body of {len(parts)} parts")
    whole = int(place)
    begun = parts[whole] if whole < len(parts) else b""
    return sum(map(len, parts[:whole])) + int(len(begun) * (place - whole))


def _status_line(http: str, status: int) -> bytes:
    return f"HTTP/{http} {status} {responses.get(status, 'Unknown')}\r\n".encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
