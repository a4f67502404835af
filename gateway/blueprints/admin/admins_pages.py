"""The page of the admins: who they are, what they may, and who else shall be one."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import acting
from gateway.blueprints.admin.password_form import AdminForm
from gateway.context import current_gateway
from gateway.errors import InvalidFields
from gateway.store import admins

bp = Blueprint("admins", __name__, url_prefix="/admins")


@bp.get("")
def index() -> ResponseReturnValue:
    return _page(AdminForm(formdata=None))


@bp.post("")
def create() -> ResponseReturnValue:
    form = AdminForm()
    if not form.validate():
        return _page(form), 422
    name = form.username.data
    try:
        admins.create(current_gateway.engine, acting(), name, form.password.data, form.role.data)
    except InvalidFields as error:
        form.username.errors = [f"This name {why}." for why in error.fields.values()]
        return _page(form), error.status
    flash(f"{name.strip()} may sign in now.")
    return redirect(url_for(".index"))


@bp.post("/<int:admin_id>/role")
def set_role(admin_id: int) -> ResponseReturnValue:
    role = request.form.get("role")
    if role not in admins.ROLES:
        raise InvalidFields({"role": f"should be one of {', '.join(admins.ROLES)}"})
    return _done(lambda: admins.set_role(current_gateway.engine, acting(), admin_id, role))


@bp.post("/<int:admin_id>/delete")
def delete(admin_id: int) -> ResponseReturnValue:
    return _done(lambda: admins.delete(current_gateway.engine, acting(), admin_id))


def _done(change: Callable[[], None]) -> ResponseReturnValue:
    try:
        change()
    except InvalidFields as error:
        flash(f"The role {error.fields['role']}.", "bad")
    else:
        current_gateway.changed()  # pages that are open ask again who looks
        flash("It is done.")
    return redirect(url_for(".index"))


def _page(form: AdminForm) -> str:
    everybody = admins.everybody(current_gateway.engine)
    return render_template("admin/admins.html", everybody=everybody, form=form, roles=admins.ROLES)
