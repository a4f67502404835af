"""What a client gets when its provider fails."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, chunk, request
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
)
from tests.running import Answered, Running
from tests.upstream import (
    Answer,
    Comment,
    Html,
    Json,
    Named,
    Raw,
    Sse,
    Upstream,
    chunks,
    completion,
    error,
    failure,
    redirect,
)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway whose patience and capacity are small."""
    settings = {
        "max_retries": 0,
        "connect_timeout": 0.5,
        "first_byte_timeout": 0.8,
        "idle_timeout": 0.8,
        "keepalive_interval": 0.1,
        "max_event_mb": 1,
        "max_answer_mb": 1,
    }
    with Running(tmp_path_factory.mktemp("impatient"), {"upstream": settings}) as running:
        yield running


@pytest.fixture
def key(gateway: Running, upstream: Upstream) -> str:
    return client_of(gateway, upstream)


SAME = [400, 404, 405, 409, 413, 415, 422]
OTHERS = [
    # what upstream says: its status, type and code; then the status, type and code for the client
    (401, "invalid_request_error", "invalid_api_key", 502, "api_error", "authentication"),
    (401, "x", None, 502, "api_error", "authentication"),
    (403, "x", None, 502, "api_error", "authentication"),
    (403, "permission_error", "access_denied", 502, "api_error", "authentication"),
    (402, "x", None, 502, "api_error", "quota_exceeded"),
    (429, "insufficient_quota", "insufficient_quota", 502, "api_error", "quota_exceeded"),
    (403, "insufficient_quota", None, 502, "api_error", "quota_exceeded"),
    (503, "x", None, 503, "api_error", "overloaded"),
    (529, "overloaded_error", None, 503, "api_error", "overloaded"),
    (504, "x", None, 504, "api_error", "timeout"),
    (408, "x", None, 504, "api_error", "timeout"),
    (500, "server_error", None, 502, "api_error", "error"),
    (501, "x", None, 502, "api_error", "error"),
    (502, "x", None, 502, "api_error", "error"),
    (520, "x", None, 502, "api_error", "error"),
    (599, "x", None, 502, "api_error", "error"),
]
CODES = {
    "authentication": "upstream_authentication_error",
    "quota_exceeded": "upstream_quota_exceeded",
    "overloaded": "upstream_overloaded",
    "timeout": "upstream_timeout",
    "error": "upstream_error",
}


