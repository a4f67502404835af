"""Who may sign in."""

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from gateway.errors import NotFound
from gateway.store import admins
from gateway.store.models import AdminRow


@pytest.fixture
def password(engine: Engine) -> str:
    """The first admin's, who is made for the test."""
    with Session(engine) as session, session.begin():
        return admins.ensure_first_admin(session, None) or ""


def test_the_first_admin_is_made_once(engine: Engine, password: str) -> None:
    assert len(password) == 16
    with Session(engine) as session, session.begin():
        assert admins.ensure_first_admin(session, "another") is None
    assert admins.usernames(engine) == ["admin"]
    assert admins.check(engine, "admin", "another") is None


def test_a_given_password_is_the_first_admins(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        assert admins.ensure_first_admin(session, "from outside") == "from outside"
    admin = admins.check(engine, "admin", "from outside")
    assert admin and (admin.username, admin.role, admin.session_epoch) == ("admin", "admin", 1)
    assert admins.find(engine, admin.id) == admin


@pytest.mark.parametrize(
    ("username", "tried"),
    [("admin", ""), ("admin", "wrong"), ("Admin", None), ("nobody", None), ("ad\0min", None)],
)
def test_nobody_else_comes_in(
    engine: Engine, password: str, username: str, tried: str | None
) -> None:
    assert admins.check(engine, username, password if tried is None else tried) is None


def test_nobodys_hash_costs_as_much_as_a_real_one(engine: Engine, password: str) -> None:
    with Session(engine) as session:
        real = session.scalars(select(AdminRow.password_hash)).one()
    nobodys = admins.NOBODYS_HASH
    assert real.split("$")[0] == nobodys.split("$")[0]
    assert [len(part) for part in real.split("$")] == [len(part) for part in nobodys.split("$")]
    assert admins.check(engine, "nobody", "nobodyknowsthis0") is None


def test_a_new_password_ends_the_old_one_and_its_sessions(engine: Engine, password: str) -> None:
    before = admins.check(engine, "admin", password)
    admins.set_password(engine, "admin", "a new one")
    after = admins.check(engine, "admin", "a new one")
    assert before and after and after.session_epoch == before.session_epoch + 1
    assert admins.check(engine, "admin", password) is None


def test_there_is_no_password_for_nobody(engine: Engine, password: str) -> None:
    with pytest.raises(NotFound, match="There is no admin 'nobody'"):
        admins.set_password(engine, "nobody", "x")
    assert admins.find(engine, 77) is None
