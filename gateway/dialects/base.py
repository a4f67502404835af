"""What every dialect offers, so that any door can be answered from any vendor."""

from collections.abc import Iterable
from typing import Any, Protocol

from gateway.chat import Usage
from gateway.conversation import Chat, Event, Written
from gateway.errors import GatewayError


class Reader(Protocol):
    """A vendor's stream, event by event. `ended`: its terminator was seen; `failure`: the error
    object that came instead of more; `usage`: what was counted so far, if the stream has told.
    """

    @property
    def ended(self) -> bool: ...

    @property
    def failure(self) -> Any: ...

    @property
    def usage(self) -> Usage | None: ...

    def feed(self, data: bytes, name: str | None = None) -> list[Event]: ...

    def finish(self) -> list[Event]: ...


class Writer(Protocol):
    """A door's stream: each event as bytes to send now, b"" if it has to wait for the next."""

    def write(self, event: Event) -> bytes: ...

    def end(self) -> bytes: ...


class Dialect(Protocol):
    """A wire format. `read_*` takes what came, `write_*` gives what goes out; all are pure.

    Raises BadRequest, which names the field, for a question that is wrong or cannot be said.
    """

    @property
    def STREAM_TYPE(self) -> str: ...

    @property
    def KEEP_ALIVE(self) -> bytes | None: ...

    def read_chat(self, body: dict[str, Any]) -> Chat: ...

    def read_answer(self, body: dict[str, Any]) -> list[Event]: ...

    def write_answer(self, events: Iterable[Event], model: str) -> dict[str, Any]: ...

    def StreamReader(self) -> Reader: ...

    def StreamWriter(self, model: str, *, include_usage: bool) -> Writer: ...

    def error_body(self, error: GatewayError) -> dict[str, Any]: ...

    def error_event(self, error: GatewayError) -> bytes: ...


class Spoken(Dialect, Protocol):
    """A wire format in which vendors are asked, too."""

    def write_chat(self, chat: Chat, model: str, *, stream: bool) -> Written: ...
