"""A real gateway under gunicorn and gevent, on a free port, in a folder of its own."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "test-admin-token-of-more-than-32-characters"
PATIENCE = 60.0


class Answered:
    """An HTTP answer, read to its end."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.header_pairs = headers
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object of an answer in OpenAI's dialect."""
        error: dict[str, Any] = self.json["error"]
        return error


class Running:
    """`with Running(folder, {"upstream": {"max_retries": 0}}) as gateway:`

    `settings` become its config.yaml; `environment` is added to its environment.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any] | None = None,
        *,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.workers = workers
        self.settings = dict(settings or {})
        self.environment = dict(environment or {})
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base_url = self.origin + "/v1"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients = 0

    def __enter__(self) -> "Running":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the gateway was not started"
        return self._process

    @property
    def output(self) -> str:
        """What it has printed so far, on both of its outputs."""
        return (self.folder / "output").read_text()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self.settings))
        output = open(self.folder / "output", "ab")
        with output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py"],
                cwd=ROOT,
                env=self._environment(config),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.wait_until(self._answers, "the gateway to answer")

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ends it and gives its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal_number)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    @contextmanager
    def asleep(self, *pids: int) -> Iterator[None]:
        """While these workers sleep, the others take what comes."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def client(self, **fields: Any) -> str:
        """A new client; gives its key."""
        return str(self.new_client(**fields)["api_key"])

    def new_client(self, **fields: Any) -> dict[str, Any]:
        """A new client as the admin API answers it: `{"client": {…}, "api_key": …}`."""
        self._clients += 1
        fields.setdefault("name", f"client {self._clients} {os.urandom(3).hex()}")
        made = self.admin("POST", "/clients", fields)
        assert made.status == 201, made.body
        answer: dict[str, Any] = made.json
        return answer

    def admin(self, method: str, path: str, body: Any = None) -> Answered:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return self.call(method, "/admin/api" + path, data, headers)

    def chat(self, key: str | None, body: Any, **headers: str) -> Answered:
        """POST /v1/chat/completions; a body of bytes goes as it is."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Content-Type", "application/json")
        if key is not None:
            given["Authorization"] = f"Bearer {key}"
        return self.call("POST", "/v1/chat/completions", data, given)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        parts = urlsplit(self.origin)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answered(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def rows(self, count: int | None = None, **where: Any) -> list[dict[str, Any]]:
        """Rows of request_logs in their order; waits until there are `count` of them."""

        def enough() -> bool:
            return count is None or len(self._read_rows(where)) >= count

        self.wait_until(enough, f"{count} rows in the log")
        return self._read_rows(where)

    def metric(self, name: str, **labels: str) -> float:
        """A figure of /metrics, summed over the labels that are not given; 0 if it is not there."""
        total = 0.0
        for line in self.call("GET", "/metrics").body.decode().splitlines():
            found, _, value = line.rpartition(" ")
            fits = all(f'{label}="{wanted}"' in found for label, wanted in labels.items())
            if found.partition("{")[0] == name and fits:
                total += float(value)
        return total

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self._process is not None and self._process.poll() is not None:
                raise AssertionError(f"the gateway ended:\n{self.output}")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}:\n{self.output}")
            time.sleep(0.02)

    def wait_everywhere(self, condition: Callable[[], bool], what: str) -> None:
        """Until each worker says so, alone: they hear of changes within a second."""
        pids = self.worker_pids()
        for pid in pids:
            with self.asleep(*(other for other in pids if other != pid)):
                self.wait_until(condition, what)

    def tools_on(self, *names: str) -> None:
        """Switches these tools on and all others off, in every worker."""
        assert self.admin("PUT", "/tools", {"enabled": names}).status == 200
        self.wait_everywhere(
            lambda: self.admin("GET", "/tools").json["enabled"] == list(names), "the tools"
        )

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/health").status == 200
        except OSError:
            return False

    def _read_rows(self, where: Mapping[str, Any]) -> list[dict[str, Any]]:
        url = self.environment.get("DATABASE_URL")
        return self._rows_of_postgresql(url, where) if url else self._rows_of_sqlite(where)

    def _rows_of_sqlite(self, where: Mapping[str, Any]) -> list[dict[str, Any]]:
        database = sqlite3.connect(self.data / "gateway.db", timeout=10)
        try:
            database.row_factory = sqlite3.Row
            condition = " AND ".join(f"{name} IS ?" for name in where) or "1"
            rows = database.execute(
                f"SELECT * FROM request_logs WHERE {condition} ORDER BY id", tuple(where.values())
            )
            return [dict(row) for row in rows]
        finally:
            database.close()

    def _rows_of_postgresql(self, url: str, where: Mapping[str, Any]) -> list[dict[str, Any]]:
        import psycopg
        from psycopg.rows import dict_row

        condition = " AND ".join(f"{name} IS NOT DISTINCT FROM %s" for name in where) or "true"
        query = f"SELECT * FROM request_logs WHERE {condition} ORDER BY id"
        with psycopg.connect(url, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), list(where.values())).fetchall()

    def _environment(self, config: Path) -> dict[str, str]:
        own = ("GATEWAY_", "DATABASE_URL", "REDIS_URL", "HOST", "PORT", "WEB_CONCURRENCY")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(own)}
        return {
            **inherited,
            "GATEWAY_CONFIG": str(config),
            "GATEWAY_DATA_DIR": str(self.data),
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(self.workers),
            "PYTHONWARNINGS": "default",
            **self.environment,
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
