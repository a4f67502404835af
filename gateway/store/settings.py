"""What administrators have set while the gateway runs, and what it has found out: config.yaml
holds for all else.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway.store import audit
from gateway.store.engine import database_answers
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
    with database_answers(), Session(engine) as session, session.begin():
        row = session.get(SettingRow, name)
        changes = audit.differences({name: row and row.value}, {name: value})
        audit.record(session, actor, "setting.change", name, changes=changes)
        session.merge(SettingRow(name=name, value=value))
