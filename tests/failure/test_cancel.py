"""Calls under way are seen by every worker, and an administrator can end them."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import client_of, live, only_one
from tests.redis_server import RedisServer
from tests.running import Answered, Running
from tests.upstream import Json, Received, Sse, Upstream, chunks, completion, failure

STREAM = Sse(chunks(["Hello ", "my ", "dear ", "friend"]))
WHOLE = Json(completion())
CODE, WORDS = "cancelled_by_administrator", "An administrator cancelled this call"
ACCEPTED = 2.0  # seconds until upstream must see the end
LIMITS = {"max_concurrent": 5, "tokens_per_minute": 1_000_000, "budget_usd_day": None}
ASKED: list[Any] = [{"role": "user", "content": "Hello"}]

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A gateway of two workers, on each of the stores that they may share."""
    environment = {}
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        environment["REDIS_URL"] = server.url
    folder = tmp_path_factory.mktemp("fleet")
    settings = {"upstream": {"max_retries": 1, "keepalive_interval": 0.2, "head_wait": 30}}
    with Running(folder, settings, workers=2, environment=environment) as gateway:
        yield gateway


@pytest.fixture
def name() -> str:
    return f"cancelled {os.urandom(4).hex()}"


@pytest.fixture
def key(fleet: Running, upstream: Upstream, name: str) -> str:
    return client_of(fleet, upstream, name=name, **LIMITS)


def cancel(gateway: Running, request_id: str) -> Answered:
    return gateway.admin("POST", f"/requests/{request_id}/cancel")


def assert_cancelled(
    gateway: Running, name: str, key: str, received: Received, **expected: Any
) -> None:
    """Upstream is let go, and everything is settled as of a call that has ended."""
    assert received.hung_up.wait(ACCEPTED)
    (row,) = gateway.rows(1, client_name=name)
    wanted = {"status": 499, "error_code": CODE, "error_message": WORDS, "attempts": 1, **expected}
    assert {column: row[column] for column in wanted} == wanted
    gateway.wait_until(
        lambda: gateway.metric("ai_gateway_requests_in_progress") == 0, "the gauge to return to 0"
    )
    headers = {"Authorization": f"Bearer {key}"}
    receipt = gateway.call("GET", f"/v1/requests/{row['request_id']}", headers=headers)
    assert (receipt.status, receipt.json["error_code"]) == (200, CODE)
    usage = gateway.call("GET", "/v1/usage", headers=headers).json
    assert {limit["limit"]: limit["reserved"] for limit in usage["limits"]} == {
        "max_concurrent": 0,
        "tokens_per_minute": 0,
    }
    gateway.wait_until(lambda: live(gateway) == [], "the call to go")
    assert cancel(gateway, row["request_id"]).status == 404
    newest = gateway.admin("GET", "/audit").json["items"][0]
    told = (newest["actor"], newest["action"], newest["subject"])
    assert told == ("token", "request.cancel", row["request_id"])


