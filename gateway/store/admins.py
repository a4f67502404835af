"""The administrators: who may sign in, by which password or as whom at a provider."""

import hashlib
import secrets
import string
from dataclasses import dataclass
from datetime import datetime

from gevent import get_hub
from sqlalchemy import ColumnElement, Engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from gateway.errors import Forbidden, InvalidFields, NotFound
from gateway.store import audit, set_up_code
from gateway.store.engine import database_answers
from gateway.store.models import AdminRow

FIRST = "admin"
ADMIN, VIEWER = ROLES = ("admin", "viewer")
NOBODYS_HASH = (  # checked when there is no such name, so that the wait does not tell
    "scrypt:32768:8:1$nobodyknowsthis0$"
    "00000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000"
)
_PROVIDERS = "oidc:"


@dataclass(frozen=True, slots=True)
class Admin:
    """`role`: `admin`, or `viewer`, who changes nothing. A session of another epoch is over.

    `by_provider`: signs in at an OpenID Connect provider, by an e-mail address that is the name.
    """

    id: int
    username: str
    role: str
    session_epoch: int
    created_at: datetime
    by_provider: bool = False

    @property
    def may_change(self) -> bool:
        return self.role == ADMIN


class OtherIdentity(Forbidden):
    code = "other_identity"


def ensure_first_admin(session: Session, password: str | None) -> str | None:
    """The first admin's password, made up unless it is given; None if an admin is there."""
    if session.scalar(select(AdminRow.id).limit(1)) is not None:
        return None
    password = password or new_password()
    session.add(AdminRow(username=FIRST, password_hash=_hashed(password)))
    session.flush()
    return password


def create(engine: Engine, actor: str, username: str, password: str, role: str) -> None:
    """Raises InvalidFields."""
    name, hashed = _checked_name(username), _hashed_aside(password)
    try:
        with database_answers(), Session(engine) as session, session.begin():
            row = AdminRow(username=name, password_hash=hashed, role=role)
            session.add(row)
            session.flush()
            audit.record(session, actor, "admin.create", name, row.id, {"role": [None, role]})
    except IntegrityError:
        raise InvalidFields({"username": "is the name of another admin"}) from None


def create_first(engine: Engine, code: str, username: str, password: str) -> bool:
    """Whether the code was good, and nobody was there before. Raises InvalidFields."""
    name, hashed = _checked_name(username), _hashed_aside(password)
    with database_answers(), Session(engine) as session, session.begin():
        if not set_up_code.use_up(session, code) or _all(session):
            return False
        session.add(AdminRow(username=name, password_hash=hashed, role=ADMIN))
        audit.record(session, audit.NOBODY, "admin.create", name, None, {"role": [None, ADMIN]})
    return True


def enter(engine: Engine, issuer: str, subject: str, email: str, role: str) -> Admin:
    """Who has come in by a provider: made at the first time, given this role each time.

    Raises OtherIdentity where the name is somebody else's, InvalidFields for no possible name.
    """
    name, identity = _checked_name(email), _identity(issuer, subject)
    try:
        with database_answers(), Session(engine) as session, session.begin():
            row = session.scalar(select(AdminRow).where(AdminRow.username == name))
            if row is None:
                row = AdminRow(username=name, password_hash=identity, role=role, session_epoch=1)
                session.add(row)
                session.flush()
                audit.record(session, name, "admin.create", name, row.id, {"role": [None, role]})
            elif row.password_hash != identity:
                raise OtherIdentity(_other_identity(row))
            elif row.role != role:
                _give(session, row, role, audit.CONFIG)
            session.flush()
            return _admin(row)
    except IntegrityError:  # the same person, in two windows
        return enter(engine, issuer, subject, email, role)


def set_role(engine: Engine, actor: str, admin_id: int, role: str) -> None:
    """Their sessions end. Raises NotFound, and InvalidFields where no admin would be left."""
    with database_answers(), Session(engine) as session, session.begin():
        row = _one_of(_all(session), admin_id)
        if row.role == role:
            return
        if _is_identity(row.password_hash):
            raise InvalidFields({"role": "is given by oidc.admins in the configuration"})
        _give(session, row, role, actor)
        _check_left(_all(session))


def delete(engine: Engine, actor: str, admin_id: int) -> None:
    """Their sessions end with them. Raises as `set_role` does."""
    with database_answers(), Session(engine) as session, session.begin():
        rows = _all(session)
        row = _one_of(rows, admin_id)
        _check_left([one for one in rows if one is not row])
        changes = audit.differences({"role": row.role}, {})
        audit.record(session, actor, "admin.delete", row.username, row.id, changes)
        session.delete(row)


