"""Calls that leave through a proxy."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import (
    SECRET,
    STREAM,
    WHOLE,
    WORDS,
    ask,
    both,
    client_of,
    events_of,
    good_for,
    written,
)
from tests.failure.forwarder import Forwarder
from tests.running import Running
from tests.upstream import Answer, Raw, Upstream, chunks, failure, redirect


@pytest.fixture(scope="module")
def proxy() -> Iterator[Forwarder]:
    with Forwarder() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, proxy: Forwarder) -> Iterator[Running]:
    """A gateway whose calls go through the proxy."""
    settings = {
        "upstream": {"proxy": f"http://127.0.0.1:{proxy.port}", "max_retries": 0, "idle_timeout": 1}
    }
    with Running(tmp_path_factory.mktemp("proxied"), settings) as running:
        yield running


@pytest.fixture
def proxied_key(proxied: Running, proxy: Forwarder, upstream: Upstream) -> str:
    proxy.target = upstream.port
    return client_of(proxied, upstream)


class TestThroughAProxy:
    @both
    def test_an_answer_comes(
        self,
        proxied: Running,
        proxy: Forwarder,
        upstream: Upstream,
        proxied_key: str,
        question: Any,
    ) -> None:
        good = good_for(question)
        upstream.always(good)
        proxy.first_lines.clear()
        answer = ask(proxied, proxied_key, question)
        assert (answer.status, answer.body) == (200, written(good))
        assert proxy.first_lines == [f"POST {upstream.base_url}/chat/completions HTTP/1.1"]
        (received,) = upstream.requests
        assert received.keys == {SECRET}
        assert received.headers["content-length"] == str(len(received.body))

    @both
    @pytest.mark.parametrize("how", [{"gzip": True}, {"chop": "bytes"}, {"framing": "close"}])
    def test_an_odd_answer_comes(
        self,
        proxied: Running,
        upstream: Upstream,
        proxied_key: str,
        question: Any,
        how: dict[str, Any],
    ) -> None:
        good = good_for(question)
        upstream.always(good.but(**how))
        assert ask(proxied, proxied_key, question).body == written(good)

    def test_events_leave_the_moment_they_arrive(
        self, proxied: Running, upstream: Upstream, proxied_key: str
    ) -> None:
        count = len(chunks(WORDS)) + 1
        upstream.always(STREAM.but(hang=range(1, count + 1)))
        with Caller(proxied) as caller:
            caller.send(request(proxied_key, STREAMED))
            _, headers = caller.head()
            arriving = caller.blocks(headers)
            for part in STREAM.parts():
                assert next(arriving) == part
                upstream.requests[0].release()
            assert not list(arriving)

    @both
    @pytest.mark.parametrize("place", ["before-head", 0, 0.5])
    def test_a_hang_up_closes_the_connection(
        self, proxied: Running, upstream: Upstream, proxied_key: str, question: Any, place: Any
    ) -> None:
        good = good_for(question)
        upstream.always(good.but(hang=place))
        with Caller(proxied) as caller:
            caller.send(request(proxied_key, question))
            (received,) = upstream.wait()
        assert received.hung_up.wait(1.0)

    @both
    @pytest.mark.parametrize(
        ("said", "status"),
        [
            (failure(400), 400),
            (failure(500), 502),
            (WHOLE.but(reset="before-head"), 502),
            (WHOLE.but(close=0.5), 502),
            (Raw(b"garbage"), 502),
            (redirect("http://127.0.0.1:1/"), 502),
            (WHOLE.but(hang=0.5), 504),
        ],
    )
    def test_a_failure_is_told(
        self,
        proxied: Running,
        upstream: Upstream,
        proxied_key: str,
        question: Any,
        said: Answer,
        status: int,
    ) -> None:
        upstream.always(said)
        assert ask(proxied, proxied_key, question).status == status

    def test_a_stream_that_fails_ends_with_an_error_event(
        self, proxied: Running, upstream: Upstream, proxied_key: str
    ) -> None:
        upstream.always(STREAM.but(reset=2))
        *events, last = events_of(ask(proxied, proxied_key, STREAMED))
        assert events == chunks(WORDS)[:2]
        assert last["error"]["code"] == "upstream_unreachable"

    def test_a_proxy_that_is_away_gets_502(
        self, proxied: Running, proxy: Forwarder, upstream: Upstream, proxied_key: str
    ) -> None:
        with Upstream() as gone:
            pass
        proxy.target = gone.port
        assert ask(proxied, proxied_key, QUESTION).status == 502
