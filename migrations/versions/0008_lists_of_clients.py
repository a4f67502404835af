"""What the list of clients is sorted by, and what providers count, is read along an index."""

from alembic import op

revision = "0008"
down_revision = "0007"
COLUMNS = ("provider", "created_at", "updated_at")


def upgrade() -> None:
    for column in COLUMNS:
        op.create_index(f"ix_clients_{column}", "clients", [column])


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_index(f"ix_clients_{column}", "clients")
