"""Answers that are odd but good: they get through, whole and without delay."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import (
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
from tests.running import Answered, Running
from tests.upstream import Answer, Comment, Json, Sse, Upstream, chunks, completion, error, failure
from tests.upstream.answers import Event


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that soon sends the head of a stream, come what may."""
    settings = {"head_wait": 0.2, "keepalive_interval": 0.1}
    with Running(tmp_path_factory.mktemp("early"), {"upstream": settings}) as running:
        yield running


@pytest.fixture
def key(gateway: Running, upstream: Upstream) -> str:
    return client_of(gateway, upstream)


ODD_WHOLE: dict[str, dict[str, Any]] = {
    "byte by byte": {"chop": "bytes"},
    "slowly": {"chop": "random", "pause": 0.002},
    "late": {"head_delay": 0.1, "body_delay": 0.1},
    "in torn characters": {"chop": "characters", "pause": 0.001},
    "in chunks": {"framing": "chunked", "chop": "random"},
    "to the connection's end": {"framing": "close"},
    "behind blank lines": {"blank_lines": 3, "pause": 0.01},
    "compressed": {"gzip": True, "chop": "random"},
    "behind interim answers": {"interim": [100, 103, 103]},
    "in HTTP/1.0": {"http": "1.0"},
    "in HTTP/1.0 with a length": {"http": "1.0", "framing": "length"},
    "on a connection that is at its end": {"headers": {"connection": "close"}},
    "with another content type": {"headers": {"content-type": "text/plain"}},
}
ODD_STREAMS: dict[str, dict[str, Any]] = {
    **{name: how for name, how in ODD_WHOLE.items() if "blank_lines" not in how},
    "at once": {"chop": "whole"},
    "with CRLF": {"newline": "\r\n"},
    "with CRLF, byte by byte": {"newline": "\r\n", "chop": "bytes"},
    "with CR": {"newline": "\r"},
    "with CR, byte by byte": {"newline": "\r", "chop": "bytes"},
    "without blanks": {"space": False},
    "without [DONE]": {"done": False},
    "without [DONE] to the connection's end": {"done": False, "framing": "close"},
}


