"""A client that leaves takes its call to the provider with it; one that only waits does not."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import client_of
from tests.running import Running
from tests.upstream import Answer, Json, Sse, Upstream, chunks, completion, failure

WORDS = ("Hello", " my", " dear", " friend", "!")
STREAM = Sse(chunks(WORDS))
WHOLE = Json(completion("".join(WORDS)))
KEEP_ALIVE = b": keep-alive\n\n"
ACCEPTED = 1.0  # seconds until upstream must see that its client has gone

leaving = pytest.mark.parametrize("leave", [Caller.close, Caller.reset], ids=["close", "reset"])
both = pytest.mark.parametrize(
    ("question", "said"), [(QUESTION, WHOLE), (STREAMED, STREAM)], ids=["whole", "streamed"]
)


@pytest.fixture
def name() -> str:
    """The name of the test's client, by which its rows are found in the log."""
    return f"hangups {os.urandom(4).hex()}"


@pytest.fixture
def key(gateway: Running, upstream: Upstream, name: str) -> str:
    return client_of(gateway, upstream, name=name)


def assert_hung_up(gateway: Running, name: str, **expected: Any) -> None:
    """The one row of this client says that it left."""
    (row,) = gateway.rows(1, client_name=name)
    wanted = {"status": 499, "error_code": "client_hung_up", "attempts": 1, **expected}
    assert {column: row[column] for column in wanted} == wanted


def has_looked(gateway: Running, upstream: Upstream, key: str) -> None:
    """Returns when the gateway has looked after its clients at least once more."""
    known = len(upstream.requests)
    upstream.script("left alone", WHOLE.but(hang="before-head"))
    with Caller(gateway) as caller:
        caller.send(request(key, {**QUESTION, "model": "left alone"}))
        alone = upstream.wait(known + 1)[known]
    assert alone.hung_up.wait(5)


