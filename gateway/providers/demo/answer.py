"""The demo as an upstream: an answer's status, headers and bytes, each in its time.

It speaks OpenAI's chat completions format, so that the rest of the gateway treats it like any
vendor. The same body gets the same answer; a fault is had by a model's name.
"""

import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from gateway.errors import (
    BadRequest,
    GatewayError,
    ModelNotFound,
    RateLimited,
    UpstreamUnreachable,
)
from gateway.providers.demo.reply import Choice, choices
from gateway.providers.demo.request import Asked, read_request
from gateway.providers.demo.wire import JSON, STREAM, Piece, error_pieces, streamed, whole

MODELS = ("demo", "demo-error-429", "demo-error-500", "demo-slow", "demo-cut")
# demo-slow: the silence before its first byte, and the pace of its stream after that.
SLOW_SECONDS = 3.0
SLOW_TOKENS_PER_SECOND = 1.0
# How soon a close is noticed, and how many events may come at once where none is paced.
_NAP = 0.05
_AT_ONCE = 64


class DemoAnswer:
    """An answer while it arrives: what an upstream's answer is for a real vendor."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        pieces: Iterator[Piece],
        *,
        silence: float = 0.0,
        pause: float = 0.0,
        cut: bool = False,
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers)
        self._pieces = pieces
        self._wait = silence
        self._pause = pause
        self._cut = cut
        self._closed = False

    def read_block(self) -> bytes:
        """The next bytes, after their pause; b"" at the end. Raises UpstreamUnreachable."""
        self._sleep()
        if self._closed:
            return b""
        block = list(islice(self._pieces, 1 if self._pause else _AT_ONCE))
        self._wait = self._pause * sum(piece.tokens for piece in block)
        if not block and self._cut:
            raise UpstreamUnreachable("The demo has cut the connection, as its model's name says")
        return b"".join(piece.data for piece in block)

    def close(self) -> None:
        self._closed = True

    def _sleep(self) -> None:
        # Once at least, be it for no time: other greenlets want their turn between two blocks.
        while True:
            nap = max(0.0, min(self._wait, _NAP))
            time.sleep(nap)
            self._wait -= nap
            if self._closed or self._wait <= 0:
                return


def open_demo(
    body: dict[str, Any], tokens_per_second: float, slow_seconds: float = SLOW_SECONDS
) -> DemoAnswer:
    """The demo's answer to a chat completions request; 0 tokens a second is no pause at all."""
    try:
        _check_model(body.get("model"))
        asked = read_request(body)
        answers = choices(asked)
    except GatewayError as error:
        headers = {"content-type": JSON, **error.headers}
        return DemoAnswer(error.status, headers, error_pieces(error))
    return _answer(asked, answers, tokens_per_second, slow_seconds)


def _check_model(model: Any) -> None:
    if not isinstance(model, str):
        raise BadRequest("You must provide a model parameter.", param="model")
    if model not in MODELS:
        has = ", ".join(MODELS)
        raise ModelNotFound(f"The model `{model}` does not exist. The offline demo has: {has}.")
    if model == "demo-error-429":
        message = "Rate limit reached: demo-error-429 always says so, to try how you cope."
        raise RateLimited(message, headers={"retry-after": "1"})
    if model == "demo-error-500":
        raise GatewayError("The server had an error: demo-error-500 always has one, to try it.")


def _answer(
    asked: Asked, answers: list[Choice], tokens_per_second: float, slow_seconds: float
) -> DemoAnswer:
    write, kind = (streamed, STREAM) if asked.stream else (whole, JSON)
    created = int(time.time())
    pieces = write(asked, answers, created)
    pause = 1 / tokens_per_second if tokens_per_second > 0 else 0.0
    silence = 0.0
    if asked.model == "demo-slow":
        silence, pause = slow_seconds, slow_seconds / SLOW_SECONDS / SLOW_TOKENS_PER_SECOND
    cut = asked.model == "demo-cut"
    if cut:
        half = sum(1 for _ in write(asked, answers, created)) // 2
        pieces = islice(pieces, half)
    headers = {"content-type": kind}
    return DemoAnswer(200, headers, pieces, silence=silence, pause=pause, cut=cut)
