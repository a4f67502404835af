"""An installation of its own for each test: settings, an empty database, a vault, the book."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store.client_book import ClientBook
from gateway.store.clients import ClientDirectory
from gateway.store.engine import open_engine
from gateway.store.vault import Vault


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"GATEWAY_DATA_DIR": str(tmp_path / "data")})


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
