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
CLIENT, PROVIDER, MODEL = "COALESCE(client_id, 0)", "COALESCE(provider, '')", "COALESCE(model, '')"
SCOPES = {
    "all": ("0", "''", "''"),
    "client": (CLIENT, "''", "''"),
    "provider": ("0", PROVIDER, "''"),
    "model": ("0", PROVIDER, MODEL),
    "each": (CLIENT, PROVIDER, MODEL),
}
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
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_rollups_client_id_grain_scope_bucket",
        "rollups",
        ["client_id", "grain", "scope", "bucket"],
    )
    for grain, minutes in {"m": 1, "h": 60, "d": 24 * 60}.items():
        for scope, who in SCOPES.items():
            if scope != "each" or grain != "m":
                op.execute(_add_up(grain, scope, minutes, who))


def _add_up(grain: str, scope: str, minutes: int, who: tuple[str, str, str]) -> str:
    """The statement that adds the rows up that are there already; none of them has a cost."""
    bucket = f"started_at / {minutes * 60_000}"
    sums = [
        "COUNT(*)",
        _count("status >= 400"),
        _count("estimated"),
        _count("input_tokens IS NOT NULL OR output_tokens IS NOT NULL"),
        *(f"COALESCE(SUM({column}), 0)" for column in SUMS[:5]),
        *("0", "0", "0"),
        *(_count(f"status < 400 AND {_within('total_ms', n)}") for n in BINS),
        *(_count(f"streamed AND {_within('first_byte_ms', n)}") for n in BINS),
    ]
    key = ", ".join((bucket, *who))
    columns = ", ".join(
        ("grain", "scope", "bucket", "client_id", "provider", "model", *COUNTS, *SUMS, *HISTOGRAMS)
    )
    return (
        f"INSERT INTO rollups ({columns}) SELECT '{grain}', '{scope}', {key}, {', '.join(sums)} "
        f"FROM request_logs GROUP BY {', '.join((bucket, *(one for one in who if '(' in one)))}"
    )


def _count(condition: str) -> str:
    return f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"


def _within(column: str, number: int) -> str:
    """Beyond the bin below, up to the bin's own bound."""
    above = f"{column} > {BOUNDS[number - 1]}" if number else f"{column} IS NOT NULL"
    return f"{above} AND {column} <= {BOUNDS[number]}" if number < len(BOUNDS) else above


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