class TestAnOddAnswer:
    @pytest.mark.parametrize("how", ODD_WHOLE.values(), ids=ODD_WHOLE.keys())
    def test_is_handed_on(
        self, gateway: Running, upstream: Upstream, key: str, how: dict[str, Any]
    ) -> None:
        upstream.always(WHOLE.but(**how))
        for _ in range(2):
            answer = ask(gateway, key, QUESTION)
            assert answer.status == 200
            assert answer.json == WHOLE.body
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["content-length"] == str(len(answer.body))
            assert "content-encoding" not in answer.headers

    @pytest.mark.parametrize("how", ODD_STREAMS.values(), ids=ODD_STREAMS.keys())
    def test_streamed_is_handed_on_as_it_came(
        self, gateway: Running, upstream: Upstream, key: str, how: dict[str, Any]
    ) -> None:
        said = STREAM.but(**how)
        upstream.always(said)
        for _ in range(2):
            answer = ask(gateway, key, STREAMED)
            assert answer.body == written(said)
            assert events_of(answer)[: len(chunks(WORDS))] == chunks(WORDS)

    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_without_its_last_blank_line_gets_one(
        self, gateway: Running, upstream: Upstream, key: str, newline: Any
    ) -> None:
        """The SDKs lose an event that does not end so."""
        upstream.always(STREAM.but(newline=newline, last_blank_line=False))
        answer = ask(gateway, key, STREAMED)
        assert events_of(answer) == [*chunks(WORDS), "[DONE]"]
        assert answer.body.endswith(b"\n\n")

    def test_loses_its_byte_order_mark(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        """The SDKs lose the first chunk to it."""
        for chop in ("events", "bytes"):
            upstream.always(STREAM.but(bom=True, chop=chop))
            assert ask(gateway, key, STREAMED).body == written(STREAM)

    def test_may_begin_with_comments_and_blank_lines(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        begin: list[Event] = [Comment("processing"), b"\n", b"\n\n", Comment()]
        upstream.always(Sse([*begin, *chunks(WORDS)], pause=0.01))
        assert events_of(ask(gateway, key, STREAMED)) == [*chunks(WORDS), "[DONE]"]

    def test_may_have_comments_between_its_events(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        mixed: list[Event] = []
        for event in chunks(WORDS):
            mixed += (event, Comment())
        upstream.always(Sse(mixed))
        assert events_of(ask(gateway, key, STREAMED)) == [*chunks(WORDS), "[DONE]"]

    def test_may_have_very_long_lines(self, gateway: Running, upstream: Upstream, key: str) -> None:
        long = chunks(["x" * (1 << 20), "é" * 600_000], tool_calls=[("f", {"a": "y" * (1 << 20)})])
        upstream.always(Sse(long))
        assert events_of(ask(gateway, key, STREAMED)) == [*long, "[DONE]"]

    def test_that_is_a_stream_where_none_was_asked_for_gets_502(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(STREAM)
        answer = ask(gateway, key, QUESTION)
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")

    def test_that_is_none_where_a_stream_was_asked_for_gets_502(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(WHOLE)
        answer = ask(gateway, key, STREAMED)
        assert answer.status == 502

    def test_may_say_that_there_is_no_error(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        whole, streamed = completion(error=None), chunks(WORDS, error=None)
        upstream.always([Json(whole), Sse(streamed)])
        assert ask(gateway, key, QUESTION).json == whole
        assert events_of(ask(gateway, key, STREAMED)) == [*streamed, "[DONE]"]

    def test_may_talk_of_errors_and_endings(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        words = [
            '{"error": {"message": "no"}}',
            "data: [DONE]\n\n",
            '"finish_reason":"stop"',
            "\r\n\r\n",
        ]
        upstream.always(Sse(chunks(words)))
        assert events_of(ask(gateway, key, STREAMED)) == [*chunks(words), "[DONE]"]

    @both
    def test_goes_to_a_client_of_http_1_0_until_the_connection_ends(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        upstream.always(good_for(question))
        with Caller(gateway) as caller:
            caller.send(request(key, question, http="1.0"))
            answer = caller.answer()
            assert caller.ended()
        assert (answer.status, answer.body) == (200, written(good_for(question)))
        assert "transfer-encoding" not in answer.headers

    def test_brings_none_of_upstreams_headers_along(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        headers = {
            "set-cookie": "a=b",
            "openai-organization": "org",
            "x-ratelimit-remaining-requests": "5",
            "x-request-id": "theirs",
            "keep-alive": "timeout=5",
            "server": "theirs",
        }
        for said, question in ((WHOLE, QUESTION), (STREAM, STREAMED)):
            upstream.always(said.but(headers=headers))
            answer = ask(gateway, key, question)
            assert answer.status == 200
            assert not {"theirs", "a=b", "org", "5", "timeout=5"} & set(answer.headers.values())


class TestEvents:
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    @pytest.mark.parametrize("chop", ["events", "bytes"])
    def test_leave_the_moment_they_arrive(
        self, gateway: Running, upstream: Upstream, key: str, newline: Any, chop: Any
    ) -> None:
        """Upstream sends each event only when the client has read the one before."""
        count = len(chunks(WORDS)) + 1
        said = STREAM.but(hang=range(1, count + 1), newline=newline, chop=chop)
        upstream.always(said)
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            status, headers = caller.head()
            arriving = caller.blocks(headers)
            for part in said.parts():
                assert next(arriving) == part
                upstream.requests[0].release()
            assert not list(arriving)
        assert status == 200

    def test_leave_though_the_next_one_has_begun(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(STREAM.but(hang=2.5))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            arriving = caller.blocks(headers)
            read = next(arriving)
            while read != b"".join(STREAM.parts()[:2]):
                read += next(arriving)
            upstream.requests[0].release()
            assert read + b"".join(arriving) == written(STREAM)

    def test_have_no_pause_between_them_that_upstream_did_not_make(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        """However many come at once, they go on together."""
        many = Sse(chunks(map(str, range(2000))), chop="whole")
        upstream.always(many)
        assert ask(gateway, key, STREAMED).body == written(many)


class TestTheHeadOfAStream:
    @pytest.mark.parametrize("place", ["before-head", 0, 0.5])
    def test_goes_out_with_keep_alives_when_nothing_comes(
        self, early: Running, upstream: Upstream, place: Any
    ) -> None:
        upstream.always(STREAM.but(hang=place))
        with Caller(early) as caller:
            caller.send(request(client_of(early, upstream), STREAMED))
            status, headers = caller.head()
            arriving = caller.blocks(headers)
            keep_alives = [next(arriving) for _ in range(3)]
            upstream.wait()[0].release()
            rest = b"".join(arriving)
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert headers["cache-control"] == "no-cache"
        assert headers["x-accel-buffering"] == "no"
        assert set(keep_alives) == {b": keep-alive\n\n"}
        assert rest.replace(b": keep-alive\n\n", b"") == written(STREAM)

    def test_goes_out_though_comments_come(self, early: Running, upstream: Upstream) -> None:
        upstream.always(Sse([*[Comment("queued")] * 10, *chunks(WORDS)], pause=0.1, hang=9))
        with Caller(early) as caller:
            caller.send(request(client_of(early, upstream), STREAMED))
            status, headers = caller.head()
            upstream.wait()[0].release()
            answer = Answered(status, list(headers.items()), b"".join(caller.blocks(headers)))
        assert events_of(answer) == [*chunks(WORDS), "[DONE]"]

    @pytest.mark.parametrize(
        "said",
        [
            failure(500, "Sorry", hang="before-head"),
            failure(400, "Sorry", hang="before-head"),
            failure(401, "Sorry", hang="before-head"),
            Json(error("Sorry"), hang="before-head"),
            Sse([error("Sorry")], done=False, hang="before-head"),
        ],
    )
    def test_being_out_a_failure_is_an_event_and_final(
        self, early: Running, upstream: Upstream, said: Answer
    ) -> None:
        upstream.always(said)
        with Caller(early) as caller:
            caller.send(request(client_of(early, upstream), STREAMED))
            status, headers = caller.head()
            upstream.wait()[0].release()
            answer = Answered(status, list(headers.items()), b"".join(caller.blocks(headers)))
        (event,) = events_of(answer)
        assert "Sorry" in event["error"]["message"]
        assert caller.received.count(b"HTTP/1.1 ") == 1
        assert len(upstream.requests) == 1

    def test_waits_so_that_a_failure_keeps_its_status(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(failure(422, "Sorry", hang="before-head"))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            upstream.wait()[0].release()
            assert caller.answer().status == 422

    def test_waits_for_an_event_and_not_for_comments(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(Sse([Comment(), b"\n", error("Sorry", code=503)], done=False, hang=2))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            upstream.wait()[0].release()
            answer = caller.answer()
        assert (answer.status, answer.error["message"]) == (502, "Sorry")

    def test_of_a_whole_answer_never_goes_out_early(
        self, early: Running, upstream: Upstream
    ) -> None:
        upstream.always(failure(422, "Sorry", head_delay=0.5))
        assert ask(early, client_of(early, upstream), QUESTION).status == 422


class TestAConnectionThatIsKept:
    def test_serves_again(self, gateway: Running, upstream: Upstream, key: str) -> None:
        upstream.always(WHOLE)
        for _ in range(3):
            assert ask(gateway, key, QUESTION).status == 200
        assert {received.connection for received in upstream.requests} == {1}

    def test_serves_again_after_a_stream(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(STREAM)
        for _ in range(3):
            assert ask(gateway, key, STREAMED).body == written(STREAM)
        assert {received.connection for received in upstream.requests} == {1}

    def test_serves_again_after_an_error(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always([failure(400), WHOLE])
        assert ask(gateway, key, QUESTION).status == 400
        assert ask(gateway, key, QUESTION).status == 200
        assert {received.connection for received in upstream.requests} == {1}

    @both
    def test_and_was_closed_meanwhile_is_replaced(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        good = good_for(question)
        upstream.always(good.but(stale=True))
        for _ in range(3):
            answer = ask(gateway, key, question)
            assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "1")
        assert len(upstream.requests) == 3

    @both
    @pytest.mark.parametrize("how", ["close", "reset"])
    def test_and_closes_as_the_request_is_sent_is_replaced(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, how: str
    ) -> None:
        good = good_for(question)
        upstream.always([good, good.but(**{how: "before-head"}), good])
        assert ask(gateway, key, question).status == 200
        answer = ask(gateway, key, question)
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "1")
        assert [received.connection for received in upstream.requests] == [1, 1, 2]

    def test_is_not_mixed_up_after_an_answer_was_left_unread(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always([WHOLE.but(length_error=-20), WHOLE])
        ask(gateway, key, QUESTION)
        assert ask(gateway, key, QUESTION).json == WHOLE.body

    def test_is_not_kept_when_a_request_could_not_be_read_whole(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        """An upstream may refuse before it has read everything; its answer is still heard."""
        upstream.always(failure(413, "Too large for us"))
        long = {**QUESTION, "messages": [{"role": "user", "content": "x" * (9 << 20)}]}
        answer = ask(gateway, key, long)
        assert (answer.status, answer.error["message"]) == (413, "Too large for us")
