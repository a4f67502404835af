"""The administrators: who may sign in, and by which password."""

import secrets
import string
from dataclasses import dataclass

from gevent import get_hub
from sqlalchemy import ColumnElement, Engine, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from gateway.errors import NotFound
from gateway.store.engine import database_answers
from gateway.store.models import AdminRow

FIRST = "admin"
NOBODYS_HASH = (  # checked when there is no such name, so that the wait does not tell
    "scrypt:32768:8:1$nobodyknowsthis0$"
    "00000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000"
)


@dataclass(frozen=True, slots=True)
class Admin:
    """`role`: `admin`, or `viewer`, who changes nothing. A session of another epoch is over."""

    id: int
    username: str
    role: str
    session_epoch: int


def ensure_first_admin(session: Session, password: str | None) -> str | None:
    """The first admin's password, made up unless it is given; None if an admin is there."""
    if session.scalar(select(AdminRow.id).limit(1)) is not None:
        return None
    password = password or new_password()
    session.add(AdminRow(username=FIRST, password_hash=_hashed(password)))
    session.flush()
    return password


def set_password(engine: Engine, username: str, password: str) -> None:
    """Also end the admin's sessions; raises NotFound."""
    hashed = _hashed(password)
    with database_answers(), Session(engine) as session, session.begin():
        row = session.scalar(select(AdminRow).where(AdminRow.username == username))
        if row is None:
            raise NotFound(f"There is no admin {username!r}.", code="admin_not_found")
        row.password_hash = hashed
        row.session_epoch = AdminRow.session_epoch + 1


def check(engine: Engine, username: str, password: str) -> Admin | None:
    """The admin, if that is the password. It takes the same time whether or not the name is one.

    Hashing keeps a core busy for some 50 ms, in another thread. The database is not asked there:
    its pool's locks are gevent's, and were seen to hang across threads.
    """
    row = _row(engine, AdminRow.username == username.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    hashed = row.password_hash if row else NOBODYS_HASH
    right = get_hub().threadpool.apply(check_password_hash, (hashed, password))
    return _admin(row) if row and right else None


def find(engine: Engine, admin_id: int) -> Admin | None:
    row = _row(engine, AdminRow.id == admin_id)
    return _admin(row) if row else None


def usernames(engine: Engine) -> list[str]:
    with database_answers(), Session(engine) as session:
        return list(session.scalars(select(AdminRow.username).order_by(AdminRow.id)))


def new_password() -> str:
    """95 random bits that a double click selects whole."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))


def _hashed(password: str) -> str:
    return generate_password_hash(password)


def _row(engine: Engine, condition: ColumnElement[bool]) -> AdminRow | None:
    with database_answers(), Session(engine) as session:
        return session.scalar(select(AdminRow).where(condition))


def _admin(row: AdminRow) -> Admin:
    return Admin(row.id, row.username, row.role, row.session_epoch)
