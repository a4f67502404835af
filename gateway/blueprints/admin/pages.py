"""The admin's pages: what all of them have in common, and the guard before those of an admin."""

from http import HTTPStatus

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import dashboard, signed_in
from gateway.errors import GatewayError
from gateway.extensions import csrf


def as_pages(bp: Blueprint) -> Blueprint:
    """The blueprint of pages: writes need a CSRF token, caches keep nothing, errors are pages."""
    bp.before_request(csrf.protect)
    bp.after_request(_keep_out_of_caches)
    bp.register_error_handler(GatewayError, _tell_failure)
    return bp


def _keep_out_of_caches(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _tell_failure(error: GatewayError) -> ResponseReturnValue:
    """In the terms of an HTTPException, of which the template tells elsewhere."""
    name = HTTPStatus(error.status).phrase
    told = {"code": error.status, "name": name, "description": error.message}
    return render_template("error.html", error=told), error.status, error.headers


bp = as_pages(Blueprint("pages", __name__))
inside = Blueprint("inside", __name__, url_prefix="/admin")


@bp.get("/")
def front() -> ResponseReturnValue:
    return redirect(url_for("pages.inside.home"))


@inside.before_request
def guard() -> ResponseReturnValue | None:
    """Lets an admin in, as `g.admin` for the templates, and sends others to the sign-in."""
    g.admin = signed_in()
    if g.admin is not None:
        return None
    wanted = request.full_path.removesuffix("?") if request.method == "GET" else None
    is_home = wanted in (url_for("pages.inside.home"), url_for("pages.inside.dashboard.show"))
    return redirect(url_for("session.login_page", next=None if is_home else wanted))


@inside.get("")
def home() -> ResponseReturnValue:
    return redirect(url_for("pages.inside.dashboard.show"))


for part in (dashboard.bp,):
    inside.register_blueprint(part)
bp.register_blueprint(inside)
