"""Limits on requests and changes of clients, as four workers keep them together."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.failure.caller import QUESTION, Caller, request
from tests.running import PATIENCE, ROOT, Answered, Running

ASKED = {**QUESTION, "model": "demo", "max_tokens": 1}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway of four workers on plain SQLite."""
    settings = {"demo": {"tokens_per_second": 0}, "access": {"keyless_per_minute": 100_000}}
    with Running(tmp_path_factory.mktemp("four"), settings, workers=4) as running:
        yield running


def within(window: int, seconds: float) -> None:
    """Returns when so much is left of this minute, hour or day (UTC).

    A window that ends in mid-test lets the next one's share through, as it should.
    """
    left = window - time.time() % window
    if left < seconds:
        time.sleep(left)


def ask(gateway: Running, key: str) -> Answered:
    return gateway.chat(key, ASKED)


def assert_refused(answer: Answered, size: int, window: str, used: int | None = None) -> None:
    error = answer.error
    found = (answer.status, error["type"], error["code"])
    assert found == (429, "rate_limit_error", "rate_limit_exceeded")
    told = f"{size} requests per {window}, {size if used is None else used} used"
    assert told in error["message"]
    assert answer.headers["x-ratelimit-limit-requests"] == str(size)
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s|\d+ms", answer.headers["x-ratelimit-reset-requests"])
    assert int(answer.headers["retry-after"]) >= 1


def test_a_hundred_a_minute_are_a_hundred_of_a_thousand(four: Running) -> None:
    key = four.client(rate_limit_minute=100)
    within(60, 20)
    with ThreadPoolExecutor(50) as threads:
        answers = [each for some in threads.map(_twenty, [four] * 50, [key] * 50) for each in some]
    assert Counter(answer.status for answer in answers) == {200: 100, 429: 900}
    left = [a.headers["x-ratelimit-remaining-requests"] for a in answers if a.status == 200]
    assert sorted(map(int, left)) == list(range(100))
    for answer in answers:
        if answer.status == 429:
            assert_refused(answer, 100, "minute")


def _twenty(gateway: Running, key: str) -> list[Answered]:
    """The answers to twenty calls on one connection."""
    answers = []
    with Caller(gateway) as caller:
        for _ in range(20):
            caller.send(request(key, ASKED))
            answers.append(caller.answer())
    return answers


class TestALimit:
    def test_is_told_with_every_answer(self, four: Running) -> None:
        key = four.client(rate_limit_hour=3)
        within(3600, 10)
        for left in ("2", "1", "0"):
            answer = ask(four, key)
            assert answer.status == 200
            assert answer.headers["x-ratelimit-limit-requests"] == "3"
            assert answer.headers["x-ratelimit-remaining-requests"] == left
            assert "retry-after" not in answer.headers
        assert_refused(ask(four, key), 3, "hour")

    def test_is_told_with_an_error_too(self, four: Running) -> None:
        answer = four.chat(four.client(rate_limit_hour=3), {"messages": []})
        assert answer.status == 400
        assert answer.headers["x-ratelimit-remaining-requests"] == "2"

    def test_that_is_none_is_not_told(self, four: Running) -> None:
        assert not [name for name in ask(four, four.client()).headers if "ratelimit" in name]

    @pytest.mark.parametrize(("name", "window"), [("hour", 3600), ("day", 86400)])
    def test_of_a_longer_window_holds(self, four: Running, name: str, window: int) -> None:
        key = four.client(**{"rate_limit_minute": 100, f"rate_limit_{name}": 2})
        within(window, 10)
        assert [ask(four, key).status for _ in range(2)] == [200, 200]
        refused = ask(four, key)
        assert_refused(refused, 2, name)
        assert int(refused.headers["retry-after"]) <= 2 * window

    def test_is_the_nearest_of_several(self, four: Running) -> None:
        key = four.client(rate_limit_minute=50, rate_limit_hour=9, rate_limit_day=70)
        assert ask(four, key).headers["x-ratelimit-limit-requests"] == "9"

    def test_is_not_used_up_by_calls_that_are_refused(
        self, four: Running, everyone: "Everyone"
    ) -> None:
        made = four.new_client(rate_limit_minute=5, rate_limit_hour=2, rate_limit_day=9)
        key, path = made["api_key"], f"/clients/{made['client']['id']}"
        within(3600, 20)
        assert [ask(four, key).status for _ in range(20)] == [200] * 2 + [429] * 18
        assert four.admin("PATCH", path, {"rate_limit_hour": None}).status == 200
        everyone.hear()
        answer = ask(four, key)
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        assert answer.headers["x-ratelimit-remaining-requests"] == "2"
        assert four.admin("PATCH", path, {"rate_limit_minute": None}).status == 200
        everyone.hear()
        assert ask(four, key).headers["x-ratelimit-remaining-requests"] == "5"

    def test_is_each_clients_own(self, four: Running) -> None:
        one, other = four.client(rate_limit_hour=1), four.client(rate_limit_hour=1)
        within(3600, 10)
        assert [ask(four, one).status, ask(four, one).status] == [200, 429]
        assert ask(four, other).status == 200

    def test_is_not_begun_anew_by_a_new_key(self, four: Running) -> None:
        made = four.new_client(rate_limit_hour=1)
        within(3600, 10)
        assert ask(four, made["api_key"]).status == 200
        rotated = four.admin("POST", f"/clients/{made['client']['id']}/rotate-key", {})
        assert_refused(ask(four, rotated.json["api_key"]), 1, "hour")

    def test_refuses_before_the_body_is_looked_at(self, four: Running) -> None:
        key = four.client(rate_limit_hour=1)
        within(3600, 10)
        ask(four, key)
        assert_refused(four.chat(key, b"x" * (11 << 20)), 1, "hour")

    def test_leaves_a_row_in_the_log(self, four: Running) -> None:
        key = four.client(rate_limit_hour=1)
        within(3600, 10)
        ask(four, key)
        (row,) = four.rows(1, request_id=ask(four, key).headers["x-request-id"])
        assert (row["status"], row["error_code"], row["attempts"]) == (
            429,
            "rate_limit_exceeded",
            0,
        )
        assert (row["provider"], row["input_tokens"], row["output_tokens"]) == (None, None, None)


