"""The test upstream itself: what it notes, what it answers, and each of its faults on the wire."""

import gzip
import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from .answers import (
    Answer,
    Close,
    Comment,
    Event,
    Hold,
    Html,
    Json,
    Named,
    Place,
    Raw,
    Reset,
    Sse,
    Wait,
    failure,
    redirect,
)
from .bodies import chunks, completion, error
from .received import Received
from .recordings import Recording, load
from .server import Upstream

PATH = "/v1/chat/completions"
EVENTS = ["one", "two", "three"]
LINES = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n", b"data: [DONE]\n\n"]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return load()


# --- what it notes


def test_it_notes_what_it_was_asked(upstream: Upstream) -> None:
    headers = {"Authorization": "Bearer sk-1", "X-Twice": "a"}
    post(upstream, {"model": "m", "n": 2}, "/v1/chat?a=1&b=2", headers)
    [received] = upstream.requests
    assert (received.method, received.path, received.query) == ("POST", "/v1/chat", "a=1&b=2")
    assert ("X-Twice", "a") in received.header_pairs
    assert received.headers["authorization"] == "Bearer sk-1"
    assert received.body == b'{"model": "m", "n": 2}'
    assert received.json == {"model": "m", "n": 2}
    assert received.model == "m"
    assert received.connection == 1


def test_it_notes_a_body_that_is_no_json(upstream: Upstream) -> None:
    ask(upstream, request(b"\xff{"))
    assert upstream.requests[0].body == b"\xff{"
    assert upstream.requests[0].json is None
    assert upstream.requests[0].model is None


def test_it_joins_repeated_headers(upstream: Upstream) -> None:
    ask(upstream, request(b"", "X-Twice: a", "x-twice: b"))
    assert upstream.requests[0].headers["x-twice"] == "a, b"


def test_it_reads_a_chunked_body(upstream: Upstream) -> None:
    head = (
        b"POST /v1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    ask(upstream, head + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\ntrailer: t\r\n\r\n")
    assert upstream.requests[0].body == b"abc0123456789"


def test_it_bids_a_body_that_waits_for_it(upstream: Upstream) -> None:
    head, body = request(b"late", "expect: 100-continue").split(b"\r\n\r\n")
    with connect(upstream) as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert read(sock, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        drain(sock)
    assert upstream.requests[0].body == b"late"


def test_a_connection_lives_on_until_the_peer_wants_no_more(upstream: Upstream) -> None:
    upstream.always(Json({}))
    client = http.client.HTTPConnection("127.0.0.1", upstream.port)
    for _ in range(2):
        client.request("POST", PATH, b"{}")
        client.getresponse().read()
    client.close()
    answer = ask(upstream, request())
    assert b"connection: close\r\n" in answer
    assert [received.connection for received in upstream.requests] == [1, 1, 2]
    assert upstream.connections == 2


def test_a_peer_of_http_1_0_gets_one_answer(upstream: Upstream) -> None:
    assert ask(upstream, b"GET /models HTTP/1.0\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 404 ")


def test_it_waits_for_requests(upstream: Upstream) -> None:
    with pytest.raises(TimeoutError, match="0 of 1"):
        upstream.wait(timeout=0)
    ask(upstream, request())
    assert len(upstream.wait()) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nfolded\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
    ],
)
def test_a_request_that_is_no_http_is_raised_at_the_end(sent: bytes) -> None:
    with pytest.raises(ValueError), Upstream() as upstream:
        assert ask(upstream, sent) in (b"", b"reset")
    assert not upstream.requests


def test_a_peer_may_leave_in_the_middle_of_a_request(upstream: Upstream) -> None:
    for sent in (b"POST", request(b"whole")[:-1]):
        with connect(upstream) as sock:
            sock.sendall(sent)
    upstream.always(Json({}))
    assert post(upstream, {}).status == 200
    assert len(upstream.requests) == 1


# --- what it answers


def test_a_script_is_chosen_by_path_model_or_predicate(upstream: Upstream) -> None:
    upstream.script("/v1/embeddings", Json("path"))
    upstream.script("gpt", Json("model"))
    upstream.script(lambda received: "k" in received.keys, Json("predicate"))
    assert post(upstream, {"model": "x"}, "/v1/embeddings").json() == "path"
    assert post(upstream, {"model": "gpt"}).json() == "model"
    assert post(upstream, {}, headers={"api-key": "k"}).json() == "predicate"
    assert post(upstream, {"model": "other"}).status == 404


