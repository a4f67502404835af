"""Who may come in to the admin's pages and API; each subject has files of its own.

*_pages  HTML in the frame, all joined in `pages`
*_api    JSON below /admin/api, all joined in `api`
*_form   what is asked for in a form, and what was typed into it
*_facts  what both tell
*_parts  what changes on a page while it is open
"""

import hmac
import secrets

from flask import g, request
from flask import session as cookie  # a module here is named session

from gateway.blueprints.admin.attempts import TOKEN, seconds_to_wait
from gateway.context import current_gateway
from gateway.errors import Forbidden, RateLimited, Unauthenticated
from gateway.store import admins, audit
from gateway.store.admins import Admin

READING = ("GET", "HEAD", "OPTIONS")


def guard_api() -> None:
    """Let in the bearer of the admin token, or a signed-in admin; a viewer only to read."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # a proxy in front may have use for another scheme
        _check_token(token.strip())
        g.admin = None
        return
    admin = signed_in()
    if admin is None:
        raise Unauthenticated(
            "Sign in at /admin, or send Authorization: Bearer with GATEWAY_ADMIN_TOKEN.",
            code="admin_sign_in_required",
            headers={"www-authenticate": "Bearer"},
        )
    g.admin = admin
    if request.method not in READING:
        check_write(admin)


def acting() -> str:
    """Who the audit log says this is: the signed-in admin, or `token`."""
    admin: Admin | None = g.admin
    return admin.username if admin else audit.TOKEN


def signed_in() -> Admin | None:
    """The admin of this session; PERMANENT_SESSION_LIFETIME after its last use there is none."""
    if "admin_id" not in cookie:
        return None
    admin = admins.find(current_gateway.engine, cookie["admin_id"])
    ended = current_gateway.shared.has_ended(cookie.get("id", ""))
    if ended or admin is None or admin.session_epoch != cookie.get("epoch") or _is_off(admin):
        cookie.clear()
        return None
    return admin


def _is_off(admin: Admin) -> bool:
    """Whether who came in by a provider is not on the list any more, or is to be something else."""
    listed = current_gateway.settings.oidc.role_of(admin.username) == admin.role
    return admin.by_provider and not listed


def sign_in(admin: Admin) -> None:
    """Begin a session, anew in every part, so that none is carried over from before."""
    cookie.clear()
    cookie.permanent = True
    cookie["admin_id"] = admin.id
    cookie["epoch"] = admin.session_epoch
    cookie["id"] = secrets.token_urlsafe(16)


def sign_out() -> None:
    """End this session, also for who has a copy of its cookie, and for pages that are open."""
    session = cookie.get("id")
    cookie.clear()
    # A stranger's sign-out must not make all workers ask the database again.
    if session is not None and not current_gateway.shared.has_ended(session):
        current_gateway.shared.end_session(session)
        current_gateway.changed()


def check_write(admin: Admin) -> None:
    """Raises Forbidden for another site's page, and for a viewer."""
    check_origin()
    if not admin.may_change:
        raise Forbidden("A viewer may not change anything.", code="admin_role_required")


def check_origin() -> None:
    if not same_origin():
        raise Forbidden("Another site's page asked for this.", code="cross_site_request")


def same_origin() -> bool:
    """Browsers say where a write comes from; who says nothing is no browser, and has no cookies.

    Sec-Fetch-Site is sent over https and to localhost only, Origin with every write.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


def _check_token(given: str) -> None:
    token = current_gateway.settings.admin.token
    expected = token.get_secret_value() if token else ""
    if not (hmac.compare_digest(given.encode(), expected.encode()) and expected):
        _count_failure()
        raise Unauthenticated(
            "This is not the admin token."
            if expected
            else "No admin token is set: start the gateway with GATEWAY_ADMIN_TOKEN.",
            code="invalid_admin_token",
            headers={"www-authenticate": "Bearer"},
        )


def _count_failure() -> None:
    """Only failures count, so others' guesses never stop the bearer of the right token."""
    if wait := seconds_to_wait(TOKEN):
        raise RateLimited(
            "Too many failed attempts from this address.",
            code="too_many_failures",
            headers={"retry-after": str(wait)},
        )
