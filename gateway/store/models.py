"""The tables: clients and their keys, administrators, the log of requests, what it adds up to."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CHAR,
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import TypeEngine

from gateway.extensions import Base
from gateway.store.histogram import BINS


class UtcDateTime(TypeDecorator[datetime]):
    """A moment; SQLite keeps no zone, so it is UTC there, and aware of it on the way back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Money(TypeDecorator[Decimal]):
    """US dollars to the millionth; text on SQLite, whose numbers are binary fractions."""

    impl = Numeric(16, 6)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        plain = dialect.name == "sqlite"
        return dialect.type_descriptor(String(20) if plain else Numeric(16, 6))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Cost(Money):
    """US dollars to the millionth of a millionth: a token's price times a few tokens, exactly."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        plain = dialect.name == "sqlite"
        return dialect.type_descriptor(String(30) if plain else Numeric(24, 12))


def now() -> datetime:
    return datetime.now(UTC)


class ClientRow(Base):
    """`store/client_fields.py` says what each field means and what it may hold."""

    __tablename__ = "clients"
    __table_args__ = (
        Index(None, "is_active", "expires_at"),
        Index(None, "is_active", "name"),
        {"sqlite_autoincrement": True},  # an id is never given twice
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool]
    key_prefix: Mapped[str] = mapped_column(String(12))
    provider: Mapped[str] = mapped_column(String(40), index=True)
    sealed_api_key: Mapped[str | None] = mapped_column("provider_api_key", Text)
    """`provider_api_key`, encrypted by the vault."""
    provider_base_url: Mapped[str | None] = mapped_column(String(1000))
    provider_api_version: Mapped[str | None] = mapped_column(String(255))
    default_model: Mapped[str | None] = mapped_column(String(255))
    allowed_models: Mapped[list[str]] = mapped_column(JSON)
    model_aliases: Mapped[dict[str, str]] = mapped_column(JSON)
    fallback_models: Mapped[list[str]] = mapped_column(JSON)
    system_prompt: Mapped[str | None] = mapped_column(Text)
    tool_mode: Mapped[str] = mapped_column(String(20))
    server_tools: Mapped[list[str]] = mapped_column(JSON)
    strict_params: Mapped[bool]
    allow_unpriced: Mapped[bool]
    rate_limit_minute: Mapped[int | None] = mapped_column(BigInteger)
    rate_limit_hour: Mapped[int | None] = mapped_column(BigInteger)
    rate_limit_day: Mapped[int | None] = mapped_column(BigInteger)
    tokens_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    max_concurrent: Mapped[int | None] = mapped_column(BigInteger)
    quota_requests_day: Mapped[int | None] = mapped_column(BigInteger)
    quota_input_tokens_day: Mapped[int | None] = mapped_column(BigInteger)
    quota_output_tokens_day: Mapped[int | None] = mapped_column(BigInteger)
    max_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    max_output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    budget_usd_day: Mapped[Decimal | None] = mapped_column(Money)
    budget_usd_month: Mapped[Decimal | None] = mapped_column(Money)
    log_bodies: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now, index=True)

    keys: Mapped[list["ClientKey"]] = relationship(
        lazy="raise_on_sql", cascade="all, delete-orphan", passive_deletes=True
    )


class ClientKey(Base):
    """A key that a client may show; the current one has no end, a rotated one its grace."""

    __tablename__ = "client_keys"

    key_hash: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    """SHA-256 of the key, in hexadecimal."""
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), index=True)
    hint: Mapped[str] = mapped_column(String(20))
    """Its first seven and last four characters, for people to tell keys apart."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AdminRow(Base):
    """`session_epoch` is in each session's cookie: to raise it ends them all.

    `password_hash` of who signs in at a provider is none: it says who that is there.
    """

    __tablename__ = "admins"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20), default="admin")
    session_epoch: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class SettingRow(Base):
    """What administrators have set while the gateway runs, by name."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class AuditRow(Base):
    """What somebody did to what: `store/audit.py` words it."""

    __tablename__ = "audit"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200))
    subject_id: Mapped[int | None]
    changes: Mapped[Any] = mapped_column(JSON)


class ConnectionTest(Base):
    """The last test of a client's connection: `store/connection_tests.py` keeps it."""

    __tablename__ = "connection_tests"

    client_id: Mapped[int] = mapped_column(
        ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    run: Mapped[str] = mapped_column(String(32))
    """Tells one run from the next."""
    actor: Mapped[str] = mapped_column(String(100))
    provider: Mapped[str] = mapped_column(String(40))
    provider_base_url: Mapped[str | None] = mapped_column(String(1000))
    model: Mapped[str | None] = mapped_column(String(255))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    beat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When its worker was last heard of."""
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    results: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


def _where(condition: str) -> dict[str, Any]:
    """An index of few rows: those alone that are worth looking for."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class RequestLog(Base):
    """One call of one client. It outlives its client, so `client_id` is no foreign key."""

    __tablename__ = "request_logs"
    __table_args__ = (
        Index(None, "client_id", "started_at"),
        Index(None, "model", "started_at"),
        Index(None, "error_code", "started_at", **_where("error_code IS NOT NULL")),
        Index(None, "status", "started_at", **_where("status <> 200")),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    client_request_id: Mapped[str | None] = mapped_column(String(200))
    client_id: Mapped[int | None]
    client_name: Mapped[str | None] = mapped_column(String(100))
    started_at: Mapped[int] = mapped_column(BigInteger, index=True)
    """Milliseconds since the epoch, UTC."""
    door: Mapped[str] = mapped_column(String(20))
    model_asked: Mapped[str | None] = mapped_column(String(255))
    provider: Mapped[str | None] = mapped_column(String(40))
    model: Mapped[str | None] = mapped_column(String(255))
    streamed: Mapped[bool]
    status: Mapped[int]
    error_code: Mapped[str | None] = mapped_column(String(80))
    error_message: Mapped[str | None] = mapped_column(String(1000))
    attempts: Mapped[int]
    attempt_log: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    first_byte_ms: Mapped[float | None]
    total_ms: Mapped[float]
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    input_audio_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_audio_tokens: Mapped[int | None] = mapped_column(BigInteger)
    estimated: Mapped[bool]
    cost_usd: Mapped[Decimal | None] = mapped_column(Cost)
    """None is not known, which is not nothing."""
    price: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    """The price that the cost was reckoned with."""
    finish_reason: Mapped[str | None] = mapped_column(String(60))
    tool_names: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    dropped_params: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    limits: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    """The limits that applied, and what was left of them."""
    flags: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    """Words for what was out of the ordinary."""
    tool_rounds: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    """`{"rounds": […], "runs": […]}` of a call in which the gateway ran tools."""
    asked_ms: Mapped[float | None]
    """When the try began that led to the answer, or the last one; of rounds, in the first."""
    connect_ms: Mapped[float | None]
    """How long it took to make its connection, if one was made for it."""


LOG_COLUMNS = tuple(column.name for column in RequestLog.__table__.columns if column.name != "id")
"""A row of the log on its way there is a sequence of their values, JSON as text."""


class RequestBody(Base):
    """What was asked and answered, of clients whose `log_bodies` says so."""

    __tablename__ = "request_bodies"

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger, index=True)
    question: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    kept: Mapped[str] = mapped_column(String(20))
    """`redacted` or `full`."""
    sent: Mapped[str | None] = mapped_column(Text)
    """The body that went up, in the last try."""
    sent_head: Mapped[str | None] = mapped_column(Text)
    """Its address and headers, a line each, without the key."""


COUNTS = ("requests", "errors", "estimated", "unpriced")
SUMS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "cost_pico",
)
LATENCY = tuple(f"latency_{number:02}" for number in range(BINS))
FIRST_TOKEN = tuple(f"first_token_{number:02}" for number in range(BINS))

ROLLUPS = Table(
    "rollups",
    Base.metadata,
    Column("grain", CHAR(1), primary_key=True),
    Column("scope", String(10), primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", Integer, primary_key=True, autoincrement=False),
    Column("provider", String(40), primary_key=True),
    Column("model", String(255), primary_key=True),
    *(Column(name, Integer, nullable=False) for name in COUNTS),
    *(Column(name, BigInteger, nullable=False) for name in SUMS),
    *(Column(name, Integer, nullable=False) for name in (*LATENCY, *FIRST_TOKEN)),
    Index(None, "client_id", "grain", "scope", "bucket"),
    sqlite_with_rowid=False,  # kept in the order of the key: what is summed up lies together
)
"""What the log adds up to; `store/rollups.py` says by what."""
