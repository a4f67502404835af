"""The start and the end of a gateway, in good order and in bad."""

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.running import PATIENCE, ROOT, Running
from tests.upstream import Json, Sse, Upstream, chunks, completion

SERVE = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
DEMO = {"demo": {"tokens_per_second": 0}}


def first_start_of(output: str) -> tuple[str, str, str]:
    """Password, key and curl line, as the first start prints them."""
    password = re.search(r"^Admin: .* user admin   password (\S+)$", output, re.MULTILINE)
    key = re.search(r"^Demo client: +(gm_\S{43})$", output, re.MULTILINE)
    curl = re.search(r"^curl .*$", output, re.MULTILINE)
    assert password and key and curl, output
    return password[1], key[1], curl[0]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An installation that was started for the first time, and runs."""
    with Running(tmp_path_factory.mktemp("first"), DEMO) as running:
        yield running


class TestAFirstStart:
    def test_prints_all_that_a_newcomer_needs(self, first: Running) -> None:
        password, key, curl = first_start_of(first.output)
        assert first.output.startswith(f"AI Gateway is starting at {first.origin}\n")
        assert f"{first.origin}/admin " in first.output
        assert first.chat(key, {**QUESTION, "model": "demo"}).status == 200
        assert password not in curl
        assert "Traceback" not in first.output and "Warning" not in first.output

    def test_prints_a_line_that_a_shell_runs(self, first: Running) -> None:
        _, _, curl = first_start_of(first.output)
        said = subprocess.run(["sh", "-c", curl], capture_output=True, check=True).stdout
        assert b'"chat.completion"' in said
        assert b'"assistant"' in said

    def test_keeps_what_is_secret_from_others(self, first: Running) -> None:
        assert _mode(first.data) == 0o700
        assert _mode(first.data / "secret.key") == 0o600

    def test_neither_makes_nor_shows_what_is_given(self, tmp_path: Path) -> None:
        given = {"GATEWAY_SECRET_KEY": "a-key-of-ones-own", "GATEWAY_ADMIN_PASSWORD": "of-my-own"}
        with Running(tmp_path, environment=given) as gateway:
            assert not (gateway.data / "secret.key").exists()
            assert "user admin" in gateway.output
            assert not [value for value in given.values() if value in gateway.output]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestALaterStart:
    def test_prints_no_secret_again_and_follows_a_kill_without_an_error(
        self, tmp_path: Path
    ) -> None:
        gateway = Running(tmp_path, DEMO, workers=2)
        with gateway:
            password, key, _ = first_start_of(gateway.output)
            made = gateway.client(model_aliases={"*": "demo"})
            for end in (_ended, _killed):
                before = gateway.output
                end(gateway)
                gateway.start()
                later = gateway.output.removeprefix(before)
                assert f"AI Gateway is starting at {gateway.origin}\n" in later
                assert not [each for each in (password, key, "Admin:", "curl") if each in later]
                assert gateway.chat(made, QUESTION).status == 200
            assert gateway.chat(key, {**QUESTION, "model": "demo"}).status == 200
            assert "Traceback" not in gateway.output
        with closing(sqlite3.connect(gateway.data / "gateway.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _ended(gateway: Running) -> None:
    assert gateway.stop() == 0


def _killed(gateway: Running) -> None:
    """All of its processes at once, so that none can tidy up."""
    for pid in (gateway.process.pid, *gateway.worker_pids()):
        os.kill(pid, signal.SIGKILL)
    gateway.stop(signal.SIGKILL)


def test_a_worker_that_was_killed_is_replaced(first: Running) -> None:
    key = first.client(model_aliases={"*": "demo"})
    (pid,) = first.worker_pids()
    os.kill(pid, signal.SIGKILL)
    first.wait_until(lambda: first.worker_pids() not in ([], [pid]), "a new worker")
    assert first.chat(key, QUESTION).status == 200


def started(folder: Path, config: Any, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A start that fails; `config` is settings, or the text of config.yaml."""
    file = folder / "config.yaml"
    file.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    places = {"GATEWAY_CONFIG": str(file), "GATEWAY_DATA_DIR": str(folder / "data")}
    return subprocess.run(
        SERVE,
        cwd=ROOT,
        env={**os.environ, **places, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


class TestAWrongSetting:
    @pytest.mark.parametrize(
        ("config", "told"),
        [
            ({"server": {"port": 70_000}}, ["server.port", "70000", "65535"]),
            ({"server": {"port": "http"}}, ["server.port", "http", "whole number"]),
            ({"server": {"workers": 0}}, ["server.workers", "0", "1"]),
            ({"logging": {"level": "loud"}}, ["logging.level", "loud", "debug"]),
            ({"upstream": {"idle_timeout": -1}}, ["upstream.idle_timeout", "-1", "0"]),
            ({"upstream": {"proxy": "localhost"}}, ["upstream.proxy", "http://"]),
            ({"server": {"prot": 1}}, ["server.prot"]),
            ({"sever": {"port": 1}}, ["sever"]),
            ({"providers": {"opnai": {"api_key": "x"}}}, ["providers", "opnai"]),
            ({"secret_key": "${NOT_THERE}"}, ["secret_key", "NOT_THERE"]),
            ("server: [", ["config.yaml"]),
            ("- 1", ["config.yaml"]),
        ],
    )
    def test_ends_the_start_with_status_2_and_a_line_that_tells(
        self, tmp_path: Path, config: Any, told: list[str]
    ) -> None:
        done = started(tmp_path, config)
        assert done.returncode == 2
        line = done.stderr.strip()
        assert "config.yaml" in line
        assert not [word for word in told if word not in line], line
        assert "Traceback" not in line and len(line.splitlines()) <= 3
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize(
        ("name", "value", "shown"),
        [
            ("PORT", "http", True),
            ("WEB_CONCURRENCY", "100", True),
            ("GATEWAY_ADMIN_TOKEN", "too-short-a-token", False),
            ("DATABASE_URL", "mysql://user:secret-word@host/db", False),
        ],
    )
    def test_of_the_environment_is_told_as_such(
        self, tmp_path: Path, name: str, value: str, shown: bool
    ) -> None:
        done = started(tmp_path, {}, **{name: value})
        assert done.returncode == 2
        assert name in done.stderr
        assert (value in done.stderr) is shown

    @pytest.mark.parametrize("workers", ["-1", "many"])
    def test_that_gunicorn_reads_before_ends_the_start_all_the_same(
        self, tmp_path: Path, workers: str
    ) -> None:
        done = started(tmp_path, {}, WEB_CONCURRENCY=workers)
        assert done.returncode not in (0, -signal.SIGTERM)
        assert workers in done.stderr

    def test_does_not_show_a_secret(self, tmp_path: Path) -> None:
        settings = {"admin": {"token": "short-secret"}, "metrics": {"password": "lonely-secret"}}
        done = started(tmp_path, settings)
        assert done.returncode == 2
        assert "admin.token" in done.stderr
        assert "-secret" not in done.stderr

    def test_of_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        done = started(tmp_path, {}, GATEWAY_CONFIG=str(tmp_path / "another.yaml"))
        assert done.returncode == 2
        assert "another.yaml" in done.stderr


class TestADatabaseThatCannotBeUsed:
    @pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" * 100])
    def test_is_not_served(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "data" / "gateway.db"
        file.parent.mkdir()
        file.write_bytes(content)
        done = started(tmp_path, {}, PORT=str(_free()))
        assert done.returncode not in (0, 2)
        assert "gateway.db" in done.stderr
        assert re.search("not a database|malformed", done.stderr)
        assert "Traceback" not in done.stderr
        assert "password" not in done.stdout
        assert file.read_bytes() == content

    def test_of_a_newer_version_is_not_served(self, tmp_path: Path, first: Running) -> None:
        (tmp_path / "data").mkdir()
        newer = sqlite3.connect(tmp_path / "data" / "gateway.db")
        with closing(sqlite3.connect(first.data / "gateway.db")) as current, closing(newer):
            current.backup(newer)
            with newer:
                newer.execute("UPDATE alembic_version SET version_num = '9999_future'")
        done = started(tmp_path, {}, PORT=str(_free()))
        assert done.returncode not in (0, 2)
        assert "9999_future" in done.stderr and "newer" in done.stderr

    def test_in_a_folder_that_is_a_file_is_not_served(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        done = started(tmp_path, {}, PORT=str(_free()))
        assert done.returncode not in (0, 2)
        assert str(tmp_path / "data") in done.stderr


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class TestAPortThatIsTaken:
    def test_fails_and_leaves_the_first_gateway_alone(self, first: Running) -> None:
        key = first.client(model_aliases={"*": "demo"})
        assert first.chat(key, QUESTION).status == 200
        before = first.metric("ai_gateway_requests_total", model="demo", status="200")
        done = started(first.folder, DEMO, PORT=str(first.port))
        assert done.returncode not in (0, 2)
        assert "in use" in done.stderr and str(first.port) in done.stderr
        assert "Traceback" not in done.stderr
        assert first.chat(key, QUESTION).status == 200
        after = first.metric("ai_gateway_requests_total", model="demo", status="200")
        assert after == before + 1 > 1


def test_an_end_waits_for_answers_and_for_nothing_else(tmp_path: Path, upstream: Upstream) -> None:
    stream = Sse(chunks(["Hello", " my", " friend"]), hang=[1, 2, 3, 4])
    whole = Json(completion(), hang="before-head")
    upstream.always(lambda received: stream if "stream" in received.json else whole)
    gateway = Running(tmp_path, {"server": {"graceful_timeout": 3600}})
    with gateway, Caller(gateway) as streaming, Caller(gateway) as waiting, Caller(gateway) as idle:
        key = gateway.client(provider="openai-compatible", provider_base_url=upstream.base_url)
        idle.send(request(None, None, method="GET", path="/health"))
        assert idle.answer().status == 200
        waiting.send(request(key))
        upstream.wait(1)
        streaming.send(request(key, STREAMED))
        _, headers = streaming.head()
        arriving = streaming.blocks(headers)
        begun = next(arriving)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_until(lambda: not _accepts(gateway), "the port to close")
        for _ in stream.parts():
            upstream.release()
        assert b"".join([begun, *arriving]) == b"".join(stream.parts())
        assert waiting.answer().status == 200
        assert gateway.stop() == 0
        assert streaming.ended() and waiting.ended() and idle.ended()
        assert {row["status"] for row in gateway.rows(2)} == {200}
        assert "Traceback" not in gateway.output


def _accepts(gateway: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), 1).close()
    except OSError:
        return False
    return True
