"""The page that makes the first admin, where there is none, for who can read the log."""

import logging

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin.password_form import SetUpForm
from gateway.blueprints.admin.session import count_attempt, forget_attempt
from gateway.context import current_gateway
from gateway.errors import InvalidFields, RateLimited
from gateway.store import admins, set_up_code

bp = Blueprint("set_up", __name__)
_log = logging.getLogger(__name__)


@bp.get("/set-up")
def page() -> ResponseReturnValue:
    if admins.everybody(current_gateway.engine):
        return redirect(url_for("pages.session.login_page"))
    code = set_up_code.new_code(current_gateway.engine)
    if code is not None:
        minutes = set_up_code.LASTS.seconds // 60
        _log.warning("There is no admin yet. Set-up code, for %s minutes: %s", minutes, code)
    return _page(SetUpForm())


@bp.post("/set-up")
def create() -> ResponseReturnValue:
    count_attempt()
    form, engine = SetUpForm(), current_gateway.engine
    if not form.validate():
        return _page(form), 422
    try:
        if admins.create_first(engine, form.code.data, form.username.data, form.password.data):
            forget_attempt()
            return redirect(url_for("pages.session.login_page"))
    except InvalidFields as error:
        form.username.errors = [f"This name {why}." for why in error.fields.values()]
    else:
        form.code.errors = ["This is not the code, or its time is over."]
    return _page(form), 422


@bp.errorhandler(RateLimited)
def tell_to_wait(error: RateLimited) -> ResponseReturnValue:
    return _page(SetUpForm(), error.message), error.status, error.headers


def _page(form: SetUpForm, problem: str | None = None) -> str:
    return render_template("admin/set_up.html", form=form, problem=problem)
