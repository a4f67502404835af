"""The code by which the first admin is made where there is none; it is known by its hash alone."""

import hmac
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

from sqlalchemy import CursorResult, Engine, delete
from sqlalchemy.orm import Session

from gateway.store.engine import database_answers
from gateway.store.models import SettingRow, now

NAME = "set_up_code"
LASTS = timedelta(minutes=15)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_code(engine: Engine) -> str | None:
    """A code for whoever reads the log; None while there is one that lasts."""
    code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
    with database_answers(), Session(engine) as session, session.begin():
        row = session.get(SettingRow, NAME)
        if row is not None and row.updated_at > now() - LASTS:
            return None
        session.merge(SettingRow(name=NAME, value=_digest(code), updated_at=now()))
    return code


def use_up(session: Session, given: str) -> bool:
    """Whether it was the code; if so, it is none any more, for one of those who come at once."""
    row = session.get(SettingRow, NAME)
    if row is None or row.updated_at <= now() - LASTS:
        return False
    if not hmac.compare_digest(str(row.value), _digest(given.strip().upper())):
        return False
    gone = session.execute(delete(SettingRow).where(SettingRow.name == NAME))
    return bool(cast(CursorResult[Any], gone).rowcount)


def _digest(code: str) -> str:
    return sha256(code.encode()).hexdigest()
