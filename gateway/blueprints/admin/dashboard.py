"""The first page after the sign-in: how the gateway stands, and what some time came to."""

from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from gateway import overview
from gateway.blueprints.admin.parts import SPANS, chosen_range, part
from gateway.context import current_gateway
from gateway.store.client_book import ClientBook
from gateway.store.first_run import CALL, DEMO
from gateway.store.stats import statistics
from gateway.version import version

bp = Blueprint("dashboard", __name__)


@bp.get("/dashboard")
def show() -> ResponseReturnValue:
    gateway = current_gateway
    clients, _ = ClientBook.of(gateway).page(limit=1)
    address = request.host_url.rstrip("/")  # as this browser reaches it, and so will a program
    name = chosen_range()
    return render_template(
        "admin/dashboard.html",
        address=address,
        version=version(),
        metrics=gateway.settings.metrics.enabled,
        spans=SPANS,
        range=name,
        parts=now() | figures(name),
        has_clients=bool(clients),
        demo=next((client for client in clients if client.name == DEMO["name"]), None),
        call=CALL.format(address=address, key="$GATEWAY_KEY"),
    )


@bp.get("/dashboard/parts")
def show_parts() -> ResponseReturnValue:
    """The parts that change, for a browser that cannot have them sent."""
    return now() | figures(chosen_range())


def now() -> dict[str, Any]:
    """Parts that are the same whatever time the page is about."""
    gateway = current_gateway
    standing = gateway.metrics.standing()
    return {
        "banner": part(
            "admin/_banner.html",
            degraded=gateway.degraded(),
            standing=standing,
            workers=gateway.settings.server.workers,
        ),
        "in-flight": part("admin/_in_flight.html", standing=standing),
        "recent": part("admin/_requests.html", requests=overview.recent(gateway)),
    }


def figures(name: str) -> dict[str, Any]:
    """Parts that tell of one of RANGES."""
    found = statistics(current_gateway.engine, name)
    return {
        "figures": part(
            "admin/_figures.html",
            totals=found.totals.told(),
            active_clients=found.active_clients,
            span=SPANS[name],
        ),
        "shares": part("admin/_shares.html", shares=overview.shares(found)),
        "series": overview.series(found),
    }
