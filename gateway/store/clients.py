"""Who calls: a client by its key, from memory whenever it was asked for before."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Engine, RowMapping, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import NotFound, Unavailable
from gateway.store.engine import database_answers
from gateway.store.models import ClientKey, ClientRow
from gateway.store.vault import Vault

KEPT_STALE = 10_000
RETRY_SECONDS = 1.0  # between attempts to reach a database that is away


@dataclass(frozen=True, slots=True)
class Client:
    """A client as its calls need it; `client_fields.py` says what each field means.

    `expires_at` is in seconds since the epoch; null in a limit is no limit.
    """

    id: int
    name: str
    description: str
    is_active: bool
    key_prefix: str
    provider: str
    provider_api_key: str | None = field(repr=False)
    provider_base_url: str | None
    provider_api_version: str | None
    default_model: str | None
    allowed_models: tuple[str, ...]
    model_aliases: dict[str, str]
    fallback_models: tuple[str, ...]
    system_prompt: str | None
    tool_mode: str
    server_tools: tuple[str, ...]
    strict_params: bool
    allow_unpriced: bool
    rate_limit_minute: int | None
    rate_limit_hour: int | None
    rate_limit_day: int | None
    tokens_per_minute: int | None
    max_concurrent: int | None
    quota_requests_day: int | None
    quota_input_tokens_day: int | None
    quota_output_tokens_day: int | None
    max_input_tokens: int | None
    max_output_tokens: int | None
    budget_usd_day: Decimal | None
    budget_usd_month: Decimal | None
    log_bodies: str
    expires_at: float | None


def digest(key: str) -> bytes:
    """What is kept of a key; in hexadecimal in the database."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


class ClientDirectory:
    """Answers from memory until `forget()`, and from what it forgot while the database is away."""

    def __init__(
        self, engine: Engine, vault: Vault, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._known: dict[bytes, _Holder] = {}
        self._stale: dict[bytes, _Holder] = {}
        self._spare: dict[bytes, RowMapping] = {}
        self._retry_at = 0.0

    def by_key(self, key: str) -> Client | None:
        """The client whose valid key this is; raises Unavailable if that cannot be found out."""
        hashed = digest(key)
        holder = self._known.get(hashed) or self._looked_up(hashed)
        if holder is None or holder.until <= self._clock():
            return None
        return holder.client

    def by_id(self, client_id: int) -> Client:
        """The client as its calls see it; raises NotFound, Unavailable."""
        with database_answers(), self._engine.connect() as connection:
            row = connection.execute(_BY_ID, {"client_id": client_id}).mappings().first()
        if row is None:
            raise NotFound("There is no such client.", code="client_not_found")
        return _client(row, self._vault)

    def foresee(self) -> None:
        """Reads all clients, so that those which nobody has asked for yet go on, too, should the
        database go away. Raises what SQLAlchemy does.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(_ALL.limit(KEPT_STALE)).mappings()
            self._spare = {bytes.fromhex(row["key_hash"]): row for row in rows}

    def forget(self) -> None:
        """Ask the database again; to be called when any client may have changed."""
        kept = {**self._stale, **self._known}
        self._stale = dict(islice(kept.items(), max(0, len(kept) - KEPT_STALE), None))
        self._known = {}

    def _looked_up(self, hashed: bytes) -> "_Holder | None":
        known = self._known  # a forget() during the read takes this away, and what is put there
        try:
            holder = self._read(hashed)
        except (SQLAlchemyError, _StillAway) as error:
            return self._remembered(hashed, error)
        self._stale.pop(hashed, None)
        if holder is not None:
            known[hashed] = holder
        else:
            self._spare.pop(hashed, None)
        return holder

    def _read(self, hashed: bytes) -> "_Holder | None":
        if self._clock() < self._retry_at:
            raise _StillAway
        with self._engine.connect() as connection:
            row = connection.execute(_BY_KEY, {"hashed": hashed.hex()}).mappings().first()
        return None if row is None else _Holder(_client(row, self._vault), _until(row))

    def _remembered(self, hashed: bytes, error: Exception) -> "_Holder":
        if not isinstance(error, _StillAway):
            self._retry_at = self._clock() + RETRY_SECONDS
        if hashed not in self._stale and (row := self._spare.get(hashed)) is not None:
            self._stale[hashed] = _Holder(_client(row, self._vault), _until(row))
        if hashed not in self._stale:
            why = "The gateway cannot look keys up at the moment. Try again in a few seconds."
            raise Unavailable(why, headers={"retry-after": "2"}) from error
        return self._stale[hashed]


class _Holder(NamedTuple):
    client: Client
    until: float  # when the key ends, in seconds since the epoch


class _StillAway(Exception):
    """The database was away a moment ago, and is not asked again yet."""


_ALL = select(
    ClientRow.__table__, ClientKey.expires_at.label("key_expires_at"), ClientKey.key_hash
).join(ClientKey, ClientKey.client_id == ClientRow.id)
_BY_KEY = _ALL.where(ClientKey.key_hash == bindparam("hashed"))
_BY_ID = select(ClientRow.__table__).where(ClientRow.id == bindparam("client_id"))
_LISTS = ("allowed_models", "fallback_models", "server_tools")
_FIELDS = tuple(one.name for one in fields(Client))


def _client(row: RowMapping, vault: Vault) -> Client:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values |= {name: tuple(row[name]) for name in _LISTS}
    if row["provider_api_key"] is not None:
        values["provider_api_key"] = vault.decrypt(row["provider_api_key"])
    if row["expires_at"] is not None:
        values["expires_at"] = row["expires_at"].timestamp()
    return Client(**values)


def _until(row: RowMapping) -> float:
    end = row["key_expires_at"]
    return float("inf") if end is None else float(end.timestamp())
