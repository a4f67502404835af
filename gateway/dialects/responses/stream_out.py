"""Writes a streamed answer for a client of this dialect, in the order on which SDKs rely.

Each event bears its name, its type and its number; the last one holds the whole response.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from gateway.conversation import Began, Counted, Event, TextPiece
from gateway.dialects.responses.answer_out import completed, head
from gateway.dialects.responses.failures import error_step, failed
from gateway.dialects.responses.items_out import MessageOut, Step
from gateway.dialects.responses.output import Output
from gateway.dialects.responses.tools_in import namespaced
from gateway.errors import GatewayError

_DELTA = b"event: response.output_text.delta\ndata: "


class StreamWriter:
    """`model`: what to call the model if the events do not. `request`: the body that is answered.
    Usage is always told: it is part of the response.
    """

    def __init__(
        self,
        model: str,
        *,
        include_usage: bool = True,
        request: dict[str, Any] | None = None,
        response_id: str | None = None,
    ) -> None:
        self._model = model
        self._asked = request or {}
        self._id = response_id
        self._began = Began()
        self._response: dict[str, Any] | None = None
        self._output = Output(namespaced(self._asked))
        self._counted: Counted | None = None
        self._number = 0
        self._saying: dict[str, Any] | None = None
        self._before = b""

    @property
    def response(self) -> dict[str, Any] | None:
        """The response as far as it has come; whole after `end`."""
        return self._response

    def write(self, event: Event) -> bytes:
        """The bytes to send now."""
        message = self._output.message
        if message is not None and type(event) is TextPiece and _continues(event, message):
            return self._more(event.text, message)
        if isinstance(event, Began):
            self._began = event
            return b""
        opening = self._open()
        if isinstance(event, Counted):
            self._counted = event
            return opening
        return opening + self._sent(self._output.take(event))

    def end(self) -> bytes:
        """Ends what is open, and the response."""
        sent = self._open() + self._sent(self._output.finish())
        self._response = completed(self._response or {}, self._output, self._counted)
        kind = f"response.{self._response['status']}"
        return sent + self._event({"type": kind, "response": self._response})

    def fail(self, error: GatewayError) -> bytes:
        """A failure after the head was sent, as the end of this very response."""
        sent = self._open() + self._event(error_step(error))
        self._response = failed({**(self._response or {}), "output": self._output.items}, error)
        return sent + self._event({"type": "response.failed", "response": self._response})

    def _open(self) -> bytes:
        if self._response is not None:
            return b""
        self._response = head(self._began, self._model, self._asked, self._id)
        moments = ("response.created", "response.in_progress")
        return self._sent({"type": kind, "response": self._response} for kind in moments)

    def _more(self, text: str, message: MessageOut) -> bytes:
        """Most events are such: they are put together from what does not change."""
        if message.parts[-1] is not self._saying:
            self._saying = message.parts[-1]
            step = {"type": "response.output_text.delta", **message.place, "logprobs": []}
            self._before = _DELTA + orjson.dumps(step)[:-1] + b',"delta":'
        message.pieces.append(text)
        number, self._number = self._number, self._number + 1
        return b'%b%b,"sequence_number":%d}\n\n' % (self._before, orjson.dumps(text), number)

    def _sent(self, steps: Iterable[Step]) -> bytes:
        return b"".join(map(self._event, steps))

    def _event(self, step: Step) -> bytes:
        step["sequence_number"] = self._number
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (step["type"].encode(), orjson.dumps(step))


def _continues(event: TextPiece, message: MessageOut) -> bool:
    """Whether it is text for the open part, and says nothing else."""
    return (
        message.kind == "output_text"
        and event.native is None
        and event.signature is None
        and event.choice == 0
        and bool(event.text)
    )