def test_limits_outlive_a_restart_and_a_kill(tmp_path: Path) -> None:
    gateway = Running(tmp_path, workers=2)
    with gateway:
        key = gateway.client(rate_limit_hour=5)
        within(3600, 30)
        assert [ask(gateway, key).status for _ in range(3)] == [200] * 3
        gateway.stop()
        gateway.start()
        assert [ask(gateway, key).status for _ in range(3)] == [200, 200, 429]
        _kill(gateway)
        gateway.start()
        assert_refused(ask(gateway, key), 5, "hour")


def _kill(gateway: Running) -> None:
    """All of its processes at once, so that none can tidy up."""
    for pid in (gateway.process.pid, *gateway.worker_pids()):
        os.kill(pid, signal.SIGKILL)
    gateway.stop(signal.SIGKILL)


class Everyone:
    """One connection to each worker."""

    def __init__(self, gateway: Running, callers: ExitStack) -> None:
        self.gateway = gateway
        self._callers: dict[int, Caller] = {}
        deadline = time.monotonic() + PATIENCE
        while len(self._callers) < gateway.workers:
            assert time.monotonic() < deadline, "a worker accepts no connection"
            for caller in [callers.enter_context(Caller(gateway)) for _ in range(8)]:
                caller.send(request(None, None, method="GET", path="/health"))
                caller.answer()
                self._callers.setdefault(_owner(gateway, caller), caller)

    def statuses(self, key: str) -> list[int]:
        """What each worker answers to a call with this key."""
        for caller in self._callers.values():
            caller.send(request(key, ASKED))
        return [caller.answer().status for caller in self._callers.values()]

    def hear(self) -> None:
        """Returns when each worker knows of what was changed: it knows of a later change, too."""
        made = self.gateway.new_client()
        known = self.statuses(made["api_key"])
        assert known == [200] * len(known)
        assert self.gateway.admin("DELETE", f"/clients/{made['client']['id']}").status == 204
        gone = [401] * len(known)
        self.gateway.wait_until(lambda: self.statuses(made["api_key"]) == gone, "every worker")


def _owner(gateway: Running, caller: Caller) -> int:
    """The worker that holds the other end of a connection."""
    ends = f":{gateway.port:04X}", f":{caller.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    (inode,) = [x[9] for x in lines if x[1].endswith(ends[0]) and x[2].endswith(ends[1])]
    for pid in gateway.worker_pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(descriptor) == f"socket:[{inode}]":
                return pid
    raise AssertionError("no worker holds the connection")


@pytest.fixture
def everyone(four: Running) -> Iterator[Everyone]:
    with ExitStack() as callers:
        yield Everyone(four, callers)


