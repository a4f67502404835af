"""What administrators did: a row in the very transaction of the change, secrets struck out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from gateway.store.engine import database_answers
from gateway.store.models import AuditRow

COMMAND = "command"
TOKEN = "token"
NOBODY = "set-up"
CONFIG = "configuration"
RESERVED = (COMMAND, TOKEN, NOBODY, CONFIG)
"""Who else acts than a signed-in admin; no admin may be called so."""
SECRETS = ("provider_api_key", "header_values")
STRUCK_OUT = "(not shown)"
LONGEST = 1000

Changes = dict[str, list[Any]]
"""By field: what it was, and what it became."""


@dataclass(frozen=True, slots=True)
class Entry:
    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    subject_id: int | None
    changes: Changes


def record(
    session: Session,
    actor: str,
    action: str,
    subject: str,
    subject_id: int | None = None,
    changes: Changes | None = None,
) -> None:
    session.add(
        AuditRow(
            actor=actor,
            action=action,
            subject=subject[:200],
            subject_id=subject_id,
            changes=changes or {},
        )
    )


def note(
    engine: Engine,
    actor: str,
    action: str,
    subject: str,
    subject_id: int | None = None,
    changes: Changes | None = None,
) -> None:
    """An action that changes nothing of what is kept here, in a transaction of its own."""
    with database_answers(), Session(engine) as session, session.begin():
        record(session, actor, action, subject, subject_id, changes)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """What is in both of these and not the same; a name that is in one alone was null in the other.

    A secret is struck out, but that it changed is told.
    """
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: [_told(name, before.get(name)), _told(name, after.get(name))]
        for name in names
        if before.get(name) != after.get(name)
    }


def entries(
    engine: Engine, limit: int, before: int | None = None
) -> tuple[list[Entry], int | None]:
    """The newest first, and the id to go on before, if there are more."""
    rows = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit + 1)
    if before is not None:
        rows = rows.where(AuditRow.id < before)
    with database_answers(), Session(engine) as session:
        found = [
            Entry(row.id, row.at, row.actor, row.action, row.subject, row.subject_id, row.changes)
            for row in session.scalars(rows)
        ]
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def _told(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if name in SECRETS:
        return STRUCK_OUT
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}… ({len(value):,} characters)"
    return value
