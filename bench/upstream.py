"""A static upstream over raw sockets, as cheap as Python allows: `python -m bench.upstream`.

It prints its port and serves until it is ended. The model's name says what is answered: `whole`,
`stream` (all events at once), or `paced-20-100` (20 events a second, 100 of them). At the path of
Anthropic's Messages the first two are answered in its words.
"""

import asyncio
import re
import sys
import time

from bench import wire

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nx-request-id: req_011CRzJ5mVwPq3nRk0sTfHbL\r\n"
    b"openai-processing-ms: 412\r\nx-ratelimit-remaining-requests: 9999\r\n%b\r\n\r\n"
)
_STREAM_HEAD = _HEAD % (b"text/event-stream; charset=utf-8", b"Transfer-Encoding: chunked")
_GOLDEN = 0.6180339887


class Answers:
    """All that can be said beforehand; by whether usage was asked for."""

    def __init__(self) -> None:
        whole = wire.whole()
        self.whole = _HEAD % (b"application/json", b"Content-Length: %d" % len(whole)) + whole
        self.stream = [_STREAM_HEAD + _chunks(wire.stream(usage=asked)) for asked in (False, True)]
        message = wire.message()
        self.message = _HEAD % (b"application/json", b"Content-Length: %d" % len(message)) + message
        self.messages_stream = _STREAM_HEAD + _chunks(wire.messages_stream())
        self.stamped = [wire.stamped(usage=asked) for asked in (False, True)]
        self.ending = [_chunks(wire.ending(usage=asked)) for asked in (False, True)]
        self._phase = 0.0

    def next_phase(self) -> float:
        """Spreads the streams evenly over the pause between two events."""
        self._phase = (self._phase + _GOLDEN) % 1
        return self._phase


def _chunks(events: list[bytes]) -> bytes:
    return b"".join(map(_chunk, events)) + b"0\r\n\r\n"


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


class Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        found = _MODEL.search(body)
        model = found[1].decode() if found else ""
        asked = _USAGE.search(body) is not None
        if head.startswith(b"POST /v1/messages"):
            answers = self._answers
            self._transport.write(answers.messages_stream if model == "stream" else answers.message)
        elif model == "stream":
            self._transport.write(self._answers.stream[asked])
        elif model.startswith("paced-"):
            _, rate, events = model.split("-")
            self._transport.write(_STREAM_HEAD)
            self._pace(1 / int(rate), int(events), asked)
        else:
            self._transport.write(self._answers.whole)

    def _pace(self, pause: float, events: int, asked: bool) -> None:
        loop = asyncio.get_running_loop()
        before, behind = self._answers.stamped[asked]
        due = loop.time() + pause * self._answers.next_phase()
        left = events

        def write_next() -> None:
            nonlocal due, left
            if left == 0:
                self._transport.write(self._answers.ending[asked])
                return
            left -= 1
            self._transport.write(_chunk(b"%b%d%b" % (before, time.monotonic_ns(), behind)))
            due += pause
            self._timer = loop.call_at(due, write_next)

        self._timer = loop.call_at(due, write_next)


async def _serve() -> None:
    answers = Answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        sys.exit(130)
