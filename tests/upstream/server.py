"""A provider on loopback that answers from scripts and recordings, and notes what it was asked."""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from .answers import Answer, Json, failure
from .bodies import model_list
from .connection import Connection
from .received import Received
from .recordings import Recording, load

Matches = Callable[[Received], bool]
Answers = Answer | Sequence[Answer] | Callable[[Received], Answer]

_RECORDED_MODEL = re.compile(r"(?:^|/)rec-([0-9a-f]{12})$")
_PATIENCE = 10.0  # seconds


class Upstream:
    """`with Upstream() as upstream: … upstream.base_url …`

    What goes wrong on the upstream's own side (a script that raises, a request that is no HTTP)
    is raised at the end of the `with`.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.requests: list[Received] = []
        self.connections = 0  # accepted so far
        self._rules: list[_Rule] = []
        self._news = threading.Condition()
        self._open: dict[threading.Thread, Connection] = {}
        self._failures: list[Exception] = []
        self._leaving = False

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """As the OpenAI dialect wants it: with its `/v1`."""
        return f"{self.origin}/v1"

    def script(self, what: str | Matches, answers: Answers) -> None:
        """Answer a path (`/chat/completions`, from its end), a model, or what a predicate picks.

        Of a list, each request gets the next answer, and the last one stays. The rule that was
        made last comes first.
        """
        with self._news:
            self._rules.insert(0, _Rule(_matcher(what), answers))

    def always(self, answers: Answers) -> None:
        self.script(lambda _: True, answers)

    def models(self, names: Iterable[str]) -> None:
        self.script(_asks_for_models, Json(model_list(names)))

    def replay(self, recording: Recording, *, api_key: str, **how: Any) -> None:
        """Answer whoever brings this key; `how` are fields of the answer, such as `chop`."""
        self.script(lambda received: api_key in received.keys, recording.answer().but(**how))

    def wait(self, count: int = 1, timeout: float = _PATIENCE) -> list[Received]:
        """The requests so far, once there are as many as that; raises TimeoutError."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests arrived")
            return self.requests.copy()

    def release(self) -> None:
        """Let every answer that is on its way pass one `hang`."""
        with self._news:
            for received in self.requests:
                received.release()

    def clear(self) -> None:
        """Forget the requests and the scripts; connections stay as they are."""
        with self._news:
            self.requests.clear()
            self._rules.clear()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="upstream", daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_accepting()
        self._end_connections()
        if self._failures and error is None:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._leaving:
                sock.close()
                return
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        self.connections += 1
        connection = Connection(sock, self.connections, self._choose)
        name = f"upstream-{self.connections}"
        thread = threading.Thread(target=self._serve, args=[connection], name=name, daemon=True)
        with self._news:
            self._open[thread] = connection
        thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        except Exception as error:
            self._failures.append(error)
        finally:
            with self._news:
                del self._open[threading.current_thread()]

    def _choose(self, received: Received) -> Answer:
        with self._news:
            self.requests.append(received)
            self._news.notify_all()
        try:
            return self._scripted(received) or self._recorded(received)
        except Exception as error:
            self._failures.append(error)
            return failure(500, f"the script failed: {error!r}")

    def _scripted(self, received: Received) -> Answer | None:
        with self._news:
            rule = next((rule for rule in self._rules if rule.matches(received)), None)
            answer = rule.next() if rule else None
        return answer(received) if callable(answer) else answer

    def _recorded(self, received: Received) -> Answer:
        named = _RECORDED_MODEL.search(received.model or "")
        if named and named[1] in self._recordings:
            return self._recordings[named[1]].answer()
        return failure(
            404,
            f"nothing is scripted or recorded for {received}",
            type="invalid_request_error",
            code="model_not_found",
        )

    @cached_property
    def _recordings(self) -> dict[str, Recording]:
        return {recording.id: recording for recording in load()}

    def _stop_accepting(self) -> None:
        self._leaving = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept()
        self._accepting.join()
        self._listener.close()

    def _end_connections(self) -> None:
        with self._news:
            still_open = list(self._open.items())
        for _, connection in still_open:
            connection.end()
        for thread, _ in still_open:
            thread.join(_PATIENCE)
            if thread.is_alive():
                self._failures.append(RuntimeError(f"{thread.name} does not end"))


class _Rule:
    def __init__(self, matches: Matches, answers: Answers) -> None:
        self.matches = matches
        self._answers = list(answers) if isinstance(answers, Sequence) else [answers]

    def next(self) -> Answer | Callable[[Received], Answer]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _matcher(what: str | Matches) -> Matches:
    if not isinstance(what, str):
        return what
    if what.startswith("/"):
        return lambda received: received.path.endswith(what)
    return lambda received: received.model == what


def _asks_for_models(received: Received) -> bool:
    return received.method == "GET" and received.path.endswith("/models")
