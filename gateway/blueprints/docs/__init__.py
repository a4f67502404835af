"""The documentation of the API, for programs and for people: behind the sign-in."""

from typing import Any

import orjson
from flask import Blueprint, Response, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import guard_api, signed_in
from gateway.blueprints.docs import page
from gateway.blueprints.docs.document import document
from gateway.blueprints.protection import keep_out_of_caches
from gateway.context import current_gateway

bp = Blueprint("docs", __name__)
bp.after_request(keep_out_of_caches)


@bp.before_request
def guard() -> ResponseReturnValue | None:
    """People are sent to the sign-in, programs are told that they need a token."""
    if request.endpoint == "docs.show":
        g.admin = signed_in()
        if g.admin is None and not _is_public():
            return redirect(url_for("pages.session.login_page", next=url_for("docs.show")))
    elif not _is_public():
        guard_api()
    return None


@bp.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """OpenAPI 3.1 of all that programs may ask for."""
    return Response(orjson.dumps(_document()), content_type="application/json")


@bp.get("/docs")
def show() -> ResponseReturnValue:
    told = _document()
    chapters = page.chapters(told, request.host_url.rstrip("/"))
    return render_template("docs/show.html", chapters=chapters, shapes=page.shapes(told))


def _is_public() -> bool:
    return current_gateway.settings.docs.public


def _document() -> dict[str, Any]:
    return document(current_app._get_current_object())  # type: ignore[attr-defined]
