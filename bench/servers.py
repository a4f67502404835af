"""gunicorn and what it serves, each with one worker that is pinned to a core of its own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from bench import process

ROOT = Path(__file__).resolve().parent.parent
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
# A budget needs a price. JSON is YAML, too.
_PRICES = '{"prices": {"openai-compatible": {"*": {"input": "0.15", "output": "0.60"}}}}'
PASSWORD = "of the bench's administrator"
_TOKEN = "bench-admin-token-of-more-than-32-characters"
_PATIENCE = 30.0


class NotServing(Exception):
    """A server did not start, or would not do what it was asked."""


class Server:
    """`with Server(…) as server:` serves on its port; what it prints goes to a file in `folder`."""

    path = "/"

    def __init__(
        self, folder: Path, name: str, arguments: list[str], environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.port = free_port()
        self.folder = folder
        self._command = [sys.executable, "-m", "gunicorn", *arguments]
        self._environment = _clean_environment() | dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
            while not self.attempt("GET", "/"):
                time.sleep(0.02)
            process.pin(self.worker, process.cores()[0])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def worker(self) -> int:
        found = process.children(self.pid)
        if len(found) != 1:
            raise NotServing(f"{self.name} has {len(found)} workers instead of one")
        return found[0]

    def start(self) -> None:
        """Begins to start it, without waiting."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self._output, "ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started_at = time.monotonic()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self._process = None

    def attempt(self, method: str, path: str, body: str = "", key: str = "") -> int:
        """The answer's status, 0 while there is none yet. Raises NotServing if none will come."""
        with suppress(OSError, http.client.HTTPException):
            return self.call(method, path, body, key)[0]
        ended = self._process is None or self._process.poll() is not None
        if ended or time.monotonic() > self._started_at + _PATIENCE:
            raise NotServing(f"{self.name} does not serve:\n{self._output.read_text()[-3000:]}")
        return 0

    def call(self, method: str, path: str, body: str = "", key: str = "") -> tuple[int, bytes]:
        """Status and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        try:
            connection.request(method, path, body or None, headers if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @property
    def _output(self) -> Path:
        return self.folder / f"{self.name}.log"


class Reference(Server):
    """A small Flask app in the same kind of worker: `empty` or `relay`."""

    def __init__(self, folder: Path, name: str, upstream_port: int) -> None:
        super().__init__(folder, name, [], {"BENCH_UPSTREAM_PORT": str(upstream_port)})
        self.path = CHAT if name == "relay" else "/"
        self._command += ["--worker-class", "gevent", "--workers", "1", "--no-control-socket"]
        self._command += ["--worker-connections", "2000", "--keep-alive", "30"]
        self._command += ["--log-level", "warning", "--bind", f"127.0.0.1:{self.port}"]
        self._command.append(f"bench.{name}:create_app()")


class Gateway(Server):
    """The gateway as `make run` starts it, with a data folder of its own and every default."""

    path = CHAT

    def __init__(self, folder: Path, config: str = "gunicorn.conf.py") -> None:
        settings = folder / "config.yaml"
        environment = {
            "GATEWAY_CONFIG": str(settings),
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_ADMIN_TOKEN": _TOKEN,
            "GATEWAY_ADMIN_PASSWORD": PASSWORD,
            "WEB_CONCURRENCY": "1",
            "BENCH_SAMPLES": str(folder / "samples.json"),
        }
        super().__init__(folder, "gateway", ["-c", config], environment)
        self._environment["PORT"] = str(self.port)
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(_PRICES)

    def client(self, **fields: Any) -> str:
        """The key of a new client."""
        status, said = self.call("POST", "/admin/api/clients", json.dumps(fields), _TOKEN)
        if status != 201:
            raise NotServing(f"The gateway makes no client: {status} {said!r}")
        key: str = json.loads(said)["api_key"]
        return key


class Upstream:
    """The static upstream, on the load's cores."""

    name, path = "upstream", CHAT

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.upstream"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.worker = self._process.pid
        process.pin(self.worker, process.cores()[1])
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _clean_environment() -> dict[str, str]:
    """Without what would change the gateway's settings."""
    own = ("GATEWAY_", "DATABASE_URL", "REDIS_URL", "HOST", "PORT", "WEB_CONCURRENCY", "GUNICORN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}
