"""What the gateway's own tools were asked, in the log of requests."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with _request_logs() as logs:
        logs.add_column(sa.Column("tool_rounds", sa.JSON))


def downgrade() -> None:
    with _request_logs() as logs:
        logs.drop_column("tool_rounds")


def _request_logs():
    return op.batch_alter_table(
        "request_logs",
        recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
        table_kwargs={"sqlite_autoincrement": True},
    )