class TestACallUnderWay:
    def test_is_seen_by_every_worker(
        self, fleet: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(STREAM.but(hang=3))
        with Caller(fleet) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            assert next(caller.blocks(headers))
            calls = [only_one(fleet, name) for _ in range(8)]
            ids = {call["request_id"] for call in calls}
            assert ids == {headers["x-request-id"]}
            told = {column: calls[-1][column] for column in ("door", "provider", "model")}
            assert told == {
                "door": "openai",
                "provider": "openai-compatible",
                "model": "test-model",
            }
            assert (calls[-1]["streamed"], calls[-1]["attempts"]) == (True, 1)
            assert (calls[-1]["output_tokens"], calls[-1]["estimated"]) == (3, True)
            assert 0 < calls[0]["age_ms"] < calls[-1]["age_ms"]
            upstream.requests[0].release()
        fleet.wait_until(lambda: live(fleet) == [], "the call to end")

    def test_vanishes_with_its_worker(
        self, fleet: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(STREAM.but(hang=2))
        with Caller(fleet) as caller:
            caller.send(request(key, STREAMED))
            caller.head()
            fleet.wait_until(
                lambda: name in [one["client_name"] for one in live(fleet)], "the call to be seen"
            )
            workers = fleet.worker_pids()
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
        fleet.wait_until(lambda: not set(workers) & set(fleet.worker_pids()), "new workers")
        fleet.wait_until(lambda: _answers_with(fleet, []), "the call to vanish")


def _answers_with(gateway: Running, calls: list[dict[str, Any]]) -> bool:
    try:
        return live(gateway) == calls
    except OSError:
        return False


class TestACancelledCall:
    @both
    @pytest.mark.parametrize("place", ["before-head", 0, 0.5])
    def test_ends_before_the_first_of_its_answer(
        self, fleet: Running, upstream: Upstream, key: str, name: str, stream: bool, place: Any
    ) -> None:
        upstream.always((STREAM if stream else WHOLE).but(hang=place))
        with Caller(fleet) as caller:
            caller.send(request(key, STREAMED if stream else QUESTION))
            (received,) = upstream.wait()
            assert cancel(fleet, only_one(fleet, name)["request_id"]).status == 200
            answer = caller.answer()
            assert answer.status == 499
            assert (answer.error["code"], answer.error["message"]) == (CODE, WORDS)
            assert answer.headers["x-should-retry"] == "false"
            caller.send(request(None, None, method="GET", path="/health"))
            assert caller.answer().status == 200
        assert_cancelled(fleet, name, key, received, streamed=stream, first_byte_ms=None)

    @pytest.mark.parametrize("place", [1, 2.5, 4])
    def test_ends_in_mid_stream_with_an_error_event(
        self, fleet: Running, upstream: Upstream, key: str, name: str, place: float
    ) -> None:
        upstream.always(STREAM.but(hang=place))
        with Caller(fleet) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            blocks = caller.blocks(headers)
            assert next(blocks)
            assert cancel(fleet, headers["x-request-id"]).status == 200
            *_, last = blocks
            assert b'"code":"cancelled_by_administrator"' in last and b"[DONE]" not in last
        assert_cancelled(fleet, name, key, upstream.requests[0], streamed=1)

    def test_ends_in_mid_array_with_an_error_as_its_last(
        self, fleet: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(STREAM.but(hang=3))
        question = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        path = "/v1beta/models/m:streamGenerateContent"
        with Caller(fleet) as caller:
            caller.send(request(key, question, path=path))
            _, headers = caller.head()
            blocks = caller.blocks(headers)
            said = next(blocks)
            assert cancel(fleet, headers["x-request-id"]).status == 200
            *_, last = json.loads(said + b"".join(blocks))
        told = {"code": 499, "status": "CANCELLED", "message": WORDS}
        assert {name: last["error"][name] for name in told} == told
        assert_cancelled(fleet, name, key, upstream.requests[0], streamed=1)

    def test_ends_though_its_caller_does_not_read(
        self, fleet: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(Sse(chunks(["x" * 65536] * 1000)))
        with Caller(fleet, receive_buffer=4096) as caller:
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            assert cancel(fleet, headers["x-request-id"]).status == 200
            assert_cancelled(fleet, name, key, upstream.requests[0], streamed=1)

    def test_ends_while_the_gateway_pauses_between_tries(
        self, fleet: Running, upstream: Upstream, key: str, name: str
    ) -> None:
        upstream.always(failure(429, retry_after=9))
        with Caller(fleet) as caller:
            caller.send(request(key))
            upstream.wait()[0].answered.wait(ACCEPTED)
            assert cancel(fleet, only_one(fleet, name)["request_id"]).status == 200
            assert caller.answer().status == 499
        (row,) = fleet.rows(1, client_name=name)
        assert (row["error_code"], len(upstream.requests)) == (CODE, 1)


@pytest.mark.parametrize("request_id", ["req_" + "0" * 24, "req_none", "live"])
def test_what_is_not_under_way_cannot_be_cancelled(fleet: Running, request_id: str) -> None:
    refused = cancel(fleet, request_id)
    assert (refused.status, refused.error["code"]) == (404, "request_not_in_flight")


Caught = tuple[type[Exception], int | None, str]


def _of_openai(origin: str, key: str, stream: bool) -> Caught:
    with openai.OpenAI(base_url=origin + "/v1", api_key=key) as sdk:
        try:
            answer = sdk.chat.completions.create(model="m", messages=ASKED, stream=stream)
            list(answer)
        except openai.APIError as error:
            return type(error), getattr(error, "status_code", None), error.message
    raise AssertionError("nothing was raised")


def _of_responses(origin: str, key: str, stream: bool) -> Caught:
    with openai.OpenAI(base_url=origin + "/v1", api_key=key) as sdk:
        try:
            list(sdk.responses.create(model="m", input="Hello", stream=stream))
        except openai.APIError as error:
            return type(error), getattr(error, "status_code", None), error.message
    raise AssertionError("nothing was raised")


def _of_anthropic(origin: str, key: str, stream: bool) -> Caught:
    with anthropic.Anthropic(base_url=origin, api_key=key) as sdk:
        try:
            list(sdk.messages.create(model="m", messages=ASKED, max_tokens=99, stream=stream))
        except anthropic.APIStatusError as error:
            return type(error), error.status_code, str(error.body)
    raise AssertionError("nothing was raised")


def _of_gemini(origin: str, key: str, stream: bool) -> Caught:
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=origin)) as sdk:
        try:
            if stream:
                list(sdk.models.generate_content_stream(model="m", contents="Hello"))
            else:
                sdk.models.generate_content(model="m", contents="Hello")
        except errors.APIError as error:
            return type(error), error.code, str(error.message)
    raise AssertionError("nothing was raised")


DOORS: Mapping[str, Callable[[str, str, bool], Caught]] = {
    "openai": _of_openai,
    "responses": _of_responses,
    "anthropic": _of_anthropic,
    "gemini": _of_gemini,
}


@both
@pytest.mark.parametrize("door", DOORS)
def test_every_doors_sdk_sees_an_error_and_does_not_ask_again(
    fleet: Running, upstream: Upstream, key: str, name: str, door: str, stream: bool
) -> None:
    upstream.always(STREAM.but(hang=3) if stream else WHOLE.but(hang="before-head"))
    with ThreadPoolExecutor(1) as pool:
        asking: Future[Caught] = pool.submit(DOORS[door], fleet.origin, key, stream)
        (received,) = upstream.wait()
        if stream:
            fleet.wait_until(lambda: only_one(fleet, name)["output_tokens"] > 0, "the first words")
        assert cancel(fleet, only_one(fleet, name)["request_id"]).status == 200
        kind, status, words = asking.result(30)
    assert WORDS in words
    if not stream:
        assert status == 499
    assert len(upstream.requests) == 1, kind
    assert_cancelled(fleet, name, key, received, door=door, streamed=stream)


def test_without_the_shared_store_a_worker_shows_and_cancels_its_own(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.always(STREAM.but(hang=3))
    with RedisServer(tmp_path / "redis") as redis:
        environment = {"REDIS_URL": redis.url}
        with Running(tmp_path / "gateway", environment=environment) as gateway:
            key = client_of(gateway, upstream)
            with Caller(gateway) as caller:
                caller.send(request(key, STREAMED))
                _, headers = caller.head()
                blocks = caller.blocks(headers)
                assert next(blocks)
                redis.stop()
                told = gateway.admin("GET", "/requests/live").json
                ids = [one["request_id"] for one in told["items"]]
                assert (ids, told["complete"]) == ([headers["x-request-id"]], False)
                unknown = cancel(gateway, "req_" + "0" * 24)
                assert (unknown.status, unknown.error["code"]) == (503, "gateway_unavailable")
                assert cancel(gateway, headers["x-request-id"]).status == 200
                *_, last = blocks
            assert CODE.encode() in last
            ready = gateway.call("GET", "/health/ready").json
            assert "degraded" in str(ready)
