"""The start and the end of a gateway, in good order and in bad."""

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.failure.caller import QUESTION, STREAMED, Caller, request
from tests.running import PATIENCE, ROOT, Running
from tests.upstream import Sse, Upstream, chunks

SERVE = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"]
DEMO = {"demo": {"tokens_per_second": 0}}


def first_start_of(output: str) -> tuple[str, str, str]:
    """Password, key and curl line, as the first start prints them."""
    password = re.search(r"^Admin: .* user admin   password (\S+)$", output, re.MULTILINE)
    key = re.search(r"^Demo client: +(gm_\S{43})$", output, re.MULTILINE)
    curl = re.search(r"^curl .*$", output, re.MULTILINE)
    assert password and key and curl, output
    return password[1], key[1], curl[0]


class TestAFirstStart:
    def test_prints_all_that_a_newcomer_needs(self, tmp_path: Path) -> None:
        with Running(tmp_path, DEMO) as gateway:
            password, key, curl = first_start_of(gateway.output)
            assert gateway.output.startswith(f"AI Gateway is starting at {gateway.origin}\n")
            assert f"{gateway.origin}/admin " in gateway.output
            assert gateway.chat(key, {**QUESTION, "model": "demo"}).status == 200
            assert password not in curl
            assert "Traceback" not in gateway.output and "Warning" not in gateway.output

    def test_prints_a_line_that_a_shell_runs(self, tmp_path: Path) -> None:
        with Running(tmp_path, DEMO) as gateway:
            _, _, curl = first_start_of(gateway.output)
            said = subprocess.run(["sh", "-c", curl], capture_output=True, check=True).stdout
        assert b'"chat.completion"' in said
        assert b'"assistant"' in said

    def test_prints_it_before_the_port_opens(self, tmp_path: Path) -> None:
        """So that whoever waits for the port can read it."""
        gateway = Running(tmp_path)
        with gateway:
            pass
        lines = gateway.output.splitlines()
        assert lines[0].startswith("AI Gateway is starting")
        assert [line for line in lines if line.startswith("curl ")]

    def test_keeps_what_is_secret_from_others(self, tmp_path: Path) -> None:
        with Running(tmp_path) as gateway:
            assert _mode(gateway.data) == 0o700
            assert _mode(gateway.data / "secret.key") == 0o600

    def test_makes_no_key_file_where_a_key_is_given(self, tmp_path: Path) -> None:
        secret = {"GATEWAY_SECRET_KEY": "a secret of one's own"}
        with Running(tmp_path, environment=secret) as gateway:
            assert not (gateway.data / "secret.key").exists()
            assert secret["GATEWAY_SECRET_KEY"] not in gateway.output

    def test_shows_no_password_that_was_given(self, tmp_path: Path) -> None:
        with Running(tmp_path, environment={"GATEWAY_ADMIN_PASSWORD": "of-my-own"}) as gateway:
            assert "of-my-own" not in gateway.output
            assert "user admin" in gateway.output


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestALaterStart:
    def test_prints_neither_password_nor_key(self, tmp_path: Path) -> None:
        gateway = Running(tmp_path, DEMO)
        with gateway:
            first = gateway.output
            password, key, _ = first_start_of(first)
            gateway.stop()
            gateway.start()
            later = gateway.output.removeprefix(first)
            assert f"AI Gateway is starting at {gateway.origin}\n" in later
            assert password not in later and key not in later
            assert "password" not in later and "curl" not in later
            assert gateway.chat(key, {**QUESTION, "model": "demo"}).status == 200

    def test_follows_a_kill_without_an_error(self, tmp_path: Path) -> None:
        gateway = Running(tmp_path, DEMO, workers=2)
        with gateway:
            _, key, _ = first_start_of(gateway.output)
            for _ in range(2):
                made = gateway.client(model_aliases={"*": "demo"})
                for pid in (gateway.process.pid, *gateway.worker_pids()):
                    os.kill(pid, signal.SIGKILL)
                gateway.stop(signal.SIGKILL)
                gateway.start()
                assert gateway.chat(made, QUESTION).status == 200
            assert gateway.chat(key, {**QUESTION, "model": "demo"}).status == 200
            assert "Traceback" not in gateway.output
            assert gateway.output.count("password") == 1
        with closing(sqlite3.connect(gateway.data / "gateway.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def test_replaces_a_worker_that_was_killed(self, tmp_path: Path) -> None:
        with Running(tmp_path, DEMO) as gateway:
            key = gateway.client(model_aliases={"*": "demo"})
            (pid,) = gateway.worker_pids()
            os.kill(pid, signal.SIGKILL)
            gateway.wait_until(lambda: gateway.worker_pids() not in ([], [pid]), "a new worker")
            assert gateway.chat(key, QUESTION).status == 200


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
            ({"server": {"port": "http"}}, ["server.port", "http", "integer"]),
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
            ("WEB_CONCURRENCY", "-1", True),
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

    def test_of_a_newer_version_is_not_served(self, tmp_path: Path) -> None:
        with Running(tmp_path) as gateway:
            pass
        with closing(sqlite3.connect(gateway.data / "gateway.db")) as database, database:
            database.execute("UPDATE alembic_version SET version_num = '9999_future'")
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
    def test_fails_and_leaves_the_first_gateway_alone(self, tmp_path: Path) -> None:
        with Running(tmp_path, DEMO) as gateway:
            key = gateway.client(model_aliases={"*": "demo"})
            assert gateway.chat(key, QUESTION).status == 200
            done = started(tmp_path, DEMO, PORT=str(gateway.port))
            assert done.returncode not in (0, 2)
            assert "in use" in done.stderr and str(gateway.port) in done.stderr
            assert "Traceback" not in done.stderr
            assert gateway.chat(key, QUESTION).status == 200
            assert gateway.metric("ai_gateway_requests_total", model="demo", status="200") == 2


class TestAnEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
    def test_is_in_good_order(self, tmp_path: Path, number: int) -> None:
        with Running(tmp_path) as gateway:
            assert gateway.stop(number) == 0
            assert "Traceback" not in gateway.output

    def test_lets_a_stream_run_to_its_end(self, tmp_path: Path, upstream: Upstream) -> None:
        said = Sse(chunks(["Hello", " my", " friend"]), hang=[1, 2, 3, 4])
        upstream.always(said)
        with Running(tmp_path) as gateway, Caller(gateway) as caller:
            key = gateway.client(provider="openai-compatible", provider_base_url=upstream.base_url)
            caller.send(request(key, STREAMED))
            _, headers = caller.head()
            arriving = caller.blocks(headers)
            parts = [next(arriving)]
            gateway.process.send_signal(signal.SIGTERM)
            gateway.wait_until(lambda: not _accepts(gateway), "the port to close")
            for _ in range(4):
                upstream.requests[0].release()
            assert b"".join([*parts, *arriving]) == b"".join(said.parts())
            assert gateway.stop() == 0
            (row,) = gateway.rows()
            assert (row["status"], row["finish_reason"]) == (200, "stop")

    def test_lets_a_whole_answer_come(self, tmp_path: Path, upstream: Upstream) -> None:
        upstream.always(Sse([], hang="before-head"))
        with Running(tmp_path) as gateway, Caller(gateway) as caller:
            key = gateway.client(provider="openai-compatible", provider_base_url=upstream.base_url)
            caller.send(request(key))
            upstream.wait()
            gateway.process.send_signal(signal.SIGTERM)
            gateway.wait_until(lambda: not _accepts(gateway), "the port to close")
            upstream.requests[0].release()
            assert caller.answer().status == 502  # it is no answer, but the call was not cut
            assert caller.ended()
            assert gateway.stop() == 0

    def test_does_not_wait_for_connections_that_only_wait(self, tmp_path: Path) -> None:
        """A client keeps its connection for its next call; nothing of it is being answered."""
        settings = {"server": {"graceful_timeout": 3600}}
        with Running(tmp_path, settings) as gateway, Caller(gateway) as caller:
            caller.send(request(None, None, method="GET", path="/health"))
            assert caller.answer().status == 200
            assert gateway.stop() == 0
            assert caller.ended()
            assert "Traceback" not in gateway.output

    def test_does_not_wait_for_a_stream_for_ever(self, tmp_path: Path, upstream: Upstream) -> None:
        upstream.always(Sse(chunks(), hang=1))
        settings = {"server": {"graceful_timeout": 1}}
        with Running(tmp_path, settings) as gateway, Caller(gateway) as caller:
            key = gateway.client(provider="openai-compatible", provider_base_url=upstream.base_url)
            caller.send(request(key, STREAMED))
            caller.head()
            gateway.stop()
            assert upstream.requests[0].hung_up.wait(5)


def _accepts(gateway: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), 1).close()
    except OSError:
        return False
    return True
