"""What a start does and says, the first time and every other time."""

import json
import os
import re
import shlex
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.config import ROOT, Settings, load
from gateway.store import admins
from gateway.store.client_book import ClientBook
from gateway.store.clients import ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.first_run import address, prepare
from gateway.store.migration import MigrationFailed, is_current
from gateway.store.vault import Vault
from tests.store.conftest import environment_of, on_sqlite

FIRST_START = re.compile(
    r"AI Gateway is starting at http://127\.0\.0\.1:8090\n"
    r"Admin:        http://127\.0\.0\.1:8090/admin   user admin   password (?P<password>\w{16})\n"
    r"Demo client:  (?P<key>gm_[\w-]{43})\n"
    r"Try it:\n"
    r"(?P<call>curl http://127\.0\.0\.1:8090/v1/chat/completions [^\n]*)"
)
A_LATER_START = "AI Gateway is starting at http://127.0.0.1:8090"


def said(settings: Settings) -> str:
    lines: list[str] = []
    prepare(settings, lines.append)
    return "\n".join(lines)


def can_sign_in(settings: Settings, password: str) -> bool:
    engine = open_engine(settings)
    admin = admins.check(engine, "admin", password)
    engine.dispose()
    return admin is not None


def key_works(settings: Settings, key: str) -> bool:
    engine = open_engine(settings)
    client = ClientDirectory(engine, Vault(settings)).by_key(key)
    engine.dispose()
    return client is not None and (client.provider, client.default_model) == ("demo", "demo")


def test_the_first_start_says_how_to_come_in(settings: Settings) -> None:
    told = FIRST_START.fullmatch(said(settings))
    assert told
    assert can_sign_in(settings, told["password"])
    assert key_works(settings, told["key"])


def test_the_printed_call_is_one_that_a_shell_understands(settings: Settings) -> None:
    told = FIRST_START.fullmatch(said(settings))
    assert told
    _, url, *options = shlex.split(told["call"])
    assert options[:4] == [
        "-H",
        f"Authorization: Bearer {told['key']}",
        "-H",
        "Content-Type: application/json",
    ]
    assert options[4] == "-d" and json.loads(options[5])["model"] == "demo"


def test_a_later_start_says_the_address_only(settings: Settings) -> None:
    said(settings)
    assert [said(settings), said(settings)] == [A_LATER_START, A_LATER_START]


def test_a_deleted_demo_client_does_not_come_back(settings: Settings) -> None:
    said(settings)
    engine = open_engine(settings)
    book = ClientBook(engine, Vault(settings), settings, lambda: None)
    book.delete(book.find("demo").id)
    engine.dispose()
    assert said(settings) == A_LATER_START


def test_a_given_password_is_set_and_not_said(settings: Settings) -> None:
    given = load(environment_of(settings, GATEWAY_ADMIN_PASSWORD="of my own"))
    assert "user admin   password (the one that is set)\nDemo client:  gm_" in said(given)
    assert can_sign_in(given, "of my own")
    other = load(environment_of(settings, GATEWAY_ADMIN_PASSWORD="another"))
    assert said(other) == A_LATER_START
    assert not can_sign_in(other, "another")


def test_the_folder_and_the_key_are_for_their_owner_alone(settings: Settings) -> None:
    said(settings)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((settings.data_dir / "secret.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("0.0.0.0", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:9000"),
        ("::1", "http://[::1]:9000"),
        ("gateway.example", "http://gateway.example:9000"),
    ],
)
def test_the_address_is_one_for_a_browser(host: str, shown: str) -> None:
    assert address(load({"HOST": host, "PORT": "9000"})) == shown


class Deaf(Exception):
    pass


def test_what_could_not_be_said_did_not_happen(settings: Settings) -> None:
    def fail(text: str) -> None:
        raise Deaf("nobody listens")

    with pytest.raises(MigrationFailed, match="nobody listens"):
        prepare(settings, fail)
    assert not is_current(settings)
    assert FIRST_START.fullmatch(said(settings))


