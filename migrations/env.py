"""Runs migrations on the connection that it is given, else (`flask db …`) on the app's database."""

from alembic import context
from sqlalchemy import Connection

from gateway.extensions import Base
from gateway.store import models  # noqa: F401  fills Base.metadata
from gateway.store.migration import migration_engine


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return

    from gateway.context import current_gateway

    with migration_engine(current_gateway.settings) as engine, engine.begin() as own:
        migrate(own)


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations are run on a database; --sql is not supported.")
run()
