"""What administrators have set while the gateway runs, and what it has found out: config.yaml
holds for all else.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway.store import audit
from gateway.store.engine import database_answers, writing
from gateway.store.models import SettingRow

ENABLED_TOOLS = "enabled_tools"
MODEL_LIST = "model_list:{}"


def stored(engine: Engine, name: str) -> Any:
    """None for what nobody has set."""
    with database_answers(), Session(engine) as session:
        row = session.get(SettingRow, name)
        return None if row is None else row.value


def keep(engine: Engine, name: str, value: Any) -> None:
    """What the gateway itself has found out, for all its workers."""
    with database_answers(), Session(engine) as session, session.begin():
        session.merge(SettingRow(name=name, value=value))


def store(engine: Engine, name: str, value: Any, actor: str) -> None:
    change(engine, name, lambda before: value, actor)


def change(engine: Engine, name: str, revised: Callable[[Any], Any], actor: str) -> Any:
    """What a value becomes, which nobody else changes meanwhile; before, it was None if unset."""
    with database_answers(), writing(engine) as connection, Session(connection) as session:
        row = session.get(SettingRow, name, with_for_update=True)
        before = row and row.value
        value = revised(before)
        changes = audit.differences({name: before}, {name: value})
        audit.record(session, actor, "setting.change", name, changes=changes)
        session.merge(SettingRow(name=name, value=value))
        session.commit()  # of PostgreSQL's transaction; SQLite's is that of `writing`
    return value
