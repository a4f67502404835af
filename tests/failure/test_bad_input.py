"""What bad input gets: an error that names the fault, and a gateway that goes on."""

import json
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import CHAT, QUESTION, STREAMED, Caller, chunk, request
from tests.running import Answered, Running
from tests.upstream import Json, Upstream, completion

MB = 1 << 20
LAST_CHUNK = b"0\r\n\r\n"
HELLO = {"role": "user", "content": "Hello"}
SECURITY_HEADERS = {
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "content-security-policy",
}


@pytest.fixture(autouse=True)
def answering(upstream: Upstream) -> None:
    upstream.always(Json(completion()))


def error_of(answer: Answered) -> Mapping[str, Any]:
    """The error of an answer that is as an error should be."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert SECURITY_HEADERS <= answer.headers.keys()
    error = answer.error
    assert error.keys() >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["param"], str | None) and isinstance(error["code"], str | None)
    return error


def assert_refused(
    answer: Answered,
    status: int,
    code: str,
    param: str | None = None,
    type: str = "invalid_request_error",
) -> None:
    error = error_of(answer)
    found = (answer.status, error["type"], error["code"], error["param"])
    assert found == (status, type, code, param)


def question(**fields: Any) -> dict[str, Any]:
    return {**QUESTION, **fields}


def said(content: Any) -> dict[str, Any]:
    """A question whose third message has this content."""
    return question(messages=[HELLO, HELLO, {"role": "user", "content": content}])


NO_QUESTIONS = {
    "nothing": b"",
    "blanks": b" \n",
    "not JSON": b"Hello",
    "half of it": b'{"model": "m", "messages": [',
    "two objects": b"{}{}",
    "an array": b"[]",
    "a string": b'"Hello"',
    "null": b"null",
    "a number": b"1",
    "not UTF-8": b'{"messages": "\xff\xfe"}',
    "UTF-16": json.dumps(QUESTION).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(QUESTION).encode(),
    "arrays 100,000 deep": b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a lone surrogate": b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "1e400": b'{"model": "m", "temperature": 1e400, "messages": [{"role": "user"}]}',
    "NaN": b'{"model": "m", "temperature": NaN, "messages": [{"role": "user"}]}',
    "a comma too many": b'{"model": "m",}',
    "NUL": b"\0",
}

WRONG_FIELDS: dict[str, list[Any]] = {
    "messages": [None, [], {}, "Hello", 1, True],
    "messages[0]": [["Hello"], [None], [[HELLO]], [1]],
    "messages[1]": [[HELLO, "Hello"]],
    "messages[0].role": [[{}], [{"content": "Hello"}], [{"role": 1}], [{"role": None}]],
    "messages[0].content": [
        [{"role": "user", "content": 1}],
        [{"role": "user", "content": True}],
        [{"role": "user", "content": {}}],
    ],
    "model": [1, [], {}, True],
    "stream": ["true", 1, 0, [], {}],
    "stream_options": [True, "x", []],
    "n": ["1", 0, -1, 1.5, True, []],
    "max_tokens": ["1", 0, 1.5, True],
    "max_completion_tokens": ["1", 0, -5, {}],
    "temperature": ["1", True, []],
    "top_p": ["1", {}],
    "frequency_penalty": ["1"],
    "presence_penalty": [[]],
    "seed": ["1", 1.5],
    "logprobs": [1, "true"],
    "top_logprobs": ["5", 1.5, True],
    "logit_bias": [[], 1],
    "stop": [1, {}, ["x", 1], True],
    "tools": [{}, ["x"], "x", [[]]],
    "tool_choice": [1, [], True],
    "parallel_tool_calls": ["no", 0],
    "response_format": ["json_object", [], 1],
    "user": [1, {}],
    "metadata": ["x", []],
}


class TestABodyThatIsNoQuestion:
    @pytest.mark.parametrize("body", NO_QUESTIONS.values(), ids=NO_QUESTIONS.keys())
    def test_is_refused_and_the_connection_goes_on(
        self, gateway: Running, upstream: Upstream, key: str, body: bytes
    ) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, body))
            assert_refused(caller.answer(), 400, "invalid_json")
            assert not upstream.requests
            caller.send(request(key))
            assert caller.answer().status == 200

    def test_may_have_no_length_at_all(self, gateway: Running, key: str) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, None))
            assert_refused(caller.answer(), 400, "invalid_json")
            caller.send(request(key))
            assert caller.answer().status == 200

    def test_may_not_be_compressed(self, gateway: Running, key: str) -> None:
        answer = gateway.chat(key, b"\x1f\x8b", content_encoding="gzip")
        assert_refused(answer, 400, "invalid_value", "content-encoding")


class TestAFieldOfTheWrongType:
    @pytest.mark.parametrize(
        ("param", "value"),
        [(param, value) for param, values in WRONG_FIELDS.items() for value in values],
    )
    def test_is_named(self, gateway: Running, key: str, param: str, value: Any) -> None:
        name = param.partition("[")[0]
        missing = name == "messages" and value is None
        answer = gateway.chat(key, question(**{name: value}))
        code = "missing_required_parameter" if missing else "invalid_value"
        assert_refused(answer, 400, code, param)
        assert f"`{param}`" in answer.error["message"]

    @pytest.mark.parametrize("content", [["Hello"], [1], [None], [[]]])
    def test_is_named_with_its_place(self, gateway: Running, key: str, content: Any) -> None:
        answer = gateway.chat(key, said(content))
        assert_refused(answer, 400, "invalid_value", "messages[2].content[0]")

    def test_is_named_behind_parts_that_are_right(self, gateway: Running, key: str) -> None:
        answer = gateway.chat(key, said([{"type": "text", "text": "Hello"}, "Hello"]))
        assert_refused(answer, 400, "invalid_value", "messages[2].content[1]")

    def test_is_refused_as_a_plain_answer_when_a_stream_was_asked_for(
        self, gateway: Running, key: str
    ) -> None:
        answer = gateway.chat(key, {**STREAMED, "temperature": "hot"})
        assert_refused(answer, 400, "invalid_value", "temperature")

    def test_never_reaches_upstream(self, gateway: Running, upstream: Upstream, key: str) -> None:
        gateway.chat(key, question(stream="yes"))
        assert not upstream.requests

    def test_messages_may_not_be_missing(self, gateway: Running, key: str) -> None:
        answer = gateway.chat(key, {"model": "m"})
        assert_refused(answer, 400, "missing_required_parameter", "messages")

    def test_a_model_may_be_missing_only_with_a_default(self, gateway: Running, key: str) -> None:
        answer = gateway.chat(key, {"messages": [HELLO]})
        assert_refused(answer, 400, "missing_required_parameter", "model")

    def test_null_is_as_good_as_nothing(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        unset = {name: None for name in WRONG_FIELDS if name.isidentifier()}
        answer = gateway.chat(key, {**unset, **QUESTION})
        assert answer.status == 200
        assert upstream.wait()[0].json == {**unset, **QUESTION}

    def test_fields_that_nobody_knows_pass(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        asked = question(top_k=40, thinking={"type": "enabled"}, whatever=[None, {"a": 1}])
        assert gateway.chat(key, asked).status == 200
        assert upstream.wait()[0].json == asked


class TestAKey:
    def test_is_required(self, gateway: Running) -> None:
        answer = gateway.chat(None, QUESTION)
        assert_refused(answer, 401, "invalid_api_key", type="authentication_error")

    @pytest.mark.parametrize(
        "value",
        ["Bearer gm_unknown", "Bearer ", "Bearer", "Basic Z206eA==", "gm_unknown", "Bearer é"],
    )
    def test_must_be_known(self, gateway: Running, value: str) -> None:
        with Caller(gateway) as caller:
            caller.send(request(None, headers={"Authorization": value}))
            assert_refused(caller.answer(), 401, "invalid_api_key", type="authentication_error")
            caller.send(request(None))
            assert caller.answer().status == 401

    @pytest.mark.parametrize("name", ["Authorization", "x-api-key", "api-key", "x-goog-api-key"])
    def test_may_come_in_the_header_of_any_sdk(self, gateway: Running, key: str, name: str) -> None:
        value = f"Bearer {key}" if name == "Authorization" else key
        with Caller(gateway) as caller:
            caller.send(request(None, headers={name: value}))
            assert caller.answer().status == 200

    def test_may_come_twice(self, gateway: Running, key: str) -> None:
        assert gateway.chat(key, QUESTION, x_api_key=key, api_key=key).status == 200

    @pytest.mark.parametrize("name", ["x-api-key", "api-key", "x-goog-api-key"])
    def test_may_not_differ_from_another(self, gateway: Running, key: str, name: str) -> None:
        other = gateway.client()
        with Caller(gateway) as caller:
            caller.send(request(key, headers={name: other}))
            answer = caller.answer()
        assert_refused(answer, 401, "invalid_api_key", type="authentication_error")
        assert "two different" in answer.error["message"]

    def test_in_the_query_is_none(self, gateway: Running, key: str) -> None:
        answer = gateway.call("POST", f"{CHAT}?key={key}", json.dumps(QUESTION).encode())
        assert_refused(answer, 401, "invalid_api_key", type="authentication_error")

    def test_of_a_disabled_client_is_refused(self, gateway: Running) -> None:
        disabled = gateway.client(is_active=False)
        answer = gateway.chat(disabled, QUESTION)
        assert_refused(answer, 403, "client_disabled", type="permission_error")

    def test_of_an_expired_client_is_refused(self, gateway: Running) -> None:
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        answer = gateway.chat(gateway.client(expires_at=yesterday), QUESTION)
        assert_refused(answer, 403, "client_expired", type="permission_error")

    def test_is_asked_for_before_the_body_is_read(self, gateway: Running) -> None:
        assert gateway.chat("gm_unknown", b"no JSON").status == 401


def test_a_model_that_the_client_may_not_use_is_not_found(
    gateway: Running, upstream: Upstream
) -> None:
    key = gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        allowed_models=["mine"],
    )
    answer = gateway.chat(key, question(model="yours"))
    assert_refused(answer, 404, "model_not_found", "model")
    assert "`yours`" in answer.error["message"]
    assert not upstream.requests
    assert gateway.chat(key, question(model="mine")).status == 200


class TestAWrongAddress:
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    @pytest.mark.parametrize("path", [CHAT, "/chat/completions"])
    def test_or_rather_method_is_told_the_right_one(
        self, gateway: Running, method: str, path: str
    ) -> None:
        answer = gateway.call(method, path)
        assert_refused(answer, 405, "method_not_allowed")
        assert {"POST"} <= set(answer.headers["allow"].split(", ")) <= {"OPTIONS", "POST"}

    def test_or_rather_method_of_a_list_is_told_the_right_one(self, gateway: Running) -> None:
        answer = gateway.call("POST", "/v1/models", b"{}")
        assert_refused(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["allow"].split(", ")

    @pytest.mark.parametrize(
        "path", ["/v1/chat/completion", "/v1", "/v2/chat/completions", "/%00", "/v1/chat//x"]
    )
    def test_is_not_found(self, gateway: Running, key: str, path: str) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, path=path))
            assert_refused(caller.answer(), 404, "not_found")
            caller.send(request(key))
            assert caller.answer().status == 200

    def test_gets_its_body_read(self, gateway: Running, key: str) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, b"x" * (20 * MB), path="/v1/nothing"))
            assert_refused(caller.answer(), 404, "not_found")
            caller.send(request(key))
            assert caller.answer().status == 200


def peak_growth(gateway: Running, upload: Any) -> int:
    """By how many bytes the worker's memory grew at most while `upload` ran."""
    (pid,) = gateway.worker_pids()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before = _memory(pid, "VmRSS")
    upload()
    return _memory(pid, "VmHWM") - before


