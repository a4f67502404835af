"""The row that each call leaves in the log, whatever its ending; and none is lost or doubled."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.failure.calls import SECRET, client_of
from tests.running import Answered, Running
from tests.upstream import Json, Sse, Upstream, chunks, completion, error, failure

NO_TOKENS = dict.fromkeys(
    [
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "input_audio_tokens",
        "output_audio_tokens",
    ]
)
COUNTED = {**NO_TOKENS, "input_tokens": 9, "output_tokens": 4, "estimated": 0}
UNTOUCHED = {
    **NO_TOKENS,
    "estimated": 0,
    "provider": None,
    "model": None,
    "attempts": 0,
    "attempt_log": None,
    "first_byte_ms": None,
    "finish_reason": None,
    "tool_names": None,
    "dropped_params": None,
}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"city": "Kyōto"}),
    ("clock", {}),
    ("weather", {"city": "Oslo"}),
]


@pytest.fixture(scope="module")
def trying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that tries each target twice."""
    settings = {"upstream": {"max_retries": 1, "max_retry_delay": 0.05}}
    with Running(tmp_path_factory.mktemp("trying"), settings) as running:
        yield running


def row_of(gateway: Running, answer: Answered) -> dict[str, Any]:
    """The one row of an answer."""
    (row,) = gateway.rows(1, request_id=answer.headers["x-request-id"])
    return row


def assert_holds(row: dict[str, Any], **wanted: Any) -> None:
    assert {column: row[column] for column in wanted} == wanted


