"""What administrators have set while the gateway runs; config.yaml holds for all else."""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from gateway.store import audit
from gateway.store.engine import database_answers
from gateway.store.models import SettingRow

ENABLED_TOOLS = "enabled_tools"


def stored(engine: Engine, name: str) -> Any:
    """None for what nobody has set."""
    with database_answers(), Session(engine) as session:
        row = session.get(SettingRow, name)
        return None if row is None else row.value


def store(engine: Engine, name: str, value: Any, actor: str) -> None:
    with database_answers(), Session(engine) as session, session.begin():
        row = session.get(SettingRow, name)
        changes = audit.differences({name: row and row.value}, {name: value})
        audit.record(session, actor, "setting.change", name, changes=changes)
        session.merge(SettingRow(name=name, value=value))
