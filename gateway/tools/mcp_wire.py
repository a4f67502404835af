"""A JSON-RPC request to an MCP server over streamable HTTP: a POST, answered by JSON or events."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent
import orjson

from gateway import sse
from gateway.errors import UpstreamError
from gateway.upstream import Answer, Silence, Upstream, prepared

_LARGEST = 16 << 20
_RESUMED_AFTER = 1.0
Message = dict[str, Any]


class McpFailure(Exception):
    """What is amiss with a server, in words that hold nothing of its keys."""


class McpUnreachable(McpFailure):
    """Its text names the server's address, which is for administrators alone."""


class McpTimeout(McpFailure):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"it did not answer within {seconds:g} s")


class McpError(McpFailure):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: Any, status: int) -> None:
        known = error if isinstance(error, dict) else {}
        self.code = known.get("code")
        self.data = known.get("data")
        self.status = status
        super().__init__(str(known.get("message") or "an error without words")[:1000])


class McpRefused(McpFailure):
    """It answered with a status of failure, and no JSON-RPC error. `text`: how its body begins."""

    def __init__(self, status: int, text: str) -> None:
        reason = {
            401: "it wants other credentials (status 401)",
            403: "it does not let the gateway in (status 403)",
            404: "there is nothing at its address (status 404)",
        }.get(status, f"it answers with status {status}")
        if status in range(300, 400):
            reason = f"it redirects (status {status}): its address should be the one that it names"
        super().__init__(reason)
        self.status = status
        self.text = text


class Wire:
    """Sends to one address. `told` is called with each message that is no answer."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        upstream: Upstream,
        told: Callable[[Message, Mapping[str, str]], None],
    ) -> None:
        self._url = url
        self._headers = headers
        self._upstream = upstream
        self._told = told

    def request(
        self, message: Message, headers: Mapping[str, str], seconds: float, resumable: bool = False
    ) -> tuple[Any, Mapping[str, str]]:
        """The result, and the headers of the answer. Raises McpFailure."""
        deadline = time.monotonic() + seconds
        try:
            answer = self._send("POST", headers, orjson.dumps(message))
            try:
                self._read_head(answer, deadline)
                reply = self._reply(answer, message["id"], headers, deadline, resumable)
                found = answer.headers
            finally:
                answer.close()
        except Silence:
            raise McpTimeout(seconds) from None
        except UpstreamError as error:
            raise McpUnreachable(error.message) from None
        if "error" in reply:
            raise McpError(reply["error"], answer.status)
        return reply.get("result"), found

    def notify(self, message: Message, headers: Mapping[str, str], seconds: float) -> None:
        """Sends what is not answered. Raises McpFailure."""
        self._only_send("POST", headers, orjson.dumps(message), seconds)

    def end(self, headers: Mapping[str, str], seconds: float) -> None:
        self._only_send("DELETE", headers, None, seconds)

    def _only_send(
        self, method: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> None:
        try:
            answer = self._send(method, headers, body)
            try:
                answer.read_head(seconds)
                if answer.status >= 400:
                    raise McpRefused(answer.status, "")
            finally:
                answer.close()
        except Silence:
            raise McpTimeout(seconds) from None
        except UpstreamError as error:
            raise McpUnreachable(error.message) from None

    def _send(self, method: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        # A kept connection that turns out to be closed is asked anew, and a tool would run twice.
        sent = {"Accept": "application/json, text/event-stream", "Connection": "close"}
        if body is not None:
            sent["Content-Type"] = "application/json"
        return self._upstream.send(
            prepared(method, self._url, {**sent, **self._headers, **headers}, body)
        )

    def _read_head(self, answer: Answer, deadline: float) -> None:
        answer.read_head(_left(deadline))
        if answer.status == 200:
            return
        body = _body(answer, deadline) if answer.status >= 400 else b""
        message = _parsed(body)
        if isinstance(message, dict) and isinstance(message.get("error"), dict):
            raise McpError(message["error"], answer.status)
        raise McpRefused(answer.status, body[:500].decode(errors="replace"))

    def _reply(
        self,
        answer: Answer,
        request_id: int,
        headers: Mapping[str, str],
        deadline: float,
        resumable: bool,
    ) -> Message:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            message = _parsed(_body(answer, deadline))
            if isinstance(message, dict) and message.get("id") == request_id:
                return message
            raise McpFailure("its answer is no JSON-RPC")
        if kind != "text/event-stream":
            raise McpFailure(f"it answers with {kind or 'nothing that has a type'}")
        stream = _Stream(answer)
        while True:
            try:
                for message in stream.messages(deadline):
                    if message.get("id") == request_id and "method" not in message:
                        return message
                    self._told(message, headers)
            except UpstreamError:
                if not (resumable and stream.last_id):
                    raise
            if not (resumable and stream.last_id):
                raise McpFailure("it ended its answer before the result")
            stream.answer = self._resumed(stream, headers, deadline)

    def _resumed(self, stream: "_Stream", headers: Mapping[str, str], deadline: float) -> Answer:
        """The rest of a stream that a server of 2025-11-25 or before closed in between."""
        gevent.sleep(min(stream.retry, _left(deadline)))
        answer = self._send("GET", {**headers, "Last-Event-ID": stream.last_id}, None)
        try:
            answer.read_head(_left(deadline))
        except BaseException:
            answer.close()
            raise
        if answer.status != 200:
            answer.close()
            raise McpFailure("it broke off its answer")
        return answer


class _Stream:
    """Messages out of an answer's events; `last_id` is where it can be taken up again."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.last_id = ""
        self.retry = _RESUMED_AFTER

    def messages(self, deadline: float) -> Iterator[Message]:
        cutter = sse.Cutter(_LARGEST)
        try:
            while block := self.answer.read_block(_left(deadline)):
                for event in sse.events(cutter.feed(block)):
                    self._note(event)
                    message = _parsed(sse.data_of(event))
                    if isinstance(message, dict):
                        yield message
        except sse.TooLong:
            raise McpFailure(f"its answer is over {_LARGEST >> 20} MB") from None
        finally:
            self.answer.close()

    def _note(self, event: bytes) -> None:
        for line in event.splitlines():
            name, _, value = line.partition(b":")
            text = value.strip().decode("ascii", errors="ignore")
            if name == b"id" and text.isprintable():
                self.last_id = text
            elif name == b"retry" and text.isdigit():
                self.retry = min(int(text[:9]) / 1000, 60.0)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Silence
    return left


def _body(answer: Answer, deadline: float) -> bytes:
    blocks, size = [], 0
    while block := answer.read_block(_left(deadline)):
        blocks.append(block)
        size += len(block)
        if size > _LARGEST:
            raise McpFailure(f"its answer is over {_LARGEST >> 20} MB")
    return b"".join(blocks)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
