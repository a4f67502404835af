"""The MCP server of the tests in a process of its own, that can be killed and comes back."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gevent

from gateway.config import McpServer
from tests.running import PATIENCE, ROOT, free_port


class Serving:
    def __init__(self, folder: Path, *options: str) -> None:
        self.options = options
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._output = folder / f"mcp-{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Serving":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def start(self) -> None:
        with open(self._output, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.tools.mcp_server", str(self.port), *self.options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_until(self._listens)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: words in self.output)

    def wait_until(self, condition: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.output
            assert self._process is None or self._process.poll() is None, self.output
            gevent.sleep(0.02)  # the client under test may have something to do

    def settings(self, **fields: Any) -> McpServer:
        return McpServer.model_validate(self.written(**fields))

    def written(self, **fields: Any) -> dict[str, Any]:
        """As in config.yaml."""
        return {"name": "test", "url": self.url, "headers": {"X-Key": "the-key"}, **fields}

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False
