"""The admin's pages: the sign-in, and behind it all the others."""

from http import HTTPStatus

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from gateway.blueprints.admin import (
    READING,
    account,
    admins_pages,
    audit_pages,
    check_origin,
    check_write,
    clients_pages,
    connect,
    connection_pages,
    dashboard,
    live,
    oidc,
    outdated,
    playground,
    providers_pages,
    requests_pages,
    session,
    set_up,
    settings_pages,
    signed_in,
    tools_pages,
    words,
)
from gateway.blueprints.admin.navigation import navigation
from gateway.blueprints.protection import keep_out_of_caches
from gateway.errors import GatewayError
from gateway.extensions import csrf
from gateway.store.admins import Admin

bp = Blueprint("pages", __name__)
bp.after_request(keep_out_of_caches)

bp.add_app_template_global(navigation)
bp.add_app_template_filter("{:,}".format, "grouped")

inside = Blueprint("inside", __name__)


@bp.get("/")
def front() -> ResponseReturnValue:
    return redirect(url_for("pages.inside.home"))


@inside.before_request
def guard() -> ResponseReturnValue | None:
    """Lets an admin in, as `g.admin` for the templates, and sends others to the sign-in."""
    g.admin = signed_in()
    if g.admin is not None:
        _check(g.admin)
        return None
    wanted = request.full_path.removesuffix("?") if request.method == "GET" else None
    is_home = wanted in (url_for("pages.inside.home"), url_for("pages.inside.dashboard.show"))
    return redirect(url_for("pages.session.login_page", next=None if is_home else wanted))


def _check(admin: Admin) -> None:
    """A viewer changes nothing but what is their own."""
    if request.method in READING:
        return
    if request.blueprint == f"{bp.name}.{inside.name}.{account.bp.name}":
        check_origin()
    else:
        check_write(admin)


# Who may not come in hears that first.
for part in (session.bp, set_up.bp, inside):
    part.before_request(csrf.protect)
inside.register_error_handler(CSRFError, outdated.show_again)


@inside.get("")
def home() -> ResponseReturnValue:
    return redirect(url_for("pages.inside.dashboard.show"))


for part in (
    dashboard.bp,
    clients_pages.bp,
    connection_pages.bp,
    connect.bp,
    requests_pages.bp,
    playground.bp,
    tools_pages.bp,
    providers_pages.bp,
    settings_pages.bp,
    audit_pages.bp,
    admins_pages.bp,
    account.bp,
    live.bp,
    words.bp,
):
    inside.register_blueprint(part)
for part in (session.bp, oidc.bp, set_up.bp, inside):
    bp.register_blueprint(part, url_prefix="/admin")


@bp.errorhandler(GatewayError)
def tell_failure(error: GatewayError) -> ResponseReturnValue:
    """In the terms of an HTTPException, of which the template tells elsewhere."""
    name = HTTPStatus(error.status).phrase
    told = {"code": error.status, "name": name, "description": error.message}
    return render_template("error.html", error=told), error.status, error.headers
