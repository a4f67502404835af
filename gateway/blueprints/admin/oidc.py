"""Signing in by an OpenID Connect provider, for who is on the list of the configuration."""

import logging

from flask import Blueprint, redirect, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import oidc_provider, sign_in
from gateway.blueprints.admin.oidc_provider import Identity, SignInFailed
from gateway.blueprints.admin.session import (
    count_attempt,
    destination,
    forget_attempt,
    is_of_this_site,
    page,
    tell_to_wait,
)
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound, RateLimited
from gateway.store import admins, audit
from gateway.store.admins import Admin, OtherIdentity

_WANTED = "oidc_next"

bp = Blueprint("oidc", __name__)
bp.register_error_handler(RateLimited, tell_to_wait)
_log = logging.getLogger(__name__)


@bp.before_request
def check_is_on() -> None:
    if current_gateway.settings.oidc.issuer is None:
        raise NotFound("Nobody signs in here by a provider: oidc.issuer is not set.")


@bp.get("/login/oidc")
def begin() -> ResponseReturnValue:
    """Nothing is counted here: no password can be guessed, and the way back is."""
    answer = oidc_provider.ask(_redirect_uri())
    cookie[_WANTED] = destination()
    return answer


@bp.get("/login/oidc/callback")
def come_back() -> ResponseReturnValue:
    count_attempt()
    wanted = cookie.pop(_WANTED, "")
    admin = _let_in(oidc_provider.answer())
    forget_attempt()
    sign_in(admin)
    audit.note(current_gateway.engine, admin.username, "admin.sign-in", admin.username)
    return redirect(wanted if is_of_this_site(wanted) else url_for("pages.inside.home"))


@bp.errorhandler(SignInFailed)
def tell_failure(error: SignInFailed) -> ResponseReturnValue:
    _log.warning("A sign-in by OIDC from %s failed: %s", request.remote_addr, error.reason)
    return page(error.message), error.status


def _let_in(identity: Identity) -> Admin:
    oidc, email = current_gateway.settings.oidc, identity.email.lower()
    role = oidc.role_of(identity.email)
    if role is None:
        raise SignInFailed(
            403,
            f"{identity.email[:100]} may not sign in here. Whoever runs the gateway can put it on "
            "the list: oidc.allowed_emails. Or sign in at the provider as somebody else.",
            "the e-mail address is not on the list",
        )
    try:
        return admins.enter(
            current_gateway.engine, oidc.issuer or "", identity.subject, email, role
        )
    except OtherIdentity as error:
        raise SignInFailed(403, error.message, error.code or "") from None
    except InvalidFields as error:
        why = error.fields["username"]
        raise SignInFailed(403, f"This e-mail address {why}.", "the address is no name") from None


def _redirect_uri() -> str:
    """The callback's address; the provider has to know it."""
    path = url_for("pages.oidc.come_back")
    public = current_gateway.settings.oidc.public_url
    return (public or request.host_url.rstrip("/")) + path