def set_password(engine: Engine, username: str, password: str, actor: str = audit.COMMAND) -> None:
    """Also end the admin's sessions; raises NotFound."""
    hashed = _hashed_aside(password)
    with database_answers(), Session(engine) as session, session.begin():
        row = _named(session, username)
        row.password_hash = hashed
        row.session_epoch = AdminRow.session_epoch + 1
        audit.record(session, actor, "admin.set-password", username, row.id)


def end_sessions(engine: Engine, actor: str, username: str) -> None:
    with database_answers(), Session(engine) as session, session.begin():
        row = _named(session, username)
        row.session_epoch = AdminRow.session_epoch + 1
        audit.record(session, actor, "admin.end-sessions", username, row.id)


def check(engine: Engine, username: str, password: str) -> Admin | None:
    """The admin, if that is the password. It takes the same time whether or not the name is one.

    Hashing keeps a core busy for some 50 ms, in another thread. The database is not asked there:
    its pool's locks are gevent's, and were seen to hang across threads.
    """
    row = _row(engine, AdminRow.username == username.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    known = row is not None and not _is_identity(row.password_hash)
    hashed = row.password_hash if row and known else NOBODYS_HASH
    right = get_hub().threadpool.apply(check_password_hash, (hashed, password))
    return _admin(row) if row and known and right else None


def find(engine: Engine, admin_id: int) -> Admin | None:
    row = _row(engine, AdminRow.id == admin_id)
    return _admin(row) if row else None


def everybody(engine: Engine) -> list[Admin]:
    with database_answers(), Session(engine) as session:
        rows = session.scalars(select(AdminRow).order_by(AdminRow.id))
        return [_admin(row) for row in rows]


def usernames(engine: Engine) -> list[str]:
    return [one.username for one in everybody(engine)]


def new_password() -> str:
    """95 random bits that a double click selects whole."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(16))


def _hashed(password: str) -> str:
    return generate_password_hash(password)


def _hashed_aside(password: str) -> str:
    """In another thread, as it keeps a core busy."""
    hashed: str = get_hub().threadpool.apply(_hashed, (password,))
    return hashed


def _checked_name(username: str) -> str:
    name = username.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidFields({"username": "should be 1 to 100 characters"})
    if name in audit.RESERVED:
        raise InvalidFields({"username": "means something else in the audit log"})
    return name


def _identity(issuer: str, subject: str) -> str:
    """Stands in the place of a hashed password, and is none."""
    told = hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
    return f"{_PROVIDERS}{told}"


def _is_identity(password_hash: str) -> bool:
    return password_hash.startswith(_PROVIDERS)


def _other_identity(row: AdminRow) -> str:
    if _is_identity(row.password_hash):
        return (
            "The provider knows this e-mail address by another identity than before. If it is "
            "given to somebody else now, an admin may delete the old entry."
        )
    return (
        "There is an admin of this name who signs in by password. Do so, or let an admin delete "
        "that entry first."
    )


def _give(session: Session, row: AdminRow, role: str, actor: str) -> None:
    """Another role; what is open was opened with the old one, and ends."""
    changes = audit.differences({"role": row.role}, {"role": role})
    audit.record(session, actor, "admin.change", row.username, row.id, changes)
    row.role = role
    row.session_epoch = AdminRow.session_epoch + 1


def _all(session: Session) -> list[AdminRow]:
    """All of them, held against other writers, who could else take away the last together."""
    session.execute(update(AdminRow).values(session_epoch=AdminRow.session_epoch))
    return list(session.scalars(select(AdminRow).order_by(AdminRow.id)))


def _one_of(rows: list[AdminRow], admin_id: int) -> AdminRow:
    for row in rows:
        if row.id == admin_id:
            return row
    raise NotFound("There is no such admin.", code="admin_not_found")


def _named(session: Session, username: str) -> AdminRow:
    row = session.scalar(select(AdminRow).where(AdminRow.username == username))
    if row is None:
        raise NotFound(f"There is no admin {username!r}.", code="admin_not_found")
    return row


def _check_left(rows: list[AdminRow]) -> None:
    if not any(row.role == ADMIN for row in rows):
        raise InvalidFields({"role": "cannot go from the last admin: nobody else could change it"})


def _row(engine: Engine, condition: ColumnElement[bool]) -> AdminRow | None:
    with database_answers(), Session(engine) as session:
        return session.scalar(select(AdminRow).where(condition))


def _admin(row: AdminRow) -> Admin:
    by_provider = _is_identity(row.password_hash)
    return Admin(row.id, row.username, row.role, row.session_epoch, row.created_at, by_provider)
