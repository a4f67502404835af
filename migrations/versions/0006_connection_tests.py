"""The last test of each client's connection."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "connection_tests",
        sa.Column("client_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("run", sa.String(32), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_base_url", sa.String(1000)),
        sa.Column("model", sa.String(255)),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("results", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_connection_tests"),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.id"],
            name="fk_connection_tests_client_id",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("connection_tests")
