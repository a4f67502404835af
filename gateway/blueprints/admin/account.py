"""The page of what is an admin's own: the password, and the sessions."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import sign_in
from gateway.blueprints.admin.password_form import OwnPasswordForm
from gateway.blueprints.admin.session import checked, count_attempt, forget_attempt
from gateway.context import current_gateway
from gateway.store import admins
from gateway.store.admins import Admin

bp = Blueprint("account", __name__, url_prefix="/account")


@bp.get("")
def show() -> ResponseReturnValue:
    return _page(OwnPasswordForm())


@bp.post("/password")
def change_password() -> ResponseReturnValue:
    """The other sessions end, this one goes on."""
    count_attempt()
    form, admin = OwnPasswordForm(), g.admin
    if not form.validate():
        return _page(form), 422
    if checked(admin.username, form.current.data) is None:
        form.current.errors = ["This is not the password."]
        return _page(form), 422
    forget_attempt()
    admins.set_password(current_gateway.engine, admin.username, form.password.data, admin.username)
    current_gateway.changed()  # pages that are open ask again who looks
    sign_in(_anew(admin))
    flash("The password is changed. Sessions elsewhere have ended.")
    return redirect(url_for(".show"))


@bp.post("/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    username = g.admin.username
    admins.end_sessions(current_gateway.engine, username, username)
    current_gateway.changed()  # pages that are open ask again who looks
    cookie.clear()
    return redirect(url_for("pages.session.login_page"))


def _anew(admin: Admin) -> Admin:
    return admins.find(current_gateway.engine, admin.id) or admin


def _page(form: OwnPasswordForm) -> str:
    return render_template("admin/account.html", form=form)