def test_the_last_rule_comes_first_and_clear_forgets_them_all(upstream: Upstream) -> None:
    upstream.always(Json("old"))
    upstream.always(Json("new"))
    assert post(upstream, {}).json() == "new"
    upstream.clear()
    assert not upstream.requests
    assert post(upstream, {}).status == 404


def test_a_list_is_used_up_and_its_last_answer_stays(upstream: Upstream) -> None:
    upstream.always([failure(500), failure(503), Json({})])
    assert [post(upstream, {}).status for _ in range(4)] == [500, 503, 200, 200]


def test_a_script_may_be_a_function_of_the_request(upstream: Upstream) -> None:
    upstream.always(lambda received: Json(received.json["n"] + 1))
    assert post(upstream, {"n": 1}).json() == 2


def test_a_script_that_fails_is_raised_at_the_end() -> None:
    with pytest.raises(KeyError, match="absent"), Upstream() as upstream:
        upstream.always(lambda received: Json(received.json["absent"]))
        assert post(upstream, {}).status == 500


def test_it_lists_models(upstream: Upstream) -> None:
    upstream.models(["a", "b"])
    client = http.client.HTTPConnection("127.0.0.1", upstream.port)
    client.request("GET", "/v1/models")
    listed = json.load(client.getresponse())
    client.close()
    assert [(model["id"], model["object"]) for model in listed["data"]] == [
        ("a", "model"),
        ("b", "model"),
    ]


def test_what_nobody_scripted_is_an_error_in_openais_shape(upstream: Upstream) -> None:
    answer = post(upstream, {"model": "rec-000000000000"})
    assert answer.status == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_every_recording_has_its_own_id(recordings: list[Recording]) -> None:
    assert len(recordings) == 198
    assert len({recording.id for recording in recordings}) == 198
    assert sum(recording.stream for recording in recordings) == 22


def test_every_recording_is_answered_by_its_model_name(
    upstream: Upstream, recordings: list[Recording]
) -> None:
    for recording in recordings:
        for prefix in ("", "x/"):
            answer = post(upstream, {"model": f"{prefix}rec-{recording.id}"})
            assert answer.status == recording.status
            assert answer.body == recording.body()
            assert [answer.headers["content-type"]] == recording.headers["content-type"]


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer sk-r"}, {"api-key": "sk-r"}, {"x-api-key": "sk-r"}]
)
def test_every_recording_is_answered_by_key(
    upstream: Upstream, recordings: list[Recording], headers: dict[str, str]
) -> None:
    for recording in recordings:
        upstream.replay(recording, api_key="sk-r")
        assert post(upstream, recording.request, headers=headers).body == recording.body()
    assert [received.json for received in upstream.requests] == [
        recording.request for recording in recordings
    ]


@pytest.mark.parametrize("chop", ["whole", "events", "characters", "bytes", "random"])
def test_a_recording_stays_the_same_however_it_is_chopped(
    upstream: Upstream, recordings: list[Recording], chop: str
) -> None:
    for recording in sorted(recordings, key=lambda each: len(each.body()))[:20:2]:
        upstream.replay(recording, api_key="k", chop=chop, framing="chunked")
        answer = post(upstream, {}, headers={"api-key": "k"})
        assert answer.body == recording.body()


def test_a_completion_is_valid_in_openais_eyes() -> None:
    calls = [("f", {"a": 1}), ("g", {})]
    for body in (completion(), completion(None, tool_calls=calls), completion(usage=False)):
        ChatCompletion.model_validate(body, strict=True)
    assert completion(None, tool_calls=calls)["choices"][0]["finish_reason"] == "tool_calls"
    assert completion(service_tier="default")["service_tier"] == "default"
    assert "usage" not in completion(usage=False)


