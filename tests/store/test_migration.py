"""The schema: how it gets to its newest revision, and what happens when it cannot."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import ProgrammingError

from gateway.config import Settings, load
from gateway.extensions import Base
from gateway.store import migration
from gateway.store.migration import MigrationFailed, head, is_current, migration_engine, upgrade
from tests.store.conftest import on_postgresql, on_sqlite
from tests.store.test_rollups import expected, stored, stored_ids


@pytest.fixture
def database(settings: Settings) -> Path:
    """Where the file will be, in a folder that is there."""
    settings.data_dir.mkdir()
    return settings.data_dir / "gateway.db"


def migrate(settings: Settings) -> None:
    with migration_engine(settings) as engine, engine.begin() as connection:
        upgrade(connection)


def execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement).close()


def names(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_an_empty_database_gets_the_tables_of_the_models(
    settings: Settings, database: Path
) -> None:
    migrate(settings)
    with migration_engine(settings) as engine, engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


@on_sqlite
def test_the_migrated_and_the_modelled_schema_are_the_same_text(
    settings: Settings, database: Path, tmp_path: Path
) -> None:
    """What the comparison above does not see: AUTOINCREMENT, and the names of constraints."""
    migrate(settings)
    modelled = tmp_path / "modelled.db"
    with migration_engine(load({"DATABASE_URL": f"sqlite:///{modelled}"})) as engine:
        Base.metadata.create_all(engine)
    assert statements(database) - statements(modelled) == set()
    assert statements(modelled) - statements(database) == set()


def statements(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        made = connection.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
        )
        # SQLite quotes the name of a table that was built anew by a migration.
        texts = [sql.replace('"', "") for (sql,) in made if sql]
        return {line.strip(" \t,)") for text in texts for line in text.splitlines()}


@on_sqlite
def test_a_second_time_changes_nothing(settings: Settings, database: Path) -> None:
    migrate(settings)
    before = names(database)
    migrate(settings)
    assert names(database) == before


def test_the_head_is_the_one_that_alembic_finds() -> None:
    assert head() == ScriptDirectory(str(migration.FOLDER)).get_current_head()


def test_every_revision_is_named_by_its_file() -> None:
    revisions = list(ScriptDirectory(str(migration.FOLDER)).walk_revisions())
    files = [Path(one.path).name.partition("_")[0] for one in revisions]
    assert files == [one.revision for one in revisions]


@on_sqlite
class TestIsCurrent:
    def test_not_without_a_database(self, settings: Settings) -> None:
        assert not is_current(settings)
        assert not settings.data_dir.exists()

    def test_not_before_its_first_rows_are_there(self, settings: Settings, database: Path) -> None:
        migrate(settings)
        assert not is_current(settings)
        add_admin(database)
        assert is_current(settings)

    def test_not_at_another_revision(self, settings: Settings, database: Path) -> None:
        migrate(settings)
        add_admin(database)
        execute(database, "UPDATE alembic_version SET version_num = '0000'")
        assert not is_current(settings)

    def test_not_with_a_file_that_is_no_database(self, settings: Settings, database: Path) -> None:
        database.write_bytes(b"no database" * 1000)
        assert not is_current(settings)

    def test_not_with_another_kind_of_database(self) -> None:
        assert not is_current(load({"DATABASE_URL": "postgresql://host/name"}))

    def test_a_path_with_every_kind_of_character(self, tmp_path: Path) -> None:
        settings = load({"GATEWAY_DATA_DIR": str(tmp_path / "a b#c%20d?e=f")})
        settings.data_dir.mkdir()
        migrate(settings)
        assert not is_current(settings)
        add_admin(settings.data_dir / "gateway.db")
        assert is_current(settings)


def add_admin(database: Path) -> None:
    columns = "username, password_hash, role, session_epoch, created_at"
    execute(database, f"INSERT INTO admins ({columns}) VALUES ('admin', '', 'admin', 1, '')")


@on_sqlite
def test_a_newer_database_is_left_alone(settings: Settings, database: Path) -> None:
    migrate(settings)
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationFailed, match="of a newer version .* Update the gateway"):
        migrate(settings)
    assert "clients" in names(database)


@on_sqlite
def test_a_migration_that_fails_half_way_leaves_no_trace(
    settings: Settings, database: Path
) -> None:
    execute(database, "CREATE TABLE admins (somebody_elses INTEGER)")
    with pytest.raises(Exception, match="table admins already exists"):
        migrate(settings)
    assert names(database) == {"admins"}
    execute(database, "DROP TABLE admins")
    migrate(settings)
    assert "clients" in names(database)


@on_sqlite
def test_down_and_up_again(settings: Settings, database: Path) -> None:
    migrate(settings)
    before = statements(database)
    downgrade(settings)
    assert names(database) <= {
        "alembic_version",
        "sqlite_autoindex_alembic_version_1",
        "sqlite_sequence",
    }
    migrate(settings)
    assert statements(database) == before


def downgrade(settings: Settings, revision: str = "base") -> None:
    from alembic import command

    with migration_engine(settings) as engine, engine.begin() as connection:
        command.downgrade(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> Config:
    config = Config(migration.FOLDER / "alembic.ini")
    config.set_main_option("script_location", str(migration.FOLDER))
    config.attributes["connection"] = connection
    return config


@on_postgresql
class TestOnPostgresql:
    def test_it_goes_down_and_up_again(self, settings: Settings) -> None:
        migrate(settings)
        downgrade(settings)
        assert tables(settings) == {"alembic_version"}
        migrate(settings)
        migrate(settings)
        assert tables(settings) == {"alembic_version", *Base.metadata.tables}

    def test_a_newer_one_is_left_alone(self, settings: Settings) -> None:
        migrate(settings)
        tell(settings, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(MigrationFailed, match="of a newer version"):
            migrate(settings)

    def test_one_that_fails_half_way_leaves_no_trace(self, settings: Settings) -> None:
        tell(settings, "CREATE TABLE admins (somebody_elses INTEGER)")
        with pytest.raises(ProgrammingError, match="already exists"):
            migrate(settings)
        assert tables(settings) == {"admins"}


def tables(settings: Settings) -> set[str]:
    with migration_engine(settings) as engine, engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def tell(settings: Settings, statement: str) -> None:
    with migration_engine(settings) as engine, engine.begin() as connection:
        connection.execute(text(statement))


def test_rows_of_an_older_version_are_added_up(settings: Settings) -> None:
    settings.data_dir.mkdir()
    upgrade_to(settings, "0001")
    columns = (
        "request_id, client_id, provider, model, started_at, status, streamed, estimated, "
        "total_ms, first_byte_ms, input_tokens, output_tokens, door, attempts"
    )
    rows = [
        "'r1', 1, 'openai', 'one', 1790000000000, 200, true, false, 10.0, 5.5, 7, 3, 'openai', 1",
        "'r2', 1, 'openai', 'one', 1790000001000, 200, true, true, 10.1, NULL, 7, 3, 'openai', 1",
        "'r3', 2, 'openai', 'two', 1790009000000, 502, false, false, 9e9, 9e9, 1, 1, 'openai', 1",
        "'r4', NULL, NULL, NULL, 1790000000000, 401, false, false, 1, NULL, NULL, NULL, 'x', 0",
        "'r5', 1, 'openai', 'one', 1790100000000, 200, true, false, 9e9, 9e9, 7, 3, 'openai', 1",
    ]
    for row in rows:
        tell(settings, f"INSERT INTO request_logs ({columns}) VALUES ({row})")
    migrate(settings)
    with migration_engine(settings) as engine:
        assert len(stored_ids(engine)) == len(rows)
        assert stored(engine) == expected(engine)


def upgrade_to(settings: Settings, revision: str) -> None:
    from alembic import command

    with migration_engine(settings) as engine, engine.begin() as connection:
        command.upgrade(alembic_config(connection), revision)
