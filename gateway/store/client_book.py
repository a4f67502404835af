"""The book of clients: written by administrators, one transaction a change."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from gateway.config import Settings
from gateway.errors import InvalidFields, NotFound
from gateway.store import audit
from gateway.store.audit import differences
from gateway.store.client_fields import (
    ClientFields,
    changed_fields,
    fields_with_key_of,
    new_fields,
)
from gateway.store.clients import digest
from gateway.store.engine import database_answers
from gateway.store.models import ClientKey, ClientRow, now
from gateway.store.vault import Vault

LONGEST_GRACE = 365 * 24 * 3600
HIGHEST_ID = 2**31 - 1


class Parts(Protocol):
    """What a book of clients is made of."""

    engine: Engine
    vault: Vault
    settings: Settings

    def changed(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ClientBook:
    """`changed` is called after each commit, so that every worker looks again.

    `actor` is who the audit log says it was.
    """

    engine: Engine
    vault: Vault
    settings: Settings
    changed: Callable[[], None]
    actor: str = audit.COMMAND

    @classmethod
    def of(cls, parts: Parts, actor: str = audit.COMMAND) -> "ClientBook":
        return cls(parts.engine, parts.vault, parts.settings, parts.changed, actor)

    def create(self, payload: Mapping[str, Any]) -> tuple[ClientRow, str]:
        """The new client and its key, which nobody can show again; raises InvalidFields."""
        return self._create(new_fields(payload, self.settings))

    def duplicate(self, client_id: int, payload: Mapping[str, Any]) -> tuple[ClientRow, str]:
        """A new client that has the other's key at the provider, unless `payload` names one.

        As long as it goes to the same place: else InvalidFields, and if the other is gone.
        """
        with self._reading() as session:
            source = session.get(ClientRow, _possible(client_id))
        if "provider_api_key" in payload or (source and source.sealed_api_key is None):
            return self.create(payload)
        if source is None:
            raise InvalidFields({"provider_api_key": "is needed: the client that had it is gone"})
        fields = fields_with_key_of(_stored(source), payload, self.settings)
        return self._create(fields, source.sealed_api_key)

    def update(self, client_id: int, payload: Mapping[str, Any]) -> ClientRow:
        """Change the fields that are named; raises InvalidFields, NotFound."""
        with self._writing() as session:
            row = _locked(session, client_id)
            has_key, before = row.sealed_api_key is not None, _audited(row)
            _fill(row, changed_fields(_stored(row), payload, has_key, self.settings), self.vault)
            self._audit(session, "client.change", row, differences(before, _audited(row)))
        return row

    def rotate_key(self, client_id: int, grace_seconds: int = 0) -> str:
        """A new key; every older one ends after `grace_seconds` at the latest."""
        grace = _checked_grace(grace_seconds)
        with self._writing() as session:
            row, moment = _locked(session, client_id), now()
            before = {"key": _hint(row)}
            for key in row.keys:
                key.expires_at = min(key.expires_at or moment + grace, moment + grace)
            row.keys = [key for key in row.keys if key.expires_at and key.expires_at > moment]
            new_key = _give_key(row)
            after = {"key": _hint(row), "grace_seconds": grace_seconds}
            self._audit(session, "client.rotate-key", row, differences(before, after))
        return new_key

    def delete(self, client_id: int) -> None:
        with self._writing() as session:
            row = _locked(session, client_id)
            self._audit(session, "client.delete", row, differences(_audited(row), _USUAL))
            session.delete(row)

    def get(self, client_id: int) -> ClientRow:
        with self._reading() as session:
            return _found(session.scalar(_WITH_KEYS.where(ClientRow.id == _possible(client_id))))

    def find(self, name_or_id: str) -> ClientRow:
        """By its name; else, if that is a number, by its id."""
        with self._reading() as session:
            row = session.scalar(_WITH_KEYS.where(ClientRow.name == name_or_id))
        return row or self.get(int(name_or_id) if name_or_id.isdecimal() else 0)

    def page(self, after: int = 0, limit: int = 100) -> tuple[list[ClientRow], int | None]:
        """Clients by id, and the id to go on after, if there are more."""
        rows = _WITH_KEYS.where(ClientRow.id > after).order_by(ClientRow.id).limit(limit + 1)
        with self._reading() as session:
            found = list(session.scalars(rows))
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def _create(self, fields: ClientFields, sealed: str | None = None) -> tuple[ClientRow, str]:
        with self._writing() as session:
            row, key = add_client(session, self.vault, fields)
            row.sealed_api_key = sealed or row.sealed_api_key
            self._audit(session, "client.create", row, differences(_USUAL, _audited(row)))
        return row, key

    def _audit(self, session: Session, action: str, row: ClientRow, changes: audit.Changes) -> None:
        if changes:
            audit.record(session, self.actor, action, row.name, row.id, changes)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        try:
            with self._reading() as session, session.begin():
                yield session
        except IntegrityError:
            raise InvalidFields({"name": "is the name of another client"}) from None
        self.changed()

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with database_answers(), Session(self.engine, expire_on_commit=False) as session:
            yield session


def add_client(session: Session, vault: Vault, fields: ClientFields) -> tuple[ClientRow, str]:
    row = ClientRow(keys=[])
    _fill(row, dict(fields), vault)
    key = _give_key(row)
    session.add(row)
    session.flush()
    return row, key


def describe(row: ClientRow) -> dict[str, Any]:
    """The client as the API answers it: no key, only whether there is one, and how ours looks."""
    return {
        "id": row.id,
        **{name: _plain(value) for name, value in _stored(row).items()},
        "has_provider_api_key": row.sealed_api_key is not None,
        "api_key_hint": _hint(row),
        "created_at": _plain(row.created_at),
        "updated_at": _plain(row.updated_at),
    }


_USUAL = {name: one.default for name, one in ClientFields.model_fields.items() if name != "name"}
"""A field that nobody sets, which is not worth telling of."""
_WITH_KEYS = select(ClientRow).options(selectinload(ClientRow.keys))


def _checked_grace(seconds: int) -> timedelta:
    if type(seconds) is not int or not 0 <= seconds <= LONGEST_GRACE:
        raise InvalidFields({"grace_seconds": f"should be a whole number, 0 to {LONGEST_GRACE}"})
    return timedelta(seconds=seconds)


def _locked(session: Session, client_id: int) -> ClientRow:
    """The row, held against other writers from before it is read until the end of the session.

    Two changes at once could else each pass the rules, and together break them.
    """
    this = ClientRow.id == _possible(client_id)
    session.execute(update(ClientRow).where(this).values(updated_at=now()))
    return _found(session.scalar(_WITH_KEYS.where(this)))


def _possible(client_id: int) -> int:
    return client_id if client_id <= HIGHEST_ID else 0


def _found(row: ClientRow | None) -> ClientRow:
    if row is None:
        raise NotFound("There is no such client.", code="client_not_found")
    return row


def _stored(row: ClientRow) -> dict[str, Any]:
    """What may be set, as it is, without the provider's key."""
    names = (name for name in ClientFields.model_fields if name != "provider_api_key")
    return {name: getattr(row, name) for name in names}


def _audited(row: ClientRow) -> dict[str, Any]:
    """What may be set, the sealed key among it, so that a change of it is seen."""
    return {**_stored(row), "provider_api_key": row.sealed_api_key}


def _hint(row: ClientRow) -> str | None:
    return next((key.hint for key in row.keys if key.expires_at is None), None)


def _fill(row: ClientRow, values: Mapping[str, Any], vault: Vault) -> None:
    for name, value in values.items():
        if name == "provider_api_key":
            row.sealed_api_key = value and vault.encrypt(value.get_secret_value())
        else:
            setattr(row, name, value)


def _give_key(row: ClientRow) -> str:
    """256 random bits behind the client's prefix; only their hash is kept."""
    key = row.key_prefix + secrets.token_urlsafe(32)
    row.keys.append(ClientKey(key_hash=digest(key).hex(), hint=f"{key[:7]}…{key[-4:]}"))
    return key


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value
