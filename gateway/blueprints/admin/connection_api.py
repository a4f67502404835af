"""A client's connection in the admin API: its test, and the models that its provider lists."""

import logging
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.payload import optional_payload
from gateway.catalogue import listed_now, named_models
from gateway.context import Gateway, current_gateway
from gateway.errors import GatewayError, InvalidFields, NotFound, UpstreamTimeout
from gateway.probes import PROBES, probed
from gateway.probes.asking import OutOfTime, in_time
from gateway.probes.table import not_tried
from gateway.providers.model_lists import outlined
from gateway.routing import own_provider
from gateway.store import audit
from gateway.store.client_book import HIGHEST_ID
from gateway.store.clients import Client
from gateway.store.connection_tests import ConnectionTests, Result, Tested
from gateway.store.stats import stamp

MAX_BODY = 10_000
LONGEST_MODEL = 255
_MARGIN = 20.0
"""Seconds that a worker may be late with a result before it is taken for gone."""
_log = logging.getLogger(__name__)

bp = Blueprint("connection", __name__, url_prefix="/clients")


@bp.get("/<int:client_id>/test")
def show_test(client_id: int) -> ResponseReturnValue:
    client = client_of(client_id)
    return told(client, connection_tests().of(client.id))


@bp.post("/<int:client_id>/test")
def begin_test(client_id: int) -> ResponseReturnValue:
    """`{"model": …}`, or nothing. It goes on by itself; who wants to know asks again."""
    client, gateway = client_of(client_id), current_gateway._get_current_object()  # type: ignore[attr-defined]
    model = _model() or next(iter(named_models(client, gateway.ways)), None)
    tests = connection_tests()
    what = {"provider": client.provider, "provider_base_url": client.provider_base_url}
    run = tests.begin(client.id, client.name, acting(), {**what, "model": model})
    gateway.spawn(lambda: _test(gateway, tests, client, model, run))
    return told(client, tests.of(client.id)), 202


@bp.post("/<int:client_id>/fetch-models")
def fetch_models(client_id: int) -> ResponseReturnValue:
    """What the provider lists for the client's stored key, at its stored address."""
    client, gateway = client_of(client_id), current_gateway
    audit.note(gateway.engine, acting(), "client.fetch-models", client.name, client.id)
    try:
        with in_time(gateway):
            listed = listed_now(client, gateway.ways, gateway.model_lists)
    except OutOfTime as error:
        raise UpstreamTimeout(f"The provider did not list its models: {error.message}") from None
    provider = own_provider(client, gateway.ways)
    if listed is None and not provider.models:
        raise NotFound(f"{provider.title} has no list of models here.", code="no_model_list")
    if listed is None:
        models = [{"id": name} for name in provider.models]
    else:
        models = sorted(outlined(listed), key=lambda one: one["id"])
    return {"provider": provider.id, "listed": listed is not None, "models": models}


def client_of(client_id: int) -> Client:
    return current_gateway.clients.by_id(client_id if client_id <= HIGHEST_ID else 0)


def connection_tests() -> ConnectionTests:
    gateway = current_gateway
    return ConnectionTests(gateway.engine, gateway.settings.admin.test_timeout + _MARGIN)


def told(client: Client, test: Tested | None) -> dict[str, Any]:
    """A test as the API answers it; `state` is `none` where there was none."""
    if test is None:
        return {"client_id": client.id, "state": "none", "results": []}
    return {
        "client_id": client.id,
        "state": test.state,
        "provider": test.provider,
        "provider_base_url": test.provider_base_url,
        "model": test.model,
        "actor": test.actor,
        "started_at": stamp(test.started_at),
        "ended_at": test.ended_at and stamp(test.ended_at),
        "of": len(PROBES),
        "results": [
            {"title": PROBES.get(one["probe"], one["probe"]), **one} for one in test.results
        ],
    }


def _test(
    gateway: Gateway, tests: ConnectionTests, client: Client, model: str | None, run: str
) -> None:
    """Asks, and keeps what is known after each probe; the page of whoever looks reads that."""
    results: list[Result] = []
    try:
        for result in probed(gateway, client, model):
            results.append(result)
            if not _kept(tests, client, run, results):
                return
    finally:
        rest = list(PROBES)[len(results) :]
        results += [not_tried(name, "The test was broken off.") for name in rest]
        _kept(tests, client, run, results, ended=True)


def _kept(
    tests: ConnectionTests, client: Client, run: str, results: list[Result], *, ended: bool = False
) -> bool:
    """False for a test of which nobody wants to know any more."""
    try:
        return tests.keep(client.id, run, results, ended=ended)
    except GatewayError as error:
        _log.warning("A result of a connection test was not kept: %s", error.message)
        return True


def _model() -> str | None:
    model = optional_payload(MAX_BODY, {"model"}).get("model") or None
    if model is not None and not (isinstance(model, str) and _is_name(model)):
        raise InvalidFields({"model": f"should be a name of {LONGEST_MODEL} characters at most"})
    return model


def _is_name(model: str) -> bool:
    return len(model) <= LONGEST_MODEL and model.isprintable() and bool(model.strip())