class TestAClientThatLeaves:
    @leaving
    @both
    @pytest.mark.parametrize("place", ["before-head", "mid-head", 0, 0.5])
    def test_before_the_first_byte_takes_its_call_along(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        name: str,
        question: Any,
        said: Answer,
        place: Any,
        leave: Callable[[Caller], None],
    ) -> None:
        upstream.always(said.but(hang=place))
        caller = Caller(gateway)
        caller.send(request(key, question))
        (received,) = upstream.wait()
        leave(caller)
        assert received.hung_up.wait(ACCEPTED)
        assert_hung_up(gateway, name, streamed=int(question is STREAMED), first_byte_ms=None)

    @leaving
    @pytest.mark.parametrize("place", [1, 2, 2.5, 6])
    def test_in_mid_stream_takes_its_call_along(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        name: str,
        place: float,
        leave: Callable[[Caller], None],
    ) -> None:
        upstream.always(STREAM.but(hang=place))
        caller = Caller(gateway)
        caller.send(request(key, STREAMED))
        _, headers = caller.head()
        assert next(caller.blocks(headers))
        leave(caller)
        assert upstream.requests[0].hung_up.wait(ACCEPTED)
        assert_hung_up(gateway, name, streamed=1)

    @leaving
    def test_while_a_whole_answer_comes_takes_its_call_along(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        name: str,
        leave: Callable[[Caller], None],
    ) -> None:
        upstream.always(WHOLE.but(chop="bytes", pause=0.05))
        caller = Caller(gateway)
        caller.send(request(key))
        (received,) = upstream.wait()
        leave(caller)
        assert received.hung_up.wait(ACCEPTED)
        assert_hung_up(gateway, name, streamed=0)

    def test_while_the_question_goes_up_takes_its_call_along(
        self, gateway: Running, name: str
    ) -> None:
        long = {**QUESTION, "messages": [{"role": "user", "content": "x" * (9 << 20)}]}
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            address = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
            key = gateway.client(name=name, provider="openai-compatible", provider_base_url=address)
            with Caller(gateway) as caller:
                caller.send(request(key, long))
                call, _ = deaf.accept()
            with call:
                assert_hung_up(gateway, name)
                call.settimeout(ACCEPTED)
                _read_to_the_end(call)

    def test_while_the_gateway_pauses_between_tries_ends_the_call(
        self, patient: Running, upstream: Upstream, name: str
    ) -> None:
        key = client_of(patient, upstream, name=name)
        upstream.always(failure(429, retry_after=20))
        with Caller(patient) as caller:
            caller.send(request(key))
            upstream.wait()
            assert patient.metric("ai_gateway_requests_in_progress") == 1
        assert_hung_up(patient, name)
        assert len(upstream.requests) == 1

    def test_while_the_gateway_connects_ends_the_call(self, gateway: Running, name: str) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            with ExitStack() as waiting:
                for _ in range(3):
                    one = waiting.enter_context(socket.socket())
                    one.setblocking(False)
                    one.connect_ex(("127.0.0.1", port))
                address = f"http://127.0.0.1:{port}/v1"
                key = gateway.client(
                    name=name, provider="openai-compatible", provider_base_url=address
                )
                with Caller(gateway) as caller:
                    caller.send(request(key))
                    gateway.wait_until(lambda: _in_progress(gateway) == 1, "the call to begin")
                assert_hung_up(gateway, name)

    @leaving
    def test_after_the_head_went_out_early_takes_its_call_along(
        self,
        patient: Running,
        upstream: Upstream,
        name: str,
        leave: Callable[[Caller], None],
    ) -> None:
        key = client_of(patient, upstream, name=name)
        upstream.always(STREAM.but(hang="before-head"))
        caller = Caller(patient)
        caller.send(request(key, STREAMED))
        _, headers = caller.head()
        assert next(caller.blocks(headers)) == KEEP_ALIVE
        leave(caller)
        assert upstream.requests[0].hung_up.wait(ACCEPTED)
        assert_hung_up(patient, name, streamed=1)

    def test_with_http_1_0_takes_its_call_along(
        self, gateway: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(STREAM.but(hang=2))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED, http="1.0"))
            caller.head()
        assert upstream.requests[0].hung_up.wait(ACCEPTED)
        assert_hung_up(gateway, name)

    def test_after_its_answer_has_not_hung_up(
        self, gateway: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        for said, question in ((WHOLE, QUESTION), (STREAM, STREAMED)):
            upstream.always(said)
            with Caller(gateway) as caller:
                caller.send(request(key, question))
                assert caller.answer().status == 200
        assert [row["status"] for row in gateway.rows(2, client_name=name)] == [200, 200]


@pytest.mark.parametrize("leave", [Caller.close, Caller.reset], ids=["close", "reset"])
def test_connections_to_a_host_are_few_and_none_is_lost_to_a_hang_up(
    patient: Running, upstream: Upstream, leave: Callable[[Caller], None]
) -> None:
    key = client_of(patient, upstream)
    for count, place in enumerate(("before-head", "mid-head", 0, 0.5, 1, 2, 2.5, 6), start=1):
        upstream.always(STREAM.but(hang=place))
        caller = Caller(patient)
        caller.send(request(key, STREAMED))
        assert caller.head()[0] == 200
        leave(caller)
        assert upstream.wait(count)[-1].hung_up.wait(5)
    upstream.always(WHOLE)
    assert [patient.chat(key, QUESTION).status for _ in range(3)] == [200] * 3


def _read_to_the_end(sock: socket.socket) -> None:
    try:
        while sock.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass


def _in_progress(gateway: Running) -> float:
    return gateway.metric("ai_gateway_requests_in_progress")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that would wait long for another try, and sends a stream's head soon."""
    settings = {
        "max_retries": 1,
        "max_retry_delay": 60,
        "head_wait": 0.1,
        "keepalive_interval": 0.1,
        "max_connections": 3,
    }
    with Running(tmp_path_factory.mktemp("patient"), {"upstream": settings}) as running:
        yield running


class TestAClientThatStays:
    @both
    def test_and_only_says_that_it_sends_no_more_gets_its_answer(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        question: Any,
        said: Answer,
    ) -> None:
        upstream.always(said.but(hang="before-head"))
        with Caller(gateway) as caller:
            caller.send(request(key, question))
            caller.half_close()
            (received,) = upstream.wait()
            assert caller.any_head()[0] == 100  # so the gateway has seen it
            received.release()
            answer = caller.answer()
            assert caller.ended()
        assert (answer.status, answer.body) == (200, b"".join(said.parts()))
        assert caller.interim == [100]

    def test_and_says_so_in_mid_stream_gets_the_rest(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(STREAM.but(hang=2))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            arriving = caller.blocks(headers)
            read = next(arriving)
            while read != b"".join(STREAM.parts()[:2]):
                read += next(arriving)
            caller.half_close()
            assert next(arriving) == KEEP_ALIVE  # so the gateway has seen it
            upstream.requests[0].release()
            read += b"".join(arriving)
            assert caller.ended()
        assert read == b"".join(STREAM.parts())

    @both
    def test_and_has_sent_its_next_question_gets_both_answers(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, said: Answer
    ) -> None:
        upstream.always([said.but(hang="before-head"), WHOLE])
        with Caller(gateway) as caller:
            caller.send(request(key, question) + request(key))
            (received,) = upstream.wait()
            has_looked(gateway, upstream, key)
            received.release()
            assert caller.answer().body == b"".join(said.parts())
            assert caller.answer().body == b"".join(WHOLE.parts())
        assert not received.hung_up.is_set()
        assert not caller.interim

    def test_and_has_sent_its_next_question_and_no_more_gets_both_answers(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always([WHOLE.but(hang="before-head"), WHOLE])
        with Caller(gateway) as caller:
            caller.send(request(key) + request(key))
            caller.half_close()
            upstream.wait()
            assert caller.any_head()[0] == 100
            upstream.requests[0].release()
            assert caller.answer().body == b"".join(WHOLE.parts())
            assert caller.answer().body == b"".join(WHOLE.parts())
            assert caller.ended()


class TestAClientThatStopsReading:
    LONG = Sse(chunks(["x" * 65536] * 1000))  # more than all buffers on its way hold

    def test_is_let_go(self, tmp_path: Path, upstream: Upstream, name: str) -> None:
        with Running(tmp_path, {"server": {"client_timeout": 1}}) as gateway:
            key = client_of(gateway, upstream, name=name)
            upstream.always(self.LONG)
            with Caller(gateway, receive_buffer=4096) as caller:
                caller.send(request(key, STREAMED))
                caller.head()
                assert upstream.requests[0].hung_up.wait(20)
                assert_hung_up(gateway, name)
            assert _in_progress(gateway) == 0

    def test_may_go_on_reading_though_it_sends_no_more(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        """What is sent to find out whether it is there must not get into the middle of a chunk."""
        long = Sse(self.LONG.events[:200])
        upstream.always(long)
        with Caller(gateway, receive_buffer=4096) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            _is_stuck(gateway, caller)
            caller.half_close()
            has_looked(gateway, upstream, key)  # nor does it keep the gateway from looking
            read = b"".join(caller.blocks(headers))
            assert caller.ended()
        assert read.replace(KEEP_ALIVE, b"") == b"".join(long.parts())

    @leaving
    def test_and_then_leaves_takes_its_call_along(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        name: str,
        leave: Callable[[Caller], None],
    ) -> None:
        upstream.always(self.LONG)
        caller = Caller(gateway, receive_buffer=4096)
        caller.send(request(key, STREAMED))
        caller.head()
        _is_stuck(gateway, caller)
        leave(caller)
        assert upstream.requests[0].hung_up.wait(ACCEPTED)
        assert_hung_up(gateway, name)


def _is_stuck(gateway: Running, caller: Caller) -> None:
    """Returns when the gateway has more to send to the caller than the kernel takes."""
    sizes = [-1, -2, -3]
    while len(set(sizes[-3:])) > 1:
        time.sleep(0.05)
        sizes.append(_unsent(gateway.port, caller.port))


def _unsent(port: int, peer: int) -> int:
    """Bytes that wait in the kernel between two ports of this machine."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if (int(here[9:], 16), int(there[9:], 16)) == (port, peer):
            return int(queues.partition(":")[0], 16)
    raise AssertionError("there is no such connection")


def test_a_thousand_hang_ups_leave_nothing_behind(
    gateway: Running, upstream: Upstream, key: str, name: str
) -> None:
    upstream.always(WHOLE)
    assert gateway.chat(key, QUESTION).status == 200
    gateway.rows(1, client_name=name)
    (pid,) = gateway.worker_pids()
    before = _descriptors(pid)
    upstream.clear()
    upstream.script(lambda received: "stream" in received.json, STREAM.but(hang=2))
    upstream.script(lambda received: "stream" not in received.json, WHOLE.but(hang="before-head"))
    for batch in range(20):
        _hang_up(gateway, upstream, key, 50, already=50 * batch)
    for received in upstream.requests:
        assert received.hung_up.wait(5)
    gateway.wait_until(lambda: _in_progress(gateway) == 0, "the gauge to return to 0")
    gateway.wait_until(lambda: _descriptors(pid) <= before, "the descriptors to be returned")
    rows = gateway.rows(1001, client_name=name)
    assert [row["status"] for row in rows] == [200] + [499] * 1000
    assert gateway.worker_pids() == [pid]


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _hang_up(gateway: Running, upstream: Upstream, key: str, count: int, already: int) -> None:
    """Half of them while they wait for the first byte, half in mid-stream."""
    with ExitStack() as callers:
        streaming = []
        for number in range(count):
            caller = callers.enter_context(Caller(gateway))
            caller.send(request(key, STREAMED if number % 2 else QUESTION))
            if number % 2:
                streaming.append(caller)
        upstream.wait(already + count)
        for caller in streaming:
            assert caller.head()[0] == 200