class TestTheRowOfAnAnswer:
    def test_holds_who_asked_what_and_when(self, gateway: Running, upstream: Upstream) -> None:
        upstream.always(Json(completion()))
        made = gateway.new_client(
            provider="openai-compatible",
            provider_base_url=upstream.base_url,
            model_aliases={"fast": "a-model"},
        )
        before = int(time.time() * 1000)
        asked = {**QUESTION, "model": "fast"}
        answer = gateway.chat(made["api_key"], asked, x_request_id="the client's own")
        after = int(time.time() * 1000)
        row = row_of(gateway, answer)
        assert_holds(
            row,
            request_id=answer.headers["x-request-id"],
            client_request_id="the client's own",
            client_id=made["client"]["id"],
            client_name=made["client"]["name"],
            door="openai",
            model_asked="fast",
            provider="openai-compatible",
            model="a-model",
            streamed=0,
            status=200,
            error_code=None,
            error_message=None,
            attempts=1,
            attempt_log=None,
            finish_reason="stop",
            tool_names=None,
            dropped_params=None,
            **COUNTED,
        )
        assert before <= row["started_at"] <= after
        assert 0 < row["first_byte_ms"] <= row["total_ms"]

    def test_of_a_stream_holds_what_its_end_told(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(Sse(chunks(["Hello"], usage=True)))
        row = row_of(gateway, gateway.chat(key, STREAMED))
        assert_holds(row, streamed=1, status=200, finish_reason="stop", attempts=1, **COUNTED)
        assert 0 < row["first_byte_ms"] <= row["total_ms"]

    @pytest.mark.parametrize("asked", [QUESTION, STREAMED], ids=["whole", "streamed"])
    def test_without_usage_holds_an_estimate(
        self, gateway: Running, upstream: Upstream, key: str, asked: Any
    ) -> None:
        said = ["Hello, ", "how are you?"]
        streamed = asked is STREAMED
        upstream.always(
            Sse(chunks(said)) if streamed else Json(completion("".join(said), usage=False))
        )
        row = row_of(gateway, gateway.chat(key, asked))
        assert_holds(row, status=200, estimated=1, cached_tokens=None)
        assert row["input_tokens"] == 7  # 28 characters
        assert row["output_tokens"] == 5  # nineteen

    @pytest.mark.parametrize("asked", [QUESTION, STREAMED], ids=["whole", "streamed"])
    def test_names_the_tools_that_were_called(
        self, gateway: Running, upstream: Upstream, key: str, asked: Any
    ) -> None:
        upstream.always(
            Sse(chunks([], tool_calls=CALLS, usage=True))
            if asked is STREAMED
            else Json(completion(None, tool_calls=CALLS))
        )
        row = row_of(gateway, gateway.chat(key, asked))
        assert_holds(row, finish_reason="tool_calls", status=200, **COUNTED)
        assert json.loads(row["tool_names"]) == ["weather", "clock", "weather"]

    @pytest.mark.parametrize("asked", [QUESTION, STREAMED], ids=["whole", "streamed"])
    def test_holds_all_that_was_counted(
        self, gateway: Running, upstream: Upstream, key: str, asked: Any
    ) -> None:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 7},
        }
        last = {**chunks([], usage=True)[-1], "usage": usage}
        upstream.always(
            Sse([*chunks(["Hello"]), last])
            if asked is STREAMED
            else Json(completion(usage=False) | {"usage": usage})
        )
        assert_holds(
            row_of(gateway, gateway.chat(key, asked)),
            input_tokens=100,
            output_tokens=50,
            cached_tokens=60,
            cache_write_tokens=5,
            reasoning_tokens=30,
            estimated=0,
        )

    def test_names_the_parameters_that_were_left_out(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.always(Json(completion()))
        key = gateway.client(
            provider="groq", provider_base_url=upstream.base_url, provider_api_key="k"
        )
        row = row_of(gateway, gateway.chat(key, {**QUESTION, "logit_bias": {"1": 1}}))
        assert json.loads(row["dropped_params"]) == ["logit_bias"]

    def test_of_a_long_name_is_cut_to_fit(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(failure(400, "x" * 5000, code="c" * 500))
        long = {**QUESTION, "model": "m" * 255}
        row = row_of(gateway, gateway.chat(key, long, x_request_id="i" * 1000))
        assert_holds(row, status=400, model_asked="m" * 255, model="m" * 255)
        assert_holds(row, client_request_id="i" * 200, error_message="x" * 1000)
        too_long = row_of(gateway, gateway.chat(key, {**QUESTION, "model": "m" * 5000}))
        assert_holds(too_long, status=404, error_code="model_not_found", model_asked="m" * 255)
        assert_holds(too_long, model=None, attempts=0)


class TestTheRowOfARefusal:
    def test_without_a_key_names_no_client(self, gateway: Running) -> None:
        row = row_of(gateway, gateway.chat(None, QUESTION))
        assert_holds(row, status=401, error_code="invalid_api_key", **UNTOUCHED)
        assert_holds(row, client_id=None, client_name=None, model_asked=None, streamed=0)

    @pytest.mark.parametrize(
        ("fields", "body", "status", "code"),
        [
            ({"is_active": False}, QUESTION, 403, "client_disabled"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, QUESTION, 403, "client_expired"),
            ({"allowed_models": ["x"]}, QUESTION, 404, "model_not_found"),
            ({}, {"model": "m"}, 400, "missing_required_parameter"),
            ({}, {**QUESTION, "n": "2"}, 400, "invalid_value"),
            ({}, b"no JSON", 400, "invalid_json"),
            ({}, b"x" * (11 << 20), 413, "request_too_large"),
            ({"provider": "openai"}, QUESTION, 502, "no_credentials"),
        ],
    )
    def test_says_why(
        self, gateway: Running, fields: dict[str, Any], body: Any, status: int, code: str
    ) -> None:
        made = gateway.new_client(**fields)
        answer = gateway.chat(made["api_key"], body)
        row = row_of(gateway, answer)
        assert answer.status == status
        assert_holds(row, status=status, error_code=code, **UNTOUCHED)
        assert_holds(row, client_id=made["client"]["id"], error_message=answer.error["message"])


class TestTheRowOfAFailure:
    @pytest.mark.parametrize("asked", [QUESTION, STREAMED], ids=["whole", "streamed"])
    def test_holds_every_try(self, trying: Running, upstream: Upstream, asked: Any) -> None:
        upstream.always([failure(503, "Busy"), failure(400, "No", code="bad_thing")])
        answer = trying.chat(client_of(trying, upstream), asked)
        row = row_of(trying, answer)
        assert_holds(
            row,
            **NO_TOKENS,
            status=400,
            error_code="bad_thing",
            error_message="No",
            provider="openai-compatible",
            model="test-model",
            attempts=2,
            estimated=0,
            first_byte_ms=None,
            finish_reason=None,
            streamed=int(asked is STREAMED),
        )
        first, last = json.loads(row["attempt_log"])
        assert first.pop("after_ms") <= last.pop("after_ms") <= row["total_ms"] + 1
        target = {"provider": "openai-compatible", "model": "test-model"}
        busy = {"status": 503, "code": "upstream_overloaded", "message": "Busy"}
        assert first == {**target, **busy}
        assert last == {**target, "status": 400, "code": "bad_thing", "message": "No"}

    def test_that_another_try_mended_holds_both(self, trying: Running, upstream: Upstream) -> None:
        upstream.always([failure(500), Json(completion())])
        row = row_of(trying, trying.chat(client_of(trying, upstream), QUESTION))
        assert_holds(row, status=200, attempts=2, error_code=None, **COUNTED)
        (failed,) = json.loads(row["attempt_log"])
        assert (failed["status"], failed["code"]) == (502, "upstream_error")

    def test_that_another_target_mended_holds_both(
        self, trying: Running, upstream: Upstream
    ) -> None:
        upstream.script("test-model", failure(500))
        upstream.script("second", Json(completion(model="second")))
        key = client_of(trying, upstream, fallback_models=["openai/none", "second"])
        row = row_of(trying, trying.chat(key, QUESTION))
        assert_holds(row, status=200, attempts=3, model_asked="test-model", model="second")
        skipped, *failed = json.loads(row["attempt_log"])
        assert "OpenAI" in skipped["skipped"]
        assert [one["model"] for one in failed] == ["test-model", "test-model"]

    def test_in_mid_stream_holds_what_was_delivered(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(Sse(chunks(["12345678", "lost"])[:2], done=False))
        row = row_of(gateway, gateway.chat(key, STREAMED))
        assert_holds(row, status=502, error_code="upstream_truncated", streamed=1, attempts=1)
        assert_holds(row, input_tokens=7, output_tokens=2, estimated=1, finish_reason=None)

    def test_inside_a_stream_holds_its_words(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        upstream.always(Sse([chunks()[0], error("Sorry", code="oh")], done=False))
        row = row_of(gateway, gateway.chat(key, STREAMED))
        assert_holds(row, status=502, error_code="oh", error_message="Sorry")

    def test_by_a_hang_up_holds_what_was_delivered(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.always(Sse(chunks(["12345678", "more"]), hang=2))
        made = gateway.new_client(provider="openai-compatible", provider_base_url=upstream.base_url)
        with Caller(gateway) as caller:
            caller.send(request(made["api_key"], STREAMED))
            _, headers = caller.head()
            arriving = caller.blocks(headers)
            while b"12345678" not in next(arriving):
                pass
        (row,) = gateway.rows(1, client_id=made["client"]["id"])
        assert_holds(row, status=499, error_code="client_hung_up", streamed=1, attempts=1)
        assert_holds(row, input_tokens=7, output_tokens=2, estimated=1, finish_reason=None)

    def test_of_a_usage_that_cannot_be_true_is_kept_without(
        self, gateway: Running, upstream: Upstream, key: str
    ) -> None:
        for count in (10**30, 1e300, -1, "9", None):
            usage = {"prompt_tokens": count, "completion_tokens": count}
            upstream.always(Json(completion() | {"usage": usage}))
            assert_holds(row_of(gateway, gateway.chat(key, QUESTION)), status=200, estimated=1)
        upstream.always(Json(completion()))
        assert_holds(row_of(gateway, gateway.chat(key, QUESTION)), **COUNTED)


class TestTheWayUp:
    def test_tells_how_long_a_new_connection_took(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.always(Json(completion()))
        key = client_of(gateway, upstream)
        new, kept = (row_of(gateway, gateway.chat(key, QUESTION)) for _ in range(2))
        assert new["connect_ms"] > 0 and kept["connect_ms"] is None
        assert 0 < new["asked_ms"] + new["connect_ms"] <= new["first_byte_ms"]
        assert 0 < kept["asked_ms"] <= kept["first_byte_ms"]

    def test_is_that_of_the_last_try(self, trying: Running, upstream: Upstream) -> None:
        upstream.always([failure(503), Json(completion())])
        row = row_of(trying, trying.chat(client_of(trying, upstream), QUESTION))
        (failed,) = json.loads(row["attempt_log"])
        assert failed["after_ms"] < row["asked_ms"] <= row["first_byte_ms"]

    def test_is_not_known_of_a_call_that_took_none(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        row = row_of(gateway, gateway.chat(None, QUESTION))
        assert (row["asked_ms"], row["connect_ms"]) == (None, None)


class TestTheBodies:
    SECRET = "sk-proj-1234567890abcdef"

    @pytest.mark.parametrize("asked", [QUESTION, STREAMED], ids=["whole", "streamed"])
    @pytest.mark.parametrize("how", ["off", "redacted", "full"])
    def test_are_kept_as_the_client_says(
        self, gateway: Running, upstream: Upstream, asked: dict[str, Any], how: str
    ) -> None:
        said = f"A riddle about {self.SECRET}"
        upstream.always(Sse(chunks([said])) if asked is STREAMED else Json(completion(said)))
        key = client_of(gateway, upstream, log_bodies=how)
        messages = [{"role": "user", "content": f"Tell me of {self.SECRET}"}]
        answer = gateway.chat(key, {**asked, "messages": messages})
        row = row_of(gateway, answer)
        bodies = gateway.admin("GET", f"/requests/{row['request_id']}").json["bodies"]
        if how == "off":
            assert bodies is None
            return
        assert bodies["kept"] == how
        told = bodies["question"] + bodies["answer"]
        assert self.SECRET not in told
        assert ("Tell me of" in told, "A riddle about" in told) == ((how == "full"),) * 2
        assert '"role":"user"' in bodies["question"].replace(" ", "")

    @pytest.mark.parametrize("how", ["redacted", "full"])
    def test_hold_what_went_up_without_the_key(
        self, gateway: Running, upstream: Upstream, how: str
    ) -> None:
        upstream.always(Json(completion()))
        key = client_of(gateway, upstream, log_bodies=how, system_prompt=f"Hide {self.SECRET}.")
        row = row_of(gateway, gateway.chat(key, QUESTION))
        bodies = gateway.admin("GET", f"/requests/{row['request_id']}").json["bodies"]
        (received,) = upstream.requests
        sent = json.loads(bodies["sent"])
        assert [one["role"] for one in sent["messages"]] == ["system", "user"]
        assert ("Hide" in bodies["sent"], "Hide" in bodies["question"]) == (how == "full", False)
        address, *headers = bodies["sent_head"].split("\n")
        assert address == f"POST {upstream.base_url}/chat/completions"
        names = {line.partition(":")[0].lower() for line in headers}
        assert names == received.headers.keys() - {"host", "content-length"}
        for secret in (self.SECRET, SECRET, key):
            assert secret not in str(bodies)

    def test_hold_the_last_try_of_several(self, trying: Running, upstream: Upstream) -> None:
        upstream.script("gpt-one", failure(503))
        upstream.script("gpt-two", Json(completion()))
        targets = {"default_model": "gpt-one", "fallback_models": ["gpt-two"]}
        key = client_of(trying, upstream, log_bodies="full", **targets)
        row = row_of(trying, trying.chat(key, {**QUESTION, "model": "gpt-one"}))
        bodies = trying.admin("GET", f"/requests/{row['request_id']}").json["bodies"]
        assert json.loads(bodies["sent"])["model"] == row["model"] == "gpt-two"
        assert json.loads(bodies["question"])["model"] == "gpt-one"

    def test_of_a_call_that_was_refused_hold_nothing_that_went_up(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        key = client_of(gateway, upstream, log_bodies="full", allowed_models=["other"])
        row = row_of(gateway, gateway.chat(key, QUESTION))
        bodies = gateway.admin("GET", f"/requests/{row['request_id']}").json["bodies"]
        assert (bodies["sent"], bodies["sent_head"]) == (None, None)

    def test_of_a_stream_that_breaks_hold_what_was_delivered(
        self, gateway: Running, upstream: Upstream
    ) -> None:
        upstream.always(Sse(chunks(["12345678", "lost"])[:2], done=False))
        key = client_of(gateway, upstream, log_bodies="full")
        row = row_of(gateway, gateway.chat(key, STREAMED))
        bodies = gateway.admin("GET", f"/requests/{row['request_id']}").json["bodies"]
        assert "12345678" in bodies["answer"]


def test_calls_that_end_together_are_each_logged_once(gateway: Running, upstream: Upstream) -> None:
    upstream.always(Json(completion()))
    made = gateway.new_client(provider="openai-compatible", provider_base_url=upstream.base_url)
    ids = answered(gateway, made["api_key"], 200)
    rows = gateway.rows(200, client_id=made["client"]["id"])
    assert sorted(row["request_id"] for row in rows) == sorted(ids)


def answered(gateway: Running, key: str, calls: int) -> list[str]:
    """The request ids of as many calls, made on ten connections at once."""

    def ask(_: int) -> list[str]:
        with Caller(gateway) as caller:
            return [_answered(caller, key) for _ in range(calls // 10)]

    with ThreadPoolExecutor(10) as threads:
        return [each for some in threads.map(ask, range(10)) for each in some]


def _answered(caller: Caller, key: str) -> str:
    caller.send(request(key))
    answer = caller.answer()
    assert answer.status == 200
    return answer.headers["x-request-id"]


class TestAnEnd:
    def test_in_good_order_writes_everything(self, tmp_path: Path) -> None:
        """The batch's time is never over here, so that only the end can have written the rows."""
        settings = {"logging": {"batch_ms": 60_000, "batch_rows": 10_000}}
        gateway = Running(tmp_path, settings, workers=2)
        with gateway:
            ids = answered(gateway, gateway.client(model_aliases={"*": "demo"}), 200)
            assert gateway.rows() == []
            assert gateway.stop() == 0
        assert sorted(row["request_id"] for row in gateway.rows()) == sorted(ids)

    def test_in_good_order_logs_even_a_stream_that_it_cuts(
        self, tmp_path: Path, upstream: Upstream
    ) -> None:
        settings = {"server": {"graceful_timeout": 1}}
        upstream.always(Sse(chunks(["12345678", "lost"]), hang=2))
        gateway = Running(tmp_path, settings)
        with gateway, Caller(gateway) as caller:
            caller.send(request(client_of(gateway, upstream), STREAMED))
            caller.head()
            gateway.stop()
            assert upstream.requests[0].hung_up.wait(5)
        (row,) = gateway.rows()
        assert_holds(row, status=499, error_code="gateway_stopped", streamed=1, output_tokens=2)

    def test_by_a_kill_costs_the_last_moment_at_most(self, tmp_path: Path) -> None:
        gateway = Running(tmp_path, workers=2)
        with gateway:
            key = gateway.client(model_aliases={"*": "demo"})
            old = answered(gateway, key, 100)
            gateway.rows(100)
            answered(gateway, key, 100)
            for pid in (gateway.process.pid, *gateway.worker_pids()):
                os.kill(pid, signal.SIGKILL)
            gateway.stop(signal.SIGKILL)
            assert set(old) <= {row["request_id"] for row in gateway.rows()}
            gateway.start()
            new = answered(gateway, key, 10)
            gateway.rows(1, request_id=new[-1])
            assert set(old) <= {row["request_id"] for row in gateway.rows()}
            assert "Traceback" not in gateway.output


class TestADatabaseThatIsLocked:
    @pytest.fixture
    def locked(self, gateway: Running) -> Iterator[sqlite3.Connection]:
        """Keeps everybody else from writing until it is rolled back."""
        file = gateway.data / "gateway.db"
        with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            yield lock

    def test_stops_no_known_client_and_costs_no_row(
        self, gateway: Running, upstream: Upstream, request: pytest.FixtureRequest
    ) -> None:
        upstream.always(Json(completion()))
        made = gateway.new_client(provider="openai-compatible", provider_base_url=upstream.base_url)
        ids = answered(gateway, made["api_key"], 10)
        lock = request.getfixturevalue("locked")
        ids += answered(gateway, made["api_key"], 20)
        gateway.wait_until(lambda: _degraded(gateway) != [], "the gateway to notice")
        assert "rows wait" in str(_degraded(gateway))
        assert receipt(gateway, made["api_key"], ids[-1]).status == 200
        elsewhere = receipt(gateway, made["api_key"], "req_" + 24 * "0")
        assert (elsewhere.status, elsewhere.error["code"]) == (503, "gateway_unavailable")
        ids += answered(gateway, made["api_key"], 20)
        lock.execute("ROLLBACK")
        rows = gateway.rows(50, client_id=made["client"]["id"])
        assert sorted(row["request_id"] for row in rows) == sorted(ids)
        gateway.wait_until(lambda: _degraded(gateway) == [], "the gateway to recover")
        assert len(gateway.rows(client_id=made["client"]["id"])) == 50
        assert receipt(gateway, made["api_key"], "req_" + 24 * "0").status == 404


def receipt(gateway: Running, key: str, request_id: str) -> Answered:
    return gateway.call("GET", f"/v1/requests/{request_id}", headers={"x-api-key": key})


def _degraded(gateway: Running) -> list[str]:
    answer = gateway.call("GET", "/health/ready")
    assert answer.status == 200
    reasons: list[str] = answer.json["degraded"]
    return reasons
