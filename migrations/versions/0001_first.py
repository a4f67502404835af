"""Clients and their keys, administrators, the log of requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    money = sa.Numeric(16, 6).with_variant(sa.String(20), "sqlite")
    big_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

    op.create_table(
        "clients",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("key_prefix", sa.String(12), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_api_key", sa.Text),
        sa.Column("provider_base_url", sa.String(1000)),
        sa.Column("provider_api_version", sa.String(255)),
        sa.Column("default_model", sa.String(255)),
        sa.Column("allowed_models", sa.JSON, nullable=False),
        sa.Column("model_aliases", sa.JSON, nullable=False),
        sa.Column("fallback_models", sa.JSON, nullable=False),
        sa.Column("system_prompt", sa.Text),
        sa.Column("tool_mode", sa.String(20), nullable=False),
        sa.Column("server_tools", sa.JSON, nullable=False),
        sa.Column("strict_params", sa.Boolean, nullable=False),
        sa.Column("allow_unpriced", sa.Boolean, nullable=False),
        sa.Column("rate_limit_minute", sa.BigInteger),
        sa.Column("rate_limit_hour", sa.BigInteger),
        sa.Column("rate_limit_day", sa.BigInteger),
        sa.Column("tokens_per_minute", sa.BigInteger),
        sa.Column("max_concurrent", sa.BigInteger),
        sa.Column("quota_requests_day", sa.BigInteger),
        sa.Column("quota_input_tokens_day", sa.BigInteger),
        sa.Column("quota_output_tokens_day", sa.BigInteger),
        sa.Column("max_input_tokens", sa.BigInteger),
        sa.Column("max_output_tokens", sa.BigInteger),
        sa.Column("budget_usd_day", money),
        sa.Column("budget_usd_month", money),
        sa.Column("log_bodies", sa.String(20), nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
        sa.UniqueConstraint("name", name="uq_clients_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "client_keys",
        sa.Column("key_hash", sa.CHAR(64), nullable=False),
        sa.Column("client_id", sa.Integer, nullable=False),
        sa.Column("hint", sa.String(20), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment),
        sa.PrimaryKeyConstraint("key_hash", name="pk_client_keys"),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name="fk_client_keys_client_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_client_keys_client_id", "client_keys", ["client_id"])
    op.create_table(
        "admins",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("username", sa.String(100), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("session_epoch", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_admins"),
        sa.UniqueConstraint("username", name="uq_admins_username"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "request_logs",
        sa.Column("id", big_id, nullable=False),
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("client_request_id", sa.String(200)),
        sa.Column("client_id", sa.Integer),
        sa.Column("client_name", sa.String(100)),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("door", sa.String(20), nullable=False),
        sa.Column("model_asked", sa.String(255)),
        sa.Column("provider", sa.String(40)),
        sa.Column("model", sa.String(255)),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error_code", sa.String(80)),
        sa.Column("error_message", sa.String(1000)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("attempt_log", sa.JSON),
        sa.Column("first_byte_ms", sa.Double),
        sa.Column("total_ms", sa.Double, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cached_tokens", sa.BigInteger),
        sa.Column("cache_write_tokens", sa.BigInteger),
        sa.Column("reasoning_tokens", sa.BigInteger),
        sa.Column("audio_tokens", sa.BigInteger),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("finish_reason", sa.String(60)),
        sa.Column("tool_names", sa.JSON),
        sa.Column("dropped_params", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_request_logs"),
        sa.UniqueConstraint("request_id", name="uq_request_logs_request_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_request_logs_started_at", "request_logs", ["started_at"])
    op.create_index(
        "ix_request_logs_client_id_started_at", "request_logs", ["client_id", "started_at"]
    )


def downgrade() -> None:
    for table in ("request_logs", "admins", "client_keys", "clients"):
        op.drop_table(table)