class TestAChange:
    """Each client is known to each worker before it is changed."""

    @pytest.fixture
    def made(self, four: Running, everyone: Everyone) -> dict[str, Any]:
        made = four.new_client()
        assert everyone.statuses(made["api_key"]) == [200] * 4
        return made

    def change(self, everyone: Everyone, made: dict[str, Any], **fields: Any) -> None:
        path = f"/clients/{made['client']['id']}"
        answer = everyone.gateway.admin("PATCH", path, fields)
        assert answer.status == 200, answer.body
        everyone.hear()

    def rotate(self, everyone: Everyone, made: dict[str, Any], grace_seconds: int) -> str:
        path = f"/clients/{made['client']['id']}/rotate-key"
        answer = everyone.gateway.admin("POST", path, {"grace_seconds": grace_seconds})
        assert answer.status == 200, answer.body
        everyone.hear()
        return str(answer.json["api_key"])

    def test_of_is_active_is_in_force_on_every_worker(
        self, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        self.change(everyone, made, is_active=False)
        assert everyone.statuses(made["api_key"]) == [403] * 4
        self.change(everyone, made, is_active=True)
        assert everyone.statuses(made["api_key"]) == [200] * 4

    def test_of_a_limit_is_in_force_on_every_worker(
        self, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        within(3600, 10)
        self.change(everyone, made, rate_limit_hour=2)
        assert sorted(everyone.statuses(made["api_key"])) == [200, 200, 429, 429]
        self.change(everyone, made, rate_limit_hour=3)
        assert sorted(everyone.statuses(made["api_key"])) == [200, 429, 429, 429]
        self.change(everyone, made, rate_limit_hour=None)
        assert everyone.statuses(made["api_key"]) == [200] * 4

    def test_of_what_it_may_use_is_in_force_on_every_worker(
        self, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        self.change(everyone, made, allowed_models=["another"])
        assert everyone.statuses(made["api_key"]) == [404] * 4

    def test_that_deletes_it_is_in_force_on_every_worker(
        self, four: Running, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        assert four.admin("DELETE", f"/clients/{made['client']['id']}").status == 204
        everyone.hear()
        assert everyone.statuses(made["api_key"]) == [401] * 4

    def test_of_its_key_is_in_force_on_every_worker(
        self, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        key = self.rotate(everyone, made, grace_seconds=0)
        assert everyone.statuses(made["api_key"]) == [401] * 4
        assert everyone.statuses(key) == [200] * 4

    def test_of_its_key_leaves_the_old_one_until_its_grace_ends(
        self, four: Running, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        key = self.rotate(everyone, made, grace_seconds=3600)
        assert everyone.statuses(made["api_key"]) == [200] * 4
        newest = self.rotate(everyone, made, grace_seconds=1)  # which ends all older ones, too
        old = made["api_key"]
        four.wait_until(lambda: everyone.statuses(old) == [401] * 4, "the end of the grace")
        assert everyone.statuses(key) == [401] * 4
        assert everyone.statuses(newest) == [200] * 4

    def test_by_a_command_is_in_force_on_every_worker(
        self, four: Running, everyone: Everyone, made: dict[str, Any]
    ) -> None:
        key = _flask(four, "rotate-key", made["client"]["name"])
        everyone.hear()
        assert everyone.statuses(made["api_key"]) == [401] * 4
        assert everyone.statuses(key) == [200] * 4

    def test_that_makes_a_client_is_in_force_at_once(
        self, four: Running, everyone: Everyone
    ) -> None:
        assert everyone.statuses(four.client()) == [200] * 4


def _flask(gateway: Running, *command: str) -> str:
    """What a command of this installation prints."""
    config = gateway.folder / "config.yaml"
    places = {"GATEWAY_CONFIG": str(config), "GATEWAY_DATA_DIR": str(gateway.data)}
    run = [sys.executable, "-m", "flask", "--app", "app", *command]
    done = subprocess.run(run, cwd=ROOT, env=os.environ | places, capture_output=True, check=True)
    return done.stdout.decode().strip()


class TestAnAddressWithoutAKey:
    def settings(self, **server: Any) -> dict[str, Any]:
        return {"access": {"keyless_per_minute": 5}, "server": server}

    def test_may_guess_so_often_and_disturbs_nobody(self, tmp_path: Path) -> None:
        with Running(tmp_path, self.settings()) as gateway:
            key = gateway.client()
            within(60, 10)
            guesses = [gateway.chat(f"gm_guess_{n}", ASKED) for n in range(10)]
            assert [answer.status for answer in guesses] == [401] * 5 + [429] * 5
            refused = gateway.chat(None, ASKED, x_forwarded_for="192.0.2.1")
            assert (refused.status, refused.error["code"]) == (429, "too_many_invalid_keys")
            assert refused.error["type"] == "rate_limit_error"
            assert int(refused.headers["retry-after"]) >= 1
            assert [ask(gateway, key).status for _ in range(10)] == [200] * 10
            assert gateway.call("GET", "/health").status == 200

    def test_is_the_one_that_a_trusted_proxy_tells(self, tmp_path: Path) -> None:
        with Running(tmp_path, self.settings(trusted_proxies=1)) as gateway:
            within(60, 10)
            statuses = [
                gateway.chat(None, ASKED, x_forwarded_for=f"203.0.113.9, {address}").status
                for address in ("192.0.2.1",) * 7 + ("192.0.2.2",) * 2
            ]
        assert statuses == [401] * 5 + [429] * 2 + [401] * 2
