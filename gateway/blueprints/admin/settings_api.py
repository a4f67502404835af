"""The settings in the admin API: what is in force and from where, and what the gateway runs on."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.settings_table import ENABLED_TOOLS, groups, shown_address
from gateway.context import current_gateway
from gateway.store.settings import ENABLED_TOOLS as STORED_TOOLS
from gateway.store.settings import stored
from gateway.store.stats import stamp
from gateway.version import version

bp = Blueprint("settings", __name__)


@bp.get("/settings")
def show_settings() -> ResponseReturnValue:
    settings = current_gateway.settings
    return {
        "file": str(settings.origins.file) if settings.origins.file else None,
        "groups": [
            {
                "name": group.name,
                "meaning": group.meaning,
                "items": [line.told() for line in group.lines],
            }
            for group in groups(settings, set_here())
        ],
        "running": running(),
    }


def set_here() -> dict[str, Any]:
    """What administrators have set over the file, by key."""
    tools = stored(current_gateway.engine, STORED_TOOLS)
    return {} if tools is None else {ENABLED_TOOLS: tools}


def running() -> dict[str, Any]:
    """What the gateway runs on, and since when; no address has a password in it."""
    gateway = current_gateway
    settings = gateway.settings
    redis = settings.redis.url
    return {
        "version": version(),
        "python": platform.python_version(),
        "database": _database(),
        "redis": None if redis is None else shown_address(redis) or "set",
        "data_dir": str(settings.data_dir),
        "workers": settings.server.workers,
        "since": _moment(float(os.environ.get("AI_GATEWAY_SERVING_SINCE", gateway.started_at))),
        "worker_since": _moment(gateway.started_at),
        "degraded": gateway.degraded(),
        "spool_bytes": _size_of(settings.data_dir / "spool"),
    }


def _database() -> dict[str, Any]:
    """Its kind, its version once it has answered, and where it is."""
    engine = current_gateway.engine
    found = engine.dialect.server_version_info or ()
    url = engine.url
    is_file = engine.dialect.name == "sqlite"
    host = f"{url.host or 'localhost'}:{url.port}" if url.port else (url.host or "localhost")
    return {
        "kind": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[engine.dialect.name],
        "version": ".".join(map(str, found)) or None,
        "at": url.database if is_file else f"{host}/{url.database}",
    }


def _moment(seconds: float) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))


def _size_of(folder: Path) -> int:
    """Of all workers' files, be they of workers that have ended."""
    sizes = 0
    for path in folder.glob("*"):
        try:
            sizes += path.stat().st_size
        except FileNotFoundError:
            pass  # it was read in meanwhile
    return sizes
