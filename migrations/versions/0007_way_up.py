"""When upstream was asked, how long it took to connect, and what was sent to it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with _request_logs() as logs:
        logs.add_column(sa.Column("asked_ms", sa.Double))
        logs.add_column(sa.Column("connect_ms", sa.Double))
    with op.batch_alter_table("request_bodies", recreate=_recreate()) as bodies:
        bodies.add_column(sa.Column("sent", sa.Text))
        bodies.add_column(sa.Column("sent_head", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("request_bodies", recreate=_recreate()) as bodies:
        bodies.drop_column("sent_head")
        bodies.drop_column("sent")
    with _request_logs() as logs:
        logs.drop_column("connect_ms")
        logs.drop_column("asked_ms")


def _request_logs():
    return op.batch_alter_table(
        "request_logs", recreate=_recreate(), table_kwargs={"sqlite_autoincrement": True}
    )


def _recreate():
    return "always" if op.get_bind().dialect.name == "sqlite" else "never"
