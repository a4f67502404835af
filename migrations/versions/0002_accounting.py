"""Cost, price, limits and flags of a request, its bodies, and what the log adds up to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BOUNDS = (
    *(10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000),
    *(8_000, 12_000, 16_000, 24_000, 40_000, 60_000, 120_000, 300_000),
)
BINS = range(len(BOUNDS) + 1)
COUNTS = ("requests", "errors", "estimated", "unpriced")
TOKENS = ("input", "output", "cached", "cache_write", "reasoning", "input_audio", "output_audio")
SUMS = (*(f"{name}_tokens" for name in TOKENS), "cost_pico")
HISTOGRAMS = (*(f"latency_{n:02}" for n in BINS), *(f"first_token_{n:02}" for n in BINS))


def upgrade() -> None:
    cost = sa.Numeric(24, 12).with_variant(sa.String(30), "sqlite")
    with _request_logs() as logs:
        logs.drop_column("audio_tokens")
        logs.add_column(sa.Column("input_audio_tokens", sa.BigInteger))
        logs.add_column(sa.Column("output_audio_tokens", sa.BigInteger))
        logs.add_column(sa.Column("cost_usd", cost))
        logs.add_column(sa.Column("price", sa.JSON))
        logs.add_column(sa.Column("limits", sa.JSON))
        logs.add_column(sa.Column("flags", sa.JSON))
    op.create_index("ix_request_logs_model_started_at", "request_logs", ["model", "started_at"])
    _partial_index("error_code", "error_code IS NOT NULL")
    _partial_index("status", "status <> 200")
    op.create_table(
        "request_bodies",
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("question", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("kept", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_request_bodies"),
    )
    op.create_index("ix_request_bodies_started_at", "request_bodies", ["started_at"])
    op.create_table(
        "rollups",
        sa.Column("grain", sa.CHAR(1), nullable=False),
        sa.Column("scope", sa.String(10), nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("client_id", sa.Integer, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
        *(sa.Column(name, sa.Integer, nullable=False) for name in HISTOGRAMS),
        sa.PrimaryKeyConstraint(
            "grain", "scope", "bucket", "client_id", "provider", "model", name="pk_rollups"
        ),
    )
    op.create_index(
        "ix_rollups_client_id_grain_scope_bucket",
        "rollups",
        ["client_id", "grain", "scope", "bucket"],
    )


def downgrade() -> None:
    op.drop_table("rollups")
    op.drop_table("request_bodies")
    for column in ("status", "error_code", "model"):
        op.drop_index(f"ix_request_logs_{column}_started_at", "request_logs")
    with _request_logs() as logs:
        for column in ("flags", "limits", "price", "cost_usd"):
            logs.drop_column(column)
        logs.drop_column("output_audio_tokens")
        logs.drop_column("input_audio_tokens")
        logs.add_column(sa.Column("audio_tokens", sa.BigInteger))


def _request_logs():
    return op.batch_alter_table(
        "request_logs",
        recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
        table_kwargs={"sqlite_autoincrement": True},
    )


def _partial_index(column: str, condition: str) -> None:
    op.create_index(
        f"ix_request_logs_{column}_started_at",
        "request_logs",
        [column, "started_at"],
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
