"""An installation of its own for each test: settings, an empty database, a vault, the book."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, event

from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store.client_book import ClientBook
from gateway.store.clients import ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.vault import Vault
from tests.postgres import Postgres

Test = TypeVar("Test", bound=Callable[..., Any])


def on_sqlite(test: Test) -> Test:
    """For what another database does not have: a file, its pragmas, its one lock."""
    return _on("sqlite", test)


def on_postgresql(test: Test) -> Test:
    return _on("postgresql", test)


def _on(backend: str, test: Test) -> Test:
    chosen: Test = pytest.mark.parametrize("backend", [backend], indirect=True)(test)
    used: Test = pytest.mark.usefixtures("backend")(chosen)
    return used


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which database: each test that does not choose runs on all."""
    return str(request.param)


@pytest.fixture
def settings(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Settings:
    environment = {"GATEWAY_DATA_DIR": str(tmp_path / "data")}
    if backend == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = postgres.new_database()
    return load(environment)


def environment_of(settings: Settings, **more: str) -> dict[str, str]:
    """What makes another process, or another `load`, use the same installation."""
    url = {"DATABASE_URL": settings.database.url} if settings.database.url else {}
    return {"GATEWAY_DATA_DIR": str(settings.data_dir), **url, **more}


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    settings.data_dir.mkdir()
    engine = open_engine(settings)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings)


@pytest.fixture
def changes() -> list[str]:
    """Grows with each change that the book announces."""
    return []


@pytest.fixture
def book(engine: Engine, vault: Vault, settings: Settings, changes: list[str]) -> ClientBook:
    return ClientBook(engine, vault, settings, lambda: changes.append("changed"))


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(engine: Engine, vault: Vault, clock: Clock) -> ClientDirectory:
    return ClientDirectory(engine, vault, clock)


@pytest.fixture
def statements(engine: Engine) -> list[str]:
    """Every statement that has been sent to the database."""
    sent: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    return sent
