"""Signing in to the admin pages, and out again."""

import logging
from typing import cast

from flask import (
    Blueprint,
    Flask,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, generate_csrf
from gevent.lock import BoundedSemaphore
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from gateway.blueprints.admin import sign_in, sign_out, signed_in
from gateway.blueprints.admin.attempts import SIGN_IN, seconds_to_wait, take_back
from gateway.context import current_gateway
from gateway.errors import RateLimited
from gateway.store import admins, audit
from gateway.store.admins import Admin

REFUSED = "This user name and password do not go together."
OUTDATED = "This page was open for too long. Please try again."
CHECKS_AT_ONCE = 2  # each takes 32 MB for its hash, and a thread that name resolution wants too

bp = Blueprint("session", __name__)
_log = logging.getLogger(__name__)


@bp.record_once
def settle(state: BlueprintSetupState) -> None:
    """A CSRF token lasts as long as its session, and stands alone: no referrer is sent."""
    app = cast(Flask, state.app)
    app.config.update(WTF_CSRF_TIME_LIMIT=None, WTF_CSRF_SSL_STRICT=False)
    app.extensions["password_checks"] = BoundedSemaphore(CHECKS_AT_ONCE)


class SignInForm(FlaskForm):  # type: ignore[misc]
    username = StringField(default=admins.FIRST, validators=[InputRequired(), Length(max=100)])
    password = PasswordField(validators=[InputRequired(), Length(max=1000)])


@bp.get("/login")
def login_page() -> ResponseReturnValue:
    if signed_in():
        return redirect(destination())
    if not admins.everybody(current_gateway.engine):
        return redirect(url_for("pages.set_up.page"))
    return page()


@bp.post("/login")
def login() -> ResponseReturnValue:
    count_attempt()
    form = SignInForm()
    admin = checked(form.username.data, form.password.data) if form.validate() else None
    if admin is None:
        _log.warning("A sign-in from %s was refused", request.remote_addr)
        return page(REFUSED), 401
    forget_attempt()
    sign_in(admin)
    audit.note(current_gateway.engine, admin.username, "admin.sign-in", admin.username)
    return redirect(destination())


@bp.get("/session")
def standing() -> ResponseReturnValue:
    """The token for forms of this session, or null: a page asks before it sends what was typed."""
    return {"csrf_token": generate_csrf() if signed_in() else None}


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    if admin := signed_in():
        audit.note(current_gateway.engine, admin.username, "admin.sign-out", admin.username)
    sign_out()
    return redirect(url_for("pages.session.login_page"))


@bp.errorhandler(RateLimited)
def tell_to_wait(error: RateLimited) -> ResponseReturnValue:
    return page(error.message), error.status, error.headers


@bp.errorhandler(CSRFError)
def tell_outdated(error: CSRFError) -> ResponseReturnValue:
    return page(OUTDATED), 400


def page(problem: str | None = None) -> str:
    """The sign-in page, from wherever it is shown."""
    provider = current_gateway.settings.oidc.button
    return render_template(
        "admin/login.html", form=SignInForm(), problem=problem, provider=provider
    )


def count_attempt() -> None:
    """Raises RateLimited for an address that fails more often than the settings allow.

    Who turns out to be right says so: `forget_attempt`.
    """
    if wait := seconds_to_wait(SIGN_IN):
        raise RateLimited(
            f"Too many attempts from this address. Try again in {wait} s.",
            headers={"retry-after": str(wait)},
        )


def forget_attempt() -> None:
    take_back(SIGN_IN)


def checked(username: str, password: str) -> Admin | None:
    """The admin whose password this is; a few are checked at once, the others wait."""
    with current_app.extensions["password_checks"]:
        return admins.check(current_gateway.engine, username, password)


def destination() -> str:
    target = request.args.get("next", "")
    return target if is_of_this_site(target) else url_for("pages.inside.home")


def is_of_this_site(target: str) -> bool:
    """Browsers take `//host`, `/\\host` and, dropping the tab, `/<tab>/host` for other sites."""
    path_only = target.startswith("/") and not target.startswith("//")
    return path_only and "\\" not in target and target.isprintable()
