"""The pages of providers: how all of them do, and one with its models and prices."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.parts import part
from gateway.blueprints.admin.provider_facts import (
    Standing,
    differences,
    families,
    models_told,
    standing_of,
    standings,
)
from gateway.blueprints.admin.providers_api import fetch, provider_named
from gateway.context import current_gateway
from gateway.errors import BadRequest, UpstreamError
from gateway.providers.base import Provider

bp = Blueprint("providers", __name__, url_prefix="/providers")


@bp.get("")
def show() -> ResponseReturnValue:
    return render_template("admin/providers.html", parts=now())


@bp.get("/parts")
def show_parts() -> ResponseReturnValue:
    return now()


@bp.get("/<provider_id>")
def show_one(provider_id: str) -> ResponseReturnValue:
    provider = provider_named(provider_id)
    standing = standing_of(current_gateway, provider)
    return render_template(
        "admin/provider.html",
        provider=provider,
        standing=standing,
        models=models_told(current_gateway, standing),
        families=families(current_gateway, provider),
        differences=differences(provider),
        parts=_parts_of(standing),
    )


@bp.get("/<provider_id>/parts")
def show_parts_of_one(provider_id: str) -> ResponseReturnValue:
    return now_of(provider_named(provider_id))


@bp.post("/<provider_id>/fetch-models")
def fetch_models(provider_id: str) -> ResponseReturnValue:
    provider = provider_named(provider_id)
    try:
        count = fetch(provider)
    except (BadRequest, UpstreamError) as error:
        flash(f"The list of models was not fetched. {error.message}", "bad")
    else:
        flash(f"{provider.title} lists {count:,} model{'' if count == 1 else 's'}.")
    return redirect(url_for(".show_one", provider_id=provider_id, _anchor="models"))


def now() -> dict[str, Any]:
    """The parts that change."""
    found = standings(current_gateway)
    workers = current_gateway.settings.server.workers
    return {"providers": part("admin/_providers.html", standings=found, workers=workers)}


def now_of(provider: Provider) -> dict[str, Any]:
    return _parts_of(standing_of(current_gateway, provider))


def _parts_of(standing: Standing) -> dict[str, Any]:
    workers = current_gateway.settings.server.workers
    return {"provider": part("admin/_provider_now.html", one=standing, workers=workers)}
