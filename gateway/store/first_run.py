"""Makes an installation ready to serve: folder, secret key, schema, the first admin and client."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Settings
from gateway.store.migration import MigrationFailed, is_current, migration_engine, upgrade

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DEMO = {
    "name": "demo",
    "description": "For a first call: the demo provider answers offline, without a key.",
    "provider": "demo",
    "default_model": "demo",
}
CALL = (
    """curl {address}/v1/chat/completions -H "Authorization: Bearer {key}" """
    """-H "Content-Type: application/json" """
    """-d '{{"model": "demo", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""
)


def prepare(settings: Settings, say: Callable[[str], None]) -> None:
    """Bring everything up to date and `say` where the gateway is; raises MigrationFailed.

    On the first start, what opens the door is said just before it is committed: who kills the
    process in between starts it again and is told anew, so nobody is left without a way in.
    """
    if is_current(settings):
        say(address_line(settings))
        return
    with _failures_told(settings), _alone(settings.data_dir):
        _prepare(settings, say)


def address_line(settings: Settings) -> str:
    return f"AI Gateway is starting at {address(settings)}"


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the gateway."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.server.host, settings.server.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


@contextmanager
def _failures_told(settings: Settings) -> Iterator[None]:
    """Whatever goes wrong, including in a migration's own code, becomes a line that says so."""
    from gateway.store.engine import database_url, reason

    where = database_url(settings).render_as_string(hide_password=True)
    try:
        yield
    except MigrationFailed as error:
        raise MigrationFailed(f"{where}: {error}") from None
    except Exception as error:
        raise MigrationFailed(
            f"{where}: the database could not be prepared and is as it was before: "
            f"{reason(error)}. Make sure that it can be reached and written; if it is damaged, "
            f"restore a backup or move it away. Then start again."
        ) from error


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One process at a time prepares, the others wait; the lock goes with its process."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(data_dir / "migrate.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(settings: Settings, say: Callable[[str], None]) -> None:
    from sqlalchemy.orm import Session

    with migration_engine(settings) as engine, Session(engine) as session, session.begin():
        upgrade(session.connection())
        say("\n".join([address_line(settings), *_first_rows(session, settings)]))


def _first_rows(session: "Session", settings: Settings) -> list[str]:
    """Make the first admin and client, if nobody is there yet, and the lines that tell of them."""
    from gateway.store.admins import FIRST, ensure_first_admin

    given = settings.admin.password
    password = ensure_first_admin(session, given.get_secret_value() if given else None)
    if password is None:
        return []
    shown = "(the one that is set)" if given else password
    lines = [f"Admin:        {address(settings)}/admin   user {FIRST}   password {shown}"]
    return lines + _first_client(session, settings)


def _first_client(session: "Session", settings: Settings) -> list[str]:
    from sqlalchemy import select

    from gateway.store.client_book import add_client
    from gateway.store.client_fields import new_fields
    from gateway.store.models import ClientRow
    from gateway.store.vault import Vault

    vault = Vault(settings)
    if session.scalar(select(ClientRow.id).limit(1)) is not None:
        return []
    _, key = add_client(session, vault, new_fields(DEMO, settings))
    call = CALL.format(address=address(settings), key=key)
    return [f"Demo client:  {key}", "Try it:", call]