def test_chunks_are_valid_in_openais_eyes_and_add_up() -> None:
    stream = chunks(["He", "llo"], usage=True, tool_calls=[("f", {"a": 1}), ("g", {})])
    seen = [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in stream]
    deltas = [choice.delta for chunk in seen for choice in chunk.choices]
    parts = [part for delta in deltas for part in delta.tool_calls or []]
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    assert [(part.index, part.id) for part in parts if part.id] == [(0, "call_0"), (1, "call_1")]
    assert [arguments(stream, index) for index in (0, 1)] == [{"a": 1}, {}]
    assert seen[-2].choices[0].finish_reason == "tool_calls"
    assert not seen[-1].choices and seen[-1].usage
    assert all(chunk["usage"] is None for chunk in stream[:-1])
    assert all("usage" not in chunk for chunk in chunks())


# --- how it is sent


def test_an_event_is_json_text_a_comment_a_named_event_or_bytes(upstream: Upstream) -> None:
    events: list[Event] = [{"a": "ü"}, "x\ny", Comment("wait"), Named("ping", {}), b"as it is"]
    upstream.always(Sse(events, done=False))
    answer = post(upstream, {})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body.decode() == (
        'data: {"a":"ü"}\n\ndata: x\ndata: y\n\n: wait\n\nevent: ping\ndata: {}\n\nas it is'
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_end_as_wanted(upstream: Upstream, newline: Any) -> None:
    upstream.always(Sse([Comment("c"), "x"], newline=newline))
    expected = ": c||data: x||data: [DONE]||".replace("|", newline)
    assert post(upstream, {}).body == expected.encode()


@pytest.mark.parametrize(
    "answer, body",
    [
        (Sse(["x"], done=False), b"data: x\n\n"),
        (Sse(["x"], bom=True), b"\xef\xbb\xbfdata: x\n\ndata: [DONE]\n\n"),
        (Sse(["x"], space=False), b"data:x\n\ndata:[DONE]\n\n"),
        (Sse(["x"], last_blank_line=False), b"data: x\n\ndata: [DONE]\n"),
        (Sse(["x"], last_blank_line=False, newline="\r\n", done=False), b"data: x\r\n"),
        (Sse([], done=False), b""),
        (Json({}, blank_lines=3), b"\n\n\n{}"),
        (Json(b""), b""),
        (Json(b"\x00garbage"), b"\x00garbage"),
        (
            Json(error("no")),
            b'{"error":{"message":"no","type":"api_error","param":null,"code":null}}',
        ),
        (Html("<h1>no</h1>"), b"<h1>no</h1>"),
        (Sse(EVENTS, truncate=2), b"".join(LINES[:2])),
        (Sse(EVENTS, truncate=1.5), LINES[0] + LINES[1][:5]),
        (Json({}, http="1.0"), b"{}"),
        (Json({}, framing="chunked"), b"{}"),
        (Json({}, framing="close"), b"{}"),
        (Sse(EVENTS, framing="length"), b"".join(LINES)),
        (Sse(EVENTS, interim=[100, 100]), b"".join(LINES)),
        (Sse(EVENTS, head_delay=0.01, body_delay=0.01, pause=0.01), b"".join(LINES)),
    ],
)
def test_a_body_that_http_finds_whole(upstream: Upstream, answer: Answer, body: bytes) -> None:
    upstream.always(answer)
    got = post(upstream, {})
    assert (got.status, got.body) == (200, body)
    assert upstream.requests[0].answered.wait(10)


@pytest.mark.parametrize(
    "answer, status, headers",
    [
        (failure(429, retry_after=7), 429, {"retry-after": "7"}),
        (failure(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 503, {}),
        (failure(401), 401, {"content-type": "application/json"}),
        (failure(500), 500, {}),
        (failure(529), 529, {}),
        (failure(429, headers={"x-a": "b"}, retry_after=1), 429, {"x-a": "b", "retry-after": "1"}),
        (redirect("http://127.0.0.1:1/"), 302, {"location": "http://127.0.0.1:1/"}),
        (Json({}, headers={"Content-Type": "text/x"}), 200, {"content-type": "text/x"}),
    ],
)
def test_status_and_headers(
    upstream: Upstream, answer: Answer, status: int, headers: dict[str, str]
) -> None:
    upstream.always(answer)
    got = post(upstream, {})
    assert got.status == status
    assert headers.items() <= got.headers.items()


def test_an_interim_answer_comes_first(upstream: Upstream) -> None:
    upstream.always(Json({}, interim=[103]))
    assert ask(upstream, request()).startswith(
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"
    )


def test_an_answer_of_http_1_0_ends_with_the_connection(upstream: Upstream) -> None:
    upstream.always(Sse(["x"], http="1.0"))
    head, body = ask(upstream, request(close=False)).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"content-length" not in head and b"transfer-encoding" not in head
    assert body == b"data: x\n\ndata: [DONE]\n\n"


def test_a_compressed_stream_can_be_read_event_by_event(upstream: Upstream) -> None:
    upstream.always(Sse(EVENTS, gzip=True))
    answer = post(upstream, {})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == b"".join(LINES)
    assert len(pieces(ask(upstream, request()))) == 4


@pytest.mark.parametrize(
    "chop, expected",
    [
        ("whole", [b"data: a\xc3\xbcb\n\ndata: [DONE]\n\n"]),
        ("events", [b"data: a\xc3\xbcb\n\n", b"data: [DONE]\n\n"]),
        ("characters", [b"data: a\xc3", b"\xbcb\n\ndata: [DONE]\n\n"]),
        ("bytes", [bytes([byte]) for byte in b"data: a\xc3\xbcb\n\ndata: [DONE]\n\n"]),
    ],
)
def test_a_body_is_cut_as_wanted(upstream: Upstream, chop: Any, expected: list[bytes]) -> None:
    upstream.always(Sse(["aüb"], chop=chop))
    assert pieces(ask(upstream, request())) == expected


def test_a_random_cut_is_the_same_each_time_and_another_with_another_seed(
    upstream: Upstream,
) -> None:
    text = "x" * 1000
    upstream.always([Sse([text], chop="random", seed=seed) for seed in (1, 1, 2)])
    first, again, other = (pieces(ask(upstream, request())) for _ in range(3))
    assert first == again != other
    assert b"".join(first) == b"".join(other)


def test_each_piece_waits_for_its_turn() -> None:
    answer = Json({}, blank_lines=1, head_delay=1, body_delay=2, pause=3)
    waits = [step.seconds for step in answer.steps(last=False) if isinstance(step, Wait)]
    assert waits == [1, 2, 3]


def test_a_line_of_a_megabyte_is_one_event(upstream: Upstream) -> None:
    upstream.always(Sse(chunks(["x" * 1_000_000])))
    assert max(map(len, post(upstream, {}).body.split(b"\n"))) > 1_000_000


def test_many_streams_at_once_are_all_whole(upstream: Upstream) -> None:
    upstream.always(Sse([str(number) for number in range(20)], pause=0.001, hang=0))
    answers: list[bytes] = []
    clients = [
        threading.Thread(target=lambda: answers.append(post(upstream, {}).body)) for _ in range(100)
    ]
    for client in clients:
        client.start()
    upstream.wait(100)
    upstream.release()
    for client in clients:
        client.join()
    assert len(answers) == 100 and len(set(answers)) == 1
    assert upstream.connections == 100


# --- how it fails


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "place, body",
    [
        (0, b""),
        (2, b"".join(LINES[:2])),
        (1.5, LINES[0] + LINES[1][:5]),
        (4, b"".join(LINES)),
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_answer_breaks_off(
    upstream: Upstream, how: str, place: float, body: bytes, framing: Any
) -> None:
    upstream.always(Sse(EVENTS, framing=framing).but(**{how: place}))
    got = ask(upstream, request(close=False))
    assert got.endswith(b"reset") == (how == "reset")
    sent = got.removesuffix(b"reset").split(b"\r\n\r\n", 1)[1]
    assert (b"".join(pieces(got)) if framing == "chunked" else sent) == body
    assert not sent.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("how, ending", [("close", b""), ("reset", b"reset")])
def test_an_answer_breaks_off_around_its_head(upstream: Upstream, how: str, ending: bytes) -> None:
    places = ("before-head", "mid-head")
    upstream.always([Json({}).but(**{how: place}) for place in places])
    assert ask(upstream, request()) == ending
    half = ask(upstream, request())
    assert half.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\n" not in half
    assert half.endswith(ending)


def test_the_terminating_chunk_can_be_missing(upstream: Upstream) -> None:
    upstream.always(Sse(EVENTS, close="before-end"))
    got = ask(upstream, request(close=False))
    assert pieces(got) == LINES
    with pytest.raises(http.client.IncompleteRead):
        post(upstream, {})


def test_a_body_can_be_shorter_than_its_length(upstream: Upstream) -> None:
    upstream.always(Json({}, length_error=10))
    with pytest.raises(http.client.IncompleteRead):
        post(upstream, {})


def test_a_body_can_be_longer_than_its_length(upstream: Upstream) -> None:
    upstream.always(Json(b"0123456789", length_error=-4))
    got = ask(upstream, request())
    assert b"content-length: 6\r\n" in got
    assert got.endswith(b"\r\n\r\n0123456789")


def test_garbage_instead_of_http(upstream: Upstream) -> None:
    upstream.always([Raw(b"\x16\x03\x01 no http"), Raw(b"SSH-2.0\r\n", reset="before-end")])
    assert ask(upstream, request(close=False)) == b"\x16\x03\x01 no http"
    assert ask(upstream, request(close=False)) == b"SSH-2.0\r\nreset"


def test_a_connection_goes_stale(upstream: Upstream) -> None:
    upstream.always(Json({}, stale=True))
    got = ask(upstream, request(close=False))
    assert got.endswith(b"{}") and b"connection: close" not in got


def test_a_connection_ends_as_announced(upstream: Upstream) -> None:
    upstream.always(Json({}, headers={"Connection": "close"}))
    assert b"connection: close\r\n" in ask(upstream, request(close=False))


def test_a_place_that_the_body_does_not_have_is_raised_at_the_end() -> None:
    with pytest.raises(ValueError, match="no place 9"), Upstream() as upstream:
        upstream.always(Sse(EVENTS, reset=9))
        ask(upstream, request())


def test_breaks_come_in_the_order_of_their_places() -> None:
    answer = Json(b"abcd", hang=("before-head", 0.5), reset=1, framing="close")
    kinds = [step for step in answer.steps(last=True) if not isinstance(step, Wait)]
    head = kinds[1], kinds[2]
    assert kinds == [Hold(), *head, b"ab", Hold(), b"cd", Reset(), b"", Close()]


# --- hanging, and being hung up on


@pytest.mark.parametrize("place", ["before-head", "mid-head", 0, 1, 1.5, "before-end"])
def test_it_notices_that_the_peer_hangs_up(upstream: Upstream, place: Place) -> None:
    upstream.always(Sse(EVENTS, hang=place))
    with connect(upstream) as sock:
        sock.sendall(request())
        [received] = upstream.wait()
        assert not received.hung_up.is_set()
    assert received.hung_up.wait(10)
    assert received.hung_up_at is not None and received.hung_up_at >= received.at
    assert not received.answered.is_set()


@pytest.mark.parametrize(
    "answer",
    [
        Json({}, head_delay=60),
        Json({}, body_delay=60),
        Sse(EVENTS, pause=60),
        Json("x" * 50_000_000),
        Sse(["x" * 1000] * 50_000),
    ],
    ids=["before the head", "before the body", "between events", "in a body", "in a stream"],
)
@pytest.mark.parametrize("linger", [None, 0])
def test_it_notices_a_peer_that_leaves_at_any_time(
    upstream: Upstream, answer: Answer, linger: int | None
) -> None:
    upstream.always(answer)
    with connect(upstream) as sock:
        sock.sendall(request())
        [received] = upstream.wait()
        if linger is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))
    assert received.hung_up.wait(10)


def test_a_pipelined_request_is_no_hang_up(upstream: Upstream) -> None:
    upstream.always([Json("first", hang="before-head"), Json("second")])
    with connect(upstream) as sock:
        sock.sendall(request(close=False) + request())
        upstream.wait()[0].release()
        answer = drain(sock)
    assert answer.index(b"first") < answer.index(b"second")
    assert not any(received.hung_up.is_set() for received in upstream.requests)


def test_a_peer_that_has_the_whole_answer_may_go(upstream: Upstream) -> None:
    upstream.always([Sse(EVENTS), Json({}), redirect("/")] * 30)
    for _ in range(90):
        post(upstream, {})
    for received in upstream.wait(90):
        assert received.answered.wait(10)
        assert not received.hung_up.is_set()


def test_a_release_lets_every_answer_pass_one_hang(upstream: Upstream) -> None:
    upstream.always(Sse(EVENTS, hang=[1, 2], chop="events"))
    with connect(upstream) as sock:
        sock.sendall(request())
        head = read_to(sock, b"\r\n\r\n")
        assert b"chunked" in head
        for line in LINES[:2]:
            assert read_to(sock, line).endswith(line)
            upstream.release()
        assert drain(sock).endswith(b"0\r\n\r\n")


def test_a_release_that_comes_first_is_not_lost(upstream: Upstream) -> None:
    def release_first(received: Received) -> Answer:
        received.release()
        return Json({}, hang="before-head")

    upstream.always(release_first)
    assert post(upstream, {}).json() == {}


def test_a_release_after_the_answer_does_nothing(upstream: Upstream) -> None:
    upstream.always(Json({}))
    post(upstream, {})
    assert upstream.requests[0].answered.wait(10)
    upstream.release()


def test_the_end_ends_everything() -> None:
    before = set(threading.enumerate())
    with Upstream() as upstream:
        upstream.script("hang", Json({}, hang="before-head"))
        upstream.script("stuck", Json("x" * 50_000_000))
        upstream.script("idle", Json({}, hang="before-end"))
        socks = [connect(upstream) for _ in range(4)]
        for sock, model in zip(socks, ["hang", "stuck", "idle"], strict=False):
            sock.sendall(request(b'{"model": "%b"}' % model.encode()))
        received = upstream.wait(3)
    begun = set(threading.enumerate()) - before
    assert not [each for each in begun if each.name.startswith("upstream")]
    assert not any(each.hung_up.is_set() for each in received)
    for sock in socks:
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        connect(upstream)


def test_it_can_come_back_at_the_same_address() -> None:
    with Upstream() as first:
        post(first, {})
    with Upstream(first.port) as second:
        assert second.base_url == first.base_url
        assert post(second, {}).status == 404


def test_an_error_in_the_test_is_not_hidden_by_one_of_the_upstream() -> None:
    with pytest.raises(ZeroDivisionError), Upstream() as upstream:
        upstream.always(lambda received: Json(received.json["absent"]))
        post(upstream, {})
        raise ZeroDivisionError


# --- the clients of these tests


class Got:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        self.json: Callable[[], Any] = lambda: json.loads(self.body)


def post(
    upstream: Upstream, body: Any, path: str = PATH, headers: dict[str, str] | None = None
) -> Got:
    client = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    try:
        client.request("POST", path, json.dumps(body), headers or {})
        return Got(client.getresponse())
    finally:
        client.close()


def ask(upstream: Upstream, sent: bytes) -> bytes:
    """Everything until the upstream closes; `reset` behind it where that was no ordinary close."""
    with connect(upstream) as sock:
        sock.sendall(sent)
        return drain(sock)


def request(body: bytes = b"{}", *headers: str, close: bool = True) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, *["connection: close"] * close, "", ""]).encode() + body


def connect(upstream: Upstream) -> socket.socket:
    return socket.create_connection(("127.0.0.1", upstream.port), timeout=10)


def drain(sock: socket.socket) -> bytes:
    got = b""
    try:
        while data := sock.recv(65536):
            got += data
    except ConnectionResetError:
        got += b"reset"
    return got


def read(sock: socket.socket, length: int) -> bytes:
    return sock.recv(length, socket.MSG_WAITALL)


def read_to(sock: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        byte = sock.recv(1)
        assert byte, f"the stream ended with {got!r}"
        got += byte
    return got


def pieces(answer: bytes) -> list[bytes]:
    """The chunks of a chunked answer, as far as they go."""
    rest = answer.removesuffix(b"reset").split(b"\r\n\r\n", 1)[1]
    found = []
    while rest:
        size, rest = rest.split(b"\r\n", 1)
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return [piece for piece in found if piece]


def arguments(stream: list[dict[str, Any]], index: int) -> Any:
    deltas = [choice["delta"] for chunk in stream for choice in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    return json.loads(
        "".join(call["function"]["arguments"] for call in calls if call["index"] == index)
    )
