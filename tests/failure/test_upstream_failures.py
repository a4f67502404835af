"""What a client gets when its provider fails, or answers in an odd way."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, chunk, request
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
from tests.upstream.answers import Event

SECRET = "sk-upstream-0123456789abcdefghijklmnop"
QUESTIONS = {"whole": QUESTION, "streamed": STREAMED}
WORDS = ("Grüße", " aus ", "東京", " 👋🏽", "!")
STREAM = Sse(chunks(WORDS))
WHOLE = Json(completion("".join(WORDS)))

both = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway whose patience and capacity are small."""
    settings = {
        "max_retries": 0,
        "connect_timeout": 0.5,
        "first_byte_timeout": 0.5,
        "idle_timeout": 0.5,
        "keepalive_interval": 0.1,
        "max_event_mb": 1,
        "max_answer_mb": 1,
    }
    with Running(tmp_path_factory.mktemp("impatient"), {"upstream": settings}) as running:
        yield running


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that soon sends the head of a stream, come what may."""
    settings = {"head_wait": 0.2, "keepalive_interval": 0.1}
    with Running(tmp_path_factory.mktemp("early"), {"upstream": settings}) as running:
        yield running


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that tries three times, with next to no pause."""
    settings = {"max_retries": 2, "max_retry_delay": 0.1}
    with Running(tmp_path_factory.mktemp("retrying"), {"upstream": settings}) as running:
        yield running


def client_of(gateway: Running, upstream: Upstream, **fields: Any) -> str:
    """The key of a client whose provider is the scripted upstream."""
    return gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        provider_api_key=SECRET,
        **fields,
    )


@pytest.fixture
def key(gateway: Running, upstream: Upstream) -> str:
    return client_of(gateway, upstream)


def ask(gateway: Running, key: str, question: Any) -> Answered:
    """An answer, of which it is sure that it has one status line and ends as HTTP wants it."""
    with Caller(gateway) as caller:
        caller.send(request(key, question))
        answer = caller.answer()
        assert caller.received.count(b"HTTP/1.1 ") == 1
        assert not caller.interim
        caller.send(request(None, None, method="GET", path="/health"))
        assert caller.answer().status == 200
    assert SECRET.encode() not in caller.received
    return answer