CHILD = """
import os, signal, sys
from gateway.config import load
from gateway.store.first_run import prepare

def say(text):
    print(text, flush=True)
    if sys.argv[1:] == ["die"]:
        os.kill(os.getpid(), signal.SIGKILL)

prepare(load(), say)
"""


def start(settings: Settings, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        cwd=ROOT,
        env=os.environ | environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_killed_after_the_words_and_before_the_deed(settings: Settings) -> None:
    first = start(settings, "die")
    output, _ = first.communicate()
    assert first.returncode == -signal.SIGKILL
    lost = FIRST_START.fullmatch(output.strip())
    told = FIRST_START.fullmatch(said(settings))
    assert lost and told
    assert can_sign_in(settings, told["password"])
    assert key_works(settings, told["key"]) and not key_works(settings, lost["key"])


def test_of_four_starts_at_once_one_makes_the_installation(settings: Settings) -> None:
    outputs = [process.communicate()[0].strip() for process in [start(settings) for _ in range(4)]]
    assert sorted(outputs)[:3] == [A_LATER_START] * 3
    told = FIRST_START.fullmatch(max(outputs, key=len))
    assert told and key_works(settings, told["key"])


@on_sqlite
class TestWhatGoesWrong:
    def test_no_database(self, settings: Settings) -> None:
        settings.data_dir.mkdir()
        path = settings.data_dir / "gateway.db"
        path.write_bytes(b"no database" * 1000)
        with pytest.raises(MigrationFailed, match="file is not a database. .* restore a backup"):
            said(settings)
        assert path.read_bytes() == b"no database" * 1000

    def test_somebody_elses_database(self, settings: Settings) -> None:
        settings.data_dir.mkdir()
        with closing(sqlite3.connect(settings.data_dir / "gateway.db")) as connection:
            connection.execute("CREATE TABLE clients (x)").close()
        with pytest.raises(MigrationFailed, match="table clients already exists"):
            said(settings)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("a file")
        with pytest.raises(MigrationFailed, match="data/gateway.db: .* File exists"):
            said(load({"GATEWAY_DATA_DIR": str(tmp_path / "data")}))

    def test_a_folder_of_the_database_that_is_missing(
        self, settings: Settings, tmp_path: Path
    ) -> None:
        environ = {"GATEWAY_DATA_DIR": str(settings.data_dir)}
        missing = environ | {"DATABASE_URL": f"sqlite:///{tmp_path}/missing/g.db"}
        with pytest.raises(MigrationFailed, match="unable to open database file"):
            said(load(missing))

    def test_an_empty_secret_key(self, settings: Settings) -> None:
        settings.data_dir.mkdir()
        (settings.data_dir / "secret.key").touch()
        with pytest.raises(MigrationFailed, match="secret.key is empty"):
            said(settings)
        assert not is_current(settings)

    def test_no_password_of_the_database_is_told(self, settings: Settings) -> None:
        """Whether the driver is missing or nobody listens at that port."""
        url = "postgresql://user:hush@127.0.0.1:1/gateway"
        environ = {"GATEWAY_DATA_DIR": str(settings.data_dir), "DATABASE_URL": url}
        with pytest.raises(MigrationFailed, match="user:.*@127.0.0.1:1/gateway") as failure:
            said(load(environ))
        assert "hush" not in str(failure.value)


@on_sqlite
def test_to_look_is_cheap(settings: Settings) -> None:
    """gunicorn's master looks, and keeps what it has loaded for its whole life."""
    said(settings)
    code = (
        "import sys\nfrom gateway.config import load\n"
        "from gateway.store.migration import is_current\n"
        "from gateway.store.first_run import address_line\n"
        "assert is_current(load()) and address_line(load())\n"
        "print({'flask', 'sqlalchemy', 'alembic', 'cryptography'} & sys.modules.keys())"
    )
    environ = os.environ | {"GATEWAY_DATA_DIR": str(settings.data_dir)}
    output = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=environ, text=True)
    assert output.strip() == "set()"
