"""Clients of one state are counted and listed along an index."""

from alembic import op

revision = "0009"
down_revision = "0008"
COLUMNS = ("expires_at", "name")


def upgrade() -> None:
    for column in COLUMNS:
        op.create_index(f"ix_clients_is_active_{column}", "clients", ["is_active", column])


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_index(f"ix_clients_is_active_{column}", "clients")