def events_of(answer: Answered) -> list[Any]:
    """The data of a stream's events: parsed, or the text of `[DONE]`."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = answer.body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in found]


def written(answer: Answer) -> bytes:
    """The body of an answer as upstream sends it."""
    return b"".join(answer.parts())


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

    def test_is_never_tried_again(self, retrying: Running, upstream: Upstream) -> None:
        upstream.always(STREAM.but(reset=2))
        answer = ask(retrying, client_of(retrying, upstream), STREAMED)
        assert "error" in events_of(answer)[-1]
        assert len(upstream.requests) == 1


class TestSilence:
    @both
    @pytest.mark.parametrize("place", ["before-head", "mid-head", 0, 0.5])
    def test_before_the_answer_gets_504(
        self, impatient: Running, upstream: Upstream, question: Any, place: Any
    ) -> None:
        upstream.always((STREAM if "stream" in question else WHOLE).but(hang=place))
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


ODD_WHOLE: dict[str, dict[str, Any]] = {
    "byte by byte": {"chop": "bytes"},
    "slowly": {"chop": "bytes", "pause": 0.001},
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


RETRIED: dict[str, Answer] = {
    **{str(status): failure(status) for status in (408, 429, 500, 502, 503, 504, 520, 524, 529)},
    "a reset": WHOLE.but(reset="before-head"),
    "half an answer": WHOLE.but(close=0.5),
    "half an event": STREAM.but(close=0.5),
    "garbage": Raw(b"garbage"),
    "an empty answer": Json(b""),
    "a page": Html(),
    "an error inside a 200": Json(error("Sorry", code=503)),
}


class TestAnotherTry:
    @both
    @pytest.mark.parametrize("said", RETRIED.values(), ids=RETRIED.keys())
    def test_may_help(
        self, retrying: Running, upstream: Upstream, question: Any, said: Answer
    ) -> None:
        good = STREAM if "stream" in question else WHOLE
        upstream.always([said, said, good])
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.body) == (200, written(good))
        assert answer.headers["x-gateway-attempts"] == "3"
        assert "x-should-retry" not in answer.headers
        assert [r.json for r in upstream.requests] == [upstream.requests[0].json] * 3

    @both
    def test_may_not_help_and_the_client_shall_not_repeat_it(
        self, retrying: Running, upstream: Upstream, question: Any
    ) -> None:
        upstream.always(failure(500, "Sorry"))
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.error["message"]) == (502, "Sorry")
        assert answer.headers["x-gateway-attempts"] == "3"
        assert answer.headers["x-should-retry"] == "false"
        assert len(upstream.requests) == 3

    @both
    def test_ends_with_what_upstream_said_last(
        self, retrying: Running, upstream: Upstream, question: Any
    ) -> None:
        upstream.always([failure(500), failure(503), failure(400, "No")])
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.error["message"]) == (400, "No")
        assert len(upstream.requests) == 3

    @both
    @pytest.mark.parametrize(
        "said",
        [
            *[failure(status) for status in (*SAME, 401, 402, 403, 501)],
            failure(429, code="insufficient_quota"),
            failure(429, retry_after=60),
            redirect("http://127.0.0.1:1/"),
            Json(error("Sorry", type="invalid_request_error")),
        ],
        ids=lambda said: f"{said.status} {said.body}",
    )
    def test_is_not_made_where_it_cannot_help(
        self, retrying: Running, upstream: Upstream, question: Any, said: Answer
    ) -> None:
        upstream.always(said)
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert answer.status >= 400
        assert answer.headers["x-gateway-attempts"] == "1"
        assert "x-should-retry" not in answer.headers
        assert len(upstream.requests) == 1

    def test_is_made_when_upstream_asks_for_a_short_wait(
        self, retrying: Running, upstream: Upstream
    ) -> None:
        upstream.always([failure(429, retry_after="0.05"), WHOLE])
        answer = ask(retrying, client_of(retrying, upstream), QUESTION)
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "2")

    @pytest.mark.parametrize(
        "headers",
        [
            {"retry-after-ms": "60000"},
            {"x-ms-retry-after-ms": "60000"},
            {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"},
        ],
    )
    def test_is_not_made_when_upstream_asks_for_a_long_wait(
        self, retrying: Running, upstream: Upstream, headers: dict[str, str]
    ) -> None:
        upstream.always(failure(429, headers=headers))
        answer = ask(retrying, client_of(retrying, upstream), QUESTION)
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (429, "1")
        assert float(answer.headers["retry-after"]) >= 60


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
        good = STREAM if "stream" in question else WHOLE
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
        good = STREAM if "stream" in question else WHOLE
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


class Proxy:
    """A forward proxy: what comes goes on to the one host that it knows."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.first_lines: list[str] = []
        self.target = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[near], daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        begin = near.recv(65536)
        self.first_lines.append(begin.partition(b"\r\n")[0].decode())
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            far.sendall(begin)
            back = threading.Thread(target=_pump, args=[far, near], daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy) -> Iterator[Running]:
    """A gateway whose calls go through the proxy."""
    settings = {"upstream": {"proxy": proxy.url, "max_retries": 0, "idle_timeout": 1}}
    with Running(tmp_path_factory.mktemp("proxied"), settings) as running:
        yield running


@pytest.fixture
def proxied_key(proxied: Running, proxy: Proxy, upstream: Upstream) -> str:
    proxy.target = upstream.port
    return client_of(proxied, upstream)


class TestThroughAProxy:
    @both
    def test_an_answer_comes(
        self, proxied: Running, proxy: Proxy, upstream: Upstream, proxied_key: str, question: Any
    ) -> None:
        good = STREAM if "stream" in question else WHOLE
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
        good = STREAM if "stream" in question else WHOLE
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
        good = STREAM if "stream" in question else WHOLE
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
        self, proxied: Running, proxy: Proxy, upstream: Upstream, proxied_key: str
    ) -> None:
        with Upstream() as gone:
            pass
        proxy.target = gone.port
        assert ask(proxied, proxied_key, QUESTION).status == 502