def _memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024


def chunked(key: str | None, size: int) -> bytes:
    head = request(key, None, headers={"Transfer-Encoding": "chunked"})
    blocks, rest = divmod(size, 65536)
    return head + chunk(b"x" * 65536) * blocks + (chunk(b"x" * rest) if rest else b"") + LAST_CHUNK


class TestABodyThatIsTooLarge:
    @pytest.mark.parametrize("size", [10 * MB + 1, 11 * MB, 20 * MB])
    @pytest.mark.parametrize("framing", ["counted", "chunked"])
    def test_is_refused_where_the_client_reads_it(
        self, gateway: Running, upstream: Upstream, key: str, size: int, framing: str
    ) -> None:
        whole = chunked(key, size) if framing == "chunked" else request(key, b"x" * size)
        with Caller(gateway) as caller:
            caller.send(whole)
            answer = caller.answer()
            assert_refused(answer, 413, "request_too_large")
            assert "10 MB" in answer.error["message"]
            caller.send(request(key))
            assert caller.answer().status == 200
        assert len(upstream.requests) == 1

    def test_may_be_just_as_large_as_allowed(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        body = json.dumps(QUESTION).encode().ljust(10 * MB)
        assert gateway.chat(key, body).status == 200
        assert upstream.wait()[0].body == body

    def test_is_refused_even_without_a_key(self, gateway: Running) -> None:
        with Caller(gateway) as caller:
            caller.send(request(None, b"x" * (20 * MB)))
            assert caller.answer().status == 401

    @pytest.mark.parametrize("framing", ["counted", "chunked"])
    def test_is_not_drained_for_ever(self, gateway: Running, key: str, framing: str) -> None:
        """The answer is there when the client gives up writing; the connection is at its end."""
        size = 100 * MB
        whole = chunked(key, size) if framing == "chunked" else request(key, b"x" * size)
        with Caller(gateway) as caller:
            with suppress(ConnectionError):
                caller.send(whole)
            assert_refused(caller.answer(), 413, "request_too_large")
            assert caller.ended()
        assert gateway.chat(key, QUESTION).status == 200

    def test_is_never_held_in_memory(self, gateway: Running, key: str) -> None:
        def upload() -> None:
            with Caller(gateway) as caller:
                caller.send(request(key, b"x" * (60 * MB)))
                assert caller.answer().status == 413

        assert peak_growth(gateway, upload) < 8 * MB

    def test_is_held_up_to_the_limit_where_its_size_is_not_told(
        self, gateway: Running, key: str
    ) -> None:
        def upload() -> None:
            with Caller(gateway) as caller:
                caller.send(chunked(key, 70 * MB))
                assert caller.answer().status == 413

        assert peak_growth(gateway, upload) < 16 * MB

    def test_may_be_announced_and_never_come(self, gateway: Running, key: str) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, None, headers={"Content-Length": str(1 << 30)}))
            caller.send(b"{")
            assert gateway.chat(key, QUESTION).status == 200
            assert_refused(caller.answer(), 413, "request_too_large")
            assert caller.ended()

    def test_may_be_asked_about_first(self, gateway: Running, key: str) -> None:
        headers = {"Content-Length": str(20 * MB), "Expect": "100-continue"}
        with Caller(gateway) as caller:
            caller.send(request(key, None, headers=headers))
            caller.send(b"x" * (20 * MB))
            assert_refused(caller.answer(), 413, "request_too_large")
            assert caller.interim == [100]