@both
class TestAStatusOfUpstream:
    @pytest.mark.parametrize("status", SAME)
    def test_about_the_question_is_the_clients(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, status: int
    ) -> None:
        upstream.always(failure(status, "No such thing", type="some_type", code="c", param="p"))
        answer = ask(gateway, key, question)
        assert answer.status == status
        assert answer.json == error("No such thing", type="some_type", code="c", param="p")
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize(("status", "type", "code", "own", "own_type", "own_code"), OTHERS)
    def test_about_itself_is_told_as_such(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        question: Any,
        status: int,
        type: str,
        code: str | None,
        own: int,
        own_type: str,
        own_code: str,
    ) -> None:
        upstream.always(failure(status, "Sorry", type=type, code=code))
        answer = ask(gateway, key, question)
        found = (answer.status, answer.error["type"], answer.error["code"])
        assert found == (own, own_type, CODES[own_code])
        assert "Sorry" in answer.error["message"]
        assert answer.headers["x-gateway-attempts"] == "1"

    @pytest.mark.parametrize("after", ["7", "0", "2.5", "600"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_hands_its_wait_on(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        question: Any,
        status: int,
        after: str,
    ) -> None:
        upstream.always(failure(status, type="rate_limit_error", retry_after=after))
        answer = ask(gateway, key, question)
        assert (answer.status, answer.headers["retry-after"]) == (status, after)

    def test_429_keeps_its_words(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        told = {"type": "tokens", "code": "rate_limit_exceeded"}
        upstream.always(failure(429, "Slow down", **told))
        answer = ask(gateway, key, question)
        assert answer.status == 429
        assert answer.json == error("Slow down", **told)
        assert "retry-after" not in answer.headers

    @pytest.mark.parametrize(
        "body",
        [
            error("Refused by our moderation", type="permission_error"),
            error("No", code="content_filter"),
            {"error": {"message": "No", "code": 403, "metadata": {"reasons": ["violence"]}}},
            {"error": {"message": "No", "code": 403, "metadata": {"flagged_input": "…"}}},
        ],
    )
    def test_403_for_content_is_the_clients(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, body: Any
    ) -> None:
        upstream.always(Json(body, status=403))
        answer = ask(gateway, key, question)
        assert answer.status == 403
        assert answer.error["message"] == body["error"]["message"]

    @pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
    def test_that_is_a_redirect_is_not_followed(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, status: int
    ) -> None:
        with Upstream() as elsewhere:
            upstream.always(redirect(f"{elsewhere.base_url}/chat/completions", status))
            answer = ask(gateway, key, question)
            assert not elsewhere.requests
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        assert "location" not in answer.headers
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize("status", [401, 403, 400, 429, 500])
    def test_never_shows_upstreams_key(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, status: int
    ) -> None:
        text = f"Incorrect API key provided: {SECRET}. Bearer {SECRET}"
        body = {"error": {"message": text, "type": SECRET, "code": SECRET, "hint": [SECRET]}}
        upstream.always(Json(body, status=status, headers={"x-key": SECRET}))
        answer = ask(gateway, key, question)
        (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
        assert SECRET not in str(row)
        assert SECRET not in gateway.output

    def test_shows_not_even_a_part_of_a_key_that_is_refused(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        masked = f"{SECRET[:8]}{'*' * 20}{SECRET[-4:]}"
        text = f"Incorrect API key provided: {masked}. Find yours at https://example.org/keys."
        upstream.always(failure(401, text, code="invalid_api_key"))
        answer = ask(gateway, key, question)
        assert SECRET[:8] not in answer.body.decode()
        assert SECRET[-4:] not in answer.body.decode()
        assert "https://example.org/keys" in answer.error["message"]


DETAIL = [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]
SHAPES: dict[str, tuple[Answer, str, str | None]] = {
    # the answer, then the message and code that the client gets
    "an object": (failure(400, "No", code="c"), "No", "c"),
    "a code that is a number": (failure(400, "No", code=400), "No", "400"),
    "a text": (Json({"error": "No"}, status=400), "No", None),
    "a code beside a text": (Json({"code": "c", "error": "No"}, status=400), "No", "c"),
    "an array": (Json([error("No", code="c")], status=400), "No", "c"),
    "an object with a type beside": (
        Json({"type": "error", "error": {"type": "x", "message": "No"}}, status=400),
        "No",
        None,
    ),
    "members of the body": (
        Json(
            {"object": "error", "message": "No", "type": "x", "param": None, "code": 7}, status=400
        ),
        "No",
        "7",
    ),
    "a message": (Json({"message": "No"}, status=400), "No", None),
    "a detail": (Json({"detail": "No"}, status=400), "No", None),
    "a list of details": (
        Json({"detail": DETAIL}, status=400),
        "body.messages: Field required",
        None,
    ),
    "details within a message": (
        Json({"object": "error", "message": {"detail": DETAIL}, "code": None}, status=400),
        "body.messages: Field required",
        None,
    ),
    "JSON within a message": (failure(400, json.dumps(error("No"), indent=1), code="c"), "No", "c"),
    "plain text": (Json(b"No", status=400, headers={"content-type": "text/plain"}), "No", None),
    "a long text": (Json(b"No" * 1000, status=400), "No" * 250, None),
    "a page": (Html(status=400), "an HTML page", None),
    "nothing": (Json(b"", status=400), "Upstream gave no reason", None),
    "an empty object": (Json({}, status=400), "Upstream gave no reason", None),
    "bytes": (Json(b"\xff\xfe", status=400), "\ufffd\ufffd", None),
}


@both
class TestTheWordsOfAnError:
    @pytest.mark.parametrize(("said", "message", "code"), SHAPES.values(), ids=SHAPES.keys())
    def test_are_found_in_every_shape(
        self,
        gateway: Running,
        upstream: Upstream,
        key: str,
        question: Any,
        said: Answer,
        message: str,
        code: str | None,
    ) -> None:
        upstream.always(said)
        answer = ask(gateway, key, question)
        assert answer.status == 400
        assert (answer.error["message"], answer.error["code"]) == (message, code)
        assert isinstance(answer.error["type"], str)

    def test_that_are_without_end_are_cut(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        upstream.always(Json({"message": "No" * 10_000, "more": ["x" * 100_000]}, status=400))
        answer = ask(gateway, key, question)
        assert answer.status == 400
        assert answer.error["message"].startswith("NoNo")
        assert len(answer.body) < 5_000

    def test_go_with_what_else_the_error_holds(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        told = {**error("No")["error"], "metadata": {"provider_name": "x"}}
        upstream.always(Json({"error": told}, status=400))
        assert ask(gateway, key, question).error["metadata"] == {"provider_name": "x"}


RUBBISH: dict[str, Answer] = {
    "nothing, and closes": Raw(b""),
    "garbage": Raw(b"\x00\xff\x13garbage"),
    "garbage of many lines": Raw(b"garbage\r\n" * 1000),
    "another protocol": Raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a wrong status line": Raw(b"HTTP/1.1 OK 200\r\n\r\n"),
    "a head without an end": Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
    "a length that is none": Raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"),
    "two lengths": Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
    "a chunk that is none": Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    "only an interim answer": Raw(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an empty body": Json(b""),
    "no body": Json(b"", status=204),
    "garbage as JSON": Json(b"\x00\xff"),
    "half a body": WHOLE.but(truncate=0.5),
    "a page": Html(),
    "a text": Json("Hello"),
    "a number": Json(1),
    "null": Json(None),
    "an array": Json([]),
    "an empty object": Json({}),
    "an object without choices": Json({"id": "x", "object": "chat.completion"}),
    "an unknown encoding": WHOLE.but(headers={"content-encoding": "br"}),
    "no gzip, though it says so": WHOLE.but(headers={"content-encoding": "gzip"}),
    "an error": Json(error("Sorry", type="server_error")),
    "an error without more": Json({"error": "Sorry"}),
    "an error of another shape": Json({"object": "error", "message": "Sorry", "code": 500}),
}
BROKEN_BEFORE_THE_HEAD = {
    f"{how} {place}": {how: place}
    for how in ("close", "reset")
    for place in ("before-head", "mid-head")
}


@both
class TestAnAnswerThatIsNone:
    @pytest.mark.parametrize("said", RUBBISH.values(), ids=RUBBISH.keys())
    def test_gets_502(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, said: Answer
    ) -> None:
        upstream.always(said)
        answer = ask(gateway, key, question)
        assert answer.status == 502
        assert isinstance(answer.error["type"], str) and isinstance(answer.error["code"], str)
        assert "<" not in answer.error["message"]

    @pytest.mark.parametrize("how", BROKEN_BEFORE_THE_HEAD.values(), ids=BROKEN_BEFORE_THE_HEAD)
    def test_because_the_connection_broke_gets_502(
        self, gateway: Running, upstream: Upstream, key: str, question: Any, how: dict[str, Any]
    ) -> None:
        upstream.always(WHOLE.but(**how))
        answer = ask(gateway, key, question)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")

    def test_because_nobody_listens_gets_502(self, gateway: Running, question: Any) -> None:
        with Upstream() as gone:
            pass
        answer = ask(gateway, client_of(gateway, gone), question)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        assert "refused" in answer.error["message"]

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "no..host", "[::]", "x" * 64 + ".y"])
    def test_because_there_is_no_such_host_gets_502(
        self, gateway: Running, question: Any, host: str
    ) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://{host}:{unused.getsockname()[1]}/v1"
            key = gateway.client(provider="openai-compatible", provider_base_url=address)
            answer = ask(gateway, key, question)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        assert host.strip("[]") in answer.error["message"]

    def test_tells_what_upstream_said(
        self, gateway: Running, upstream: Upstream, key: str, question: Any
    ) -> None:
        for body in (error("Out of order"), {"error": "Out of order"}, {"message": "Out of order"}):
            upstream.always(Json(body))
            assert "Out of order" in ask(gateway, key, question).error["message"]


@pytest.mark.parametrize("place", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("how", ["close", "reset"])
class TestABodyThatBreaksOff:
    def test_whole_gets_502(
        self, gateway: Running, upstream: Upstream, key: str, how: str, place: float
    ) -> None:
        upstream.always(WHOLE.but(**{how: place}))
        answer = ask(gateway, key, QUESTION)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")

    def test_streamed_within_its_first_event_gets_502(
        self, gateway: Running, upstream: Upstream, key: str, how: str, place: float
    ) -> None:
        upstream.always(STREAM.but(**{how: place}))
        answer = ask(gateway, key, STREAMED)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
class TestABodyOfTheWrongLength:
    def test_is_never_taken_for_an_answer(
        self, gateway: Running, upstream: Upstream, key: str, framing: str
    ) -> None:
        upstream.always(WHOLE.but(truncate=0.9, framing=framing))
        assert ask(gateway, key, QUESTION).status == 502

    def test_streamed_is_never_taken_for_an_answer(
        self, gateway: Running, upstream: Upstream, key: str, framing: str
    ) -> None:
        upstream.always(STREAM.but(truncate=0.9, framing=framing))
        assert ask(gateway, key, STREAMED).status == 502


@pytest.mark.parametrize("error_in_length", [-300, -1, 1, 300])
def test_a_length_that_lies_gets_502(
    gateway: Running, upstream: Upstream, key: str, error_in_length: int
) -> None:
    upstream.always(WHOLE.but(length_error=error_in_length))
    assert ask(gateway, key, QUESTION).status == 502
    upstream.always(WHOLE)
    assert ask(gateway, key, QUESTION).status == 200


ENDINGS: dict[str, tuple[Answer, str]] = {
    # what goes wrong behind the second event, and the code that tells of it
    "it closes": (STREAM.but(close=2), "upstream_unreachable"),
    "it resets": (STREAM.but(reset=2), "upstream_unreachable"),
    "it closes in mid-event": (STREAM.but(close=2.5), "upstream_unreachable"),
    "it resets in mid-event": (STREAM.but(reset=2.5), "upstream_unreachable"),
    "it ends": (STREAM.but(truncate=2), "upstream_truncated"),
    "it ends in mid-event": (STREAM.but(truncate=2.5), "upstream_truncated"),
    "it ends with its connection": (
        STREAM.but(truncate=2.5, framing="close"),
        "upstream_truncated",
    ),
    "it sends an error": (Sse([*chunks(WORDS)[:2], error("Sorry")], done=False), "upstream_error"),
    "it goes on after an error": (
        Sse([*chunks(WORDS)[:2], error("Sorry"), *chunks(WORDS)[2:]]),
        "upstream_error",
    ),
    "it sends a named error": (
        Sse([*chunks(WORDS)[:2], Named("error", error("Sorry"))], done=False),
        "upstream_error",
    ),
    "it sends an error that is a text": (
        Sse([*chunks(WORDS)[:2], {"error": "Sorry"}], done=False),
        "upstream_error",
    ),
}


class TestAStreamThatFails:
    @pytest.mark.parametrize(("said", "code"), ENDINGS.values(), ids=ENDINGS.keys())
    def test_ends_with_an_error_event(
        self, gateway: Running, upstream: Upstream, key: str, said: Answer, code: str
    ) -> None:
        upstream.always(said)
        answer = ask(gateway, key, STREAMED)
        *events, last = events_of(answer)
        assert events == chunks(WORDS)[:2]
        assert set(last) == {"error"}
        assert (last["error"]["type"], last["error"]["code"]) == ("api_error", code)
        assert answer.body.endswith(b"\n\n")
        (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
        assert (row["status"], row["error_code"], row["streamed"]) == (502, code, 1)

    def test_never_shows_upstreams_key(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(Sse([chunks()[0], error(f"Your key {SECRET} is bad")], done=False))
        answer = ask(gateway, key, STREAMED)
        assert "Your key" in events_of(answer)[-1]["error"]["message"]
        (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
        assert SECRET not in str(row)

    @pytest.mark.parametrize("how", ["close", "reset"])
    @pytest.mark.parametrize("place", ["before-end", 7])
    def test_when_all_was_said_has_not_failed(
        self, gateway: Running, upstream: Upstream, key: str, how: str, place: Any
    ) -> None:
        """Behind the finish reason nothing is missing, be it with `[DONE]` or without."""
        upstream.always(STREAM.but(**{how: place}))
        answer = ask(gateway, key, STREAMED)
        assert [event for event in events_of(answer) if event != "[DONE]"] == chunks(WORDS)

    def test_in_its_framing_ends_with_an_error_event(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        good = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(STREAM.parts()[0])
        upstream.always(Raw(good + b" " * len(good), hang=0.5))
        with Caller(gateway) as caller:
            caller.send(request(key, STREAMED))
            status, headers = caller.head()
            upstream.requests[0].release()
            answer = Answered(status, list(headers.items()), b"".join(caller.blocks(headers)))
        first, last = events_of(answer)
        assert first == chunks(WORDS)[0]
        assert last["error"]["code"] == "upstream_unreachable"


class TestSilence:
    @both
    @pytest.mark.parametrize("place", ["before-head", "mid-head", 0, 0.5])
    def test_before_the_answer_gets_504(
        self, impatient: Running, upstream: Upstream, question: Any, place: Any
    ) -> None:
        upstream.always(good_for(question).but(hang=place))
        answer = ask(impatient, client_of(impatient, upstream), question)
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
        assert upstream.requests[0].hung_up.wait(5)
        assert len(upstream.requests) == 1

    @pytest.mark.parametrize("place", [2, 2.5])
    def test_within_a_stream_ends_it(
        self, impatient: Running, upstream: Upstream, place: float
    ) -> None:
        upstream.always(STREAM.but(hang=place))
        answer = ask(impatient, client_of(impatient, upstream), STREAMED)
        *events, last = events_of(answer)
        assert events == chunks(WORDS)[:2]
        assert last["error"]["code"] == "upstream_timeout"
        assert b": keep-alive\n\n" in answer.body
        assert upstream.requests[0].hung_up.wait(5)
        (row,) = impatient.rows(1, request_id=answer.headers["x-request-id"])
        assert (row["status"], row["error_code"]) == (504, "upstream_timeout")

    def test_of_a_host_that_does_not_accept_gets_504(self, impatient: Running) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = [_begun_connection(port) for _ in range(3)]
            key = impatient.client(
                provider="openai-compatible", provider_base_url=f"http://127.0.0.1:{port}/v1"
            )
            answer = ask(impatient, key, QUESTION)
            for one in waiting:
                one.close()
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")

    def test_is_broken_by_a_comment(self, impatient: Running, upstream: Upstream) -> None:
        """A vendor that queues a call says so, for longer than it may be silent."""
        upstream.always(Sse([*[Comment("queued")] * 8, *chunks(WORDS)], pause=0.1))
        answer = ask(impatient, client_of(impatient, upstream), STREAMED)
        assert events_of(answer) == [*chunks(WORDS), "[DONE]"]


def _begun_connection(port: int) -> socket.socket:
    """One of those that fill a listener's queue."""
    begun = socket.socket()
    begun.setblocking(False)
    with suppress(BlockingIOError):
        begun.connect(("127.0.0.1", port))
    return begun


class TestTooMuch:
    def test_of_a_whole_answer_gets_502(self, impatient: Running, upstream: Upstream) -> None:
        upstream.always(Json(completion("x" * (2 << 20))))
        answer = ask(impatient, client_of(impatient, upstream), QUESTION)
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        assert "1 MB" in answer.error["message"]

    def test_in_one_event_gets_502(self, impatient: Running, upstream: Upstream) -> None:
        upstream.always(Sse(chunks(["x" * (2 << 20)])[1:]))
        answer = ask(impatient, client_of(impatient, upstream), STREAMED)
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")

    def test_in_a_later_event_ends_the_stream(self, impatient: Running, upstream: Upstream) -> None:
        upstream.always(Sse(chunks(["x" * (2 << 20)])))
        answer = ask(impatient, client_of(impatient, upstream), STREAMED)
        first, last = events_of(answer)
        assert first == chunks()[0]
        assert last["error"]["code"] == "upstream_error"

    def test_of_an_error_gets_502(self, impatient: Running, upstream: Upstream) -> None:
        upstream.always(failure(400, "x" * (2 << 20)))
        answer = ask(impatient, client_of(impatient, upstream), QUESTION)
        assert answer.status == 502
