"""The first page after the sign-in: where the gateway is, who may use it, what was asked."""

import tomllib
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from gateway.config import ROOT
from gateway.context import current_gateway
from gateway.store.client_book import ClientBook, describe
from gateway.store.first_run import CALL, DEMO
from gateway.store.log_pages import latest_requests
from gateway.store.models import ClientRow, now

CLIENTS_SHOWN = 100
REQUESTS_SHOWN = 20

bp = Blueprint("dashboard", __name__)


@dataclass(frozen=True, slots=True)
class ClientLine:
    """`state`: active, disabled or expired."""

    name: str
    provider: str
    default_model: str | None
    state: str
    key_hint: str | None


@bp.get("/dashboard")
def show() -> ResponseReturnValue:
    gateway = current_gateway
    book = ClientBook(gateway.engine, gateway.vault, gateway.settings, gateway.changed)
    rows, following = book.page(limit=CLIENTS_SHOWN)
    clients = [_line(row) for row in rows]
    address = request.host_url.rstrip("/")  # as this browser reaches it, and so will a program
    return render_template(
        "admin/dashboard.html",
        address=address,
        version=_version(),
        metrics=gateway.settings.metrics.enabled,
        clients=clients,
        more_clients=following is not None,
        requests=latest_requests(gateway.engine, REQUESTS_SHOWN),
        has_demo=any(client.name == DEMO["name"] for client in clients),
        call=CALL.format(address=address, key="$GATEWAY_KEY"),
    )


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _line(row: ClientRow) -> ClientLine:
    hint = describe(row)["api_key_hint"]
    return ClientLine(row.name, row.provider, row.default_model, _state(row), hint)


def _state(row: ClientRow) -> str:
    if not row.is_active:
        return "disabled"
    return "expired" if row.expires_at and row.expires_at <= now() else "active"