class TestABodyThatBreaksOff:
    def test_short_of_its_length_is_refused(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        whole = request(key)
        with Caller(gateway) as caller:
            caller.send(whole[:-1])
            caller.half_close()
            assert_refused(caller.answer(), 400, "incomplete_body")
            assert caller.ended()
        assert not upstream.requests

    @pytest.mark.parametrize(
        "body",
        [
            b"zz\r\n{}\r\n0\r\n\r\n",
            b"-2\r\n{}\r\n0\r\n\r\n",
            b"\r\n\r\n",
            b"2;\x01\r\n{}\r\n0\r\n\r\n",
            b"2\r\n{}xx0\r\n\r\n",
            b"ffffffffffffffffffffffffffffffffffffffff",
            b"2" * 10_000,
            b"2\r\n{}\r\n0\r\nno header\r\n\r\n",
        ],
    )
    def test_its_framing_is_refused(
        self, gateway: Running, upstream: Upstream, key: str, body: bytes
    ) -> None:
        with Caller(gateway) as caller:
            caller.send(request(key, None, headers={"Transfer-Encoding": "chunked"}) + body)
            caller.half_close()
            assert_refused(caller.answer(), 400, "incomplete_body")
            assert caller.ended()
        assert not upstream.requests

    def test_before_its_last_chunk_is_refused(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        body = chunk(json.dumps(QUESTION).encode())
        with Caller(gateway) as caller:
            caller.send(request(key, None, headers={"Transfer-Encoding": "chunked"}) + body)
            caller.half_close()
            assert_refused(caller.answer(), 400, "incomplete_body")
        assert not upstream.requests

    def test_in_chunks_that_are_right_is_none(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        body = json.dumps(QUESTION).encode()
        framed = b"".join(chunk(body[at : at + 1]) for at in range(len(body))) + LAST_CHUNK
        with Caller(gateway) as caller:
            caller.send(request(key, None, headers={"Transfer-Encoding": "chunked"}) + framed)
            assert caller.answer().status == 200
        assert upstream.wait()[0].body == body

    def test_by_a_client_that_leaves_is_a_hang_up(self, gateway: Running, key: str) -> None:
        """Nobody hears the answer, so all that can be seen is that others are served."""
        with Caller(gateway) as caller:
            caller.send(request(key)[:-1])
        assert gateway.chat(key, QUESTION).status == 200

    def test_and_comes_slowly_is_waited_for(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        whole = request(key)
        head, last = whole[:-5], whole[-5:]
        with Caller(gateway) as caller:
            caller.send(head)
            for byte in last:
                assert gateway.chat(key, QUESTION).status == 200
                caller.send(bytes([byte]))
            assert caller.answer().status == 200
        assert len(upstream.requests) == 6


def test_a_client_that_stops_sending_is_let_go(tmp_path: Path, upstream: Upstream) -> None:
    with Running(tmp_path, {"server": {"client_timeout": 1}}) as gateway:
        key = gateway.client()
        with Caller(gateway) as caller:
            caller.send(request(key)[:-1])
            assert caller.answer().status == 499
            assert caller.ended()
        (row,) = gateway.rows(1)
        assert (row["status"], row["error_code"]) == (499, "client_hung_up")
        assert gateway.metric("ai_gateway_requests_in_progress") == 0


class TestBytesThatAreNoRequest:
    @pytest.mark.parametrize(
        "data",
        [
            b"Hello\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"GET / HTTP/1.1\r\nno header\r\n\r\n",
            b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n",
        ],
    )
    def test_get_the_connection_closed(self, gateway: Running, key: str, data: bytes) -> None:
        with Caller(gateway) as caller:
            caller.send(data)
            caller.half_close()
            status, headers = caller.head()
            assert 400 <= status < 500
            list(caller.blocks(headers))
            assert caller.ended()
        assert gateway.chat(key, QUESTION).status == 200

    @pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00", b"POST /v1/chat", b"\r\n"])
    def test_or_half_of_one_get_no_answer(self, gateway: Running, key: str, data: bytes) -> None:
        with Caller(gateway) as caller:
            caller.send(data)
            caller.half_close()
            assert caller.ended()
        assert gateway.chat(key, QUESTION).status == 200

    def test_or_nothing_at_all_does_no_harm(self, gateway: Running, key: str) -> None:
        for _ in range(20):
            Caller(gateway).close()
            Caller(gateway).reset()
        assert gateway.chat(key, QUESTION).status == 200


class TestSecrets:
    """What a caller shows must not be found in what the gateway prints and keeps."""

    @pytest.mark.parametrize(
        "line",
        [
            "GET /v1/models?key={} HTTP/1.1",
            "GET /nothing?key={} HTTP/1.1",
            "POST /v1/chat/completions?key={} HTTP/1.1",
            "GET /v1/models?key={} HTTP/9.9",
            "GET /v1/models?key={}",
            "GET /v1/models?key={} HTTP/1.1 more",
            "get /v1/models?key={} HTTP/1.1",
            "GET /v1/models?key={}\x01 HTTP/1.1",
        ],
    )
    def test_in_a_query_are_not_printed(self, gateway: Running, line: str) -> None:
        self.assert_not_printed(gateway, line + "\r\nHost: gateway")

    @pytest.mark.parametrize(
        "header",
        [
            "Authorization: Bearer {}",
            "x-api-key: {}",
            "Authorization: Bearer {}\x01",
            "Authorization : Bearer {}",
            "Authorization\x01: Bearer {}",
            "Authorization Bearer {}",
            "Content-Length: {}",
            "Cookie: gateway_session={}",
        ],
    )
    def test_in_a_header_are_not_printed(self, gateway: Running, header: str) -> None:
        self.assert_not_printed(gateway, f"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n{header}")

    def assert_not_printed(self, gateway: Running, head: str) -> None:
        secret = secrets.token_urlsafe(32)
        with Caller(gateway) as caller:
            caller.send(f"{head.format(secret)}\r\n\r\n".encode())
            caller.half_close()
            assert 400 <= caller.head()[0] < 600
        assert secret not in gateway.output

    def test_that_are_valid_are_neither_printed_nor_kept(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        made = gateway.new_client(
            provider="openai-compatible",
            provider_base_url=upstream.base_url,
            provider_api_key="a-key-of-upstream",
        )
        key = made["api_key"]
        for body in (QUESTION, b"no JSON", question(messages=1), question(user=key)):
            gateway.chat(key, body)
        gateway.rows(4, client_id=made["client"]["id"])
        kept = [file.read_bytes() for file in gateway.data.iterdir() if file.is_file()]
        for secret in (key, "a-key-of-upstream"):
            assert secret not in gateway.output
            assert not [content for content in kept if secret.encode() in content]


def test_a_socket_that_says_nothing_keeps_nobody_from_the_gateway(
    gateway: Running, key: str
) -> None:
    silent = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(100)]
    assert gateway.chat(key, QUESTION).status == 200
    for one in silent:
        one.close()
