"""A client's connection on its page: what its last test has shown, while it runs and after."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.clients_api import client_book
from gateway.blueprints.admin.connection_api import connection_tests
from gateway.catalogue import named_models
from gateway.context import current_gateway
from gateway.probes import PROBES, STATUSES
from gateway.store.connection_tests import Tested
from gateway.store.models import ClientRow

OFFERED = 100

bp = Blueprint("connection", __name__, url_prefix="/clients")


@bp.get("/<int:client_id>/connection")
def matrix(client_id: int) -> ResponseReturnValue:
    """The part of the page that changes while a test runs."""
    row = client_book().get(client_id)
    return render_template("admin/_matrix.html", row=row, test=connection_of(row))


@bp.app_template_global()
def connection_of(row: ClientRow) -> dict[str, Any] | None:
    """What the page shows of the client's last test."""
    test = connection_tests().of(row.id)
    if test is None:
        return None
    results = {one["probe"]: one for one in test.results}
    waiting = [name for name in PROBES if name not in results]
    return {
        "test": test,
        "is_of_before": _is_of_before(test, row),
        "known": len(results),
        "lines": [(name, title, results.get(name)) for name, title in PROBES.items()],
        "asking": waiting[0] if test.state == "running" and waiting else None,
        "statuses": STATUSES,
    }


@bp.app_template_global()
def models_offered(row: ClientRow) -> list[str]:
    """Names of models to test, as far as they are known."""
    return named_models(row, current_gateway.ways)[:OFFERED]


def _is_of_before(test: Tested, row: ClientRow) -> bool:
    """Whether the client has gone to another provider, or address, since."""
    return (test.provider, test.provider_base_url) != (row.provider, row.provider_base_url)
