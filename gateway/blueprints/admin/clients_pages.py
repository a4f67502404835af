"""The pages of clients: the list, one of them, its form, and what may be done to it."""

import re
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue

from gateway.blueprints.admin import check_write, client_parts
from gateway.blueprints.admin.client_form import GROUPS, LIKE, SEALED, ClientForm
from gateway.blueprints.admin.clients_api import MAX_BODY, client_book
from gateway.blueprints.admin.parts import SPANS, chosen_range
from gateway.blueprints.admin.provider_hints import provider_hints
from gateway.blueprints.admin.query import whole_number
from gateway.blueprints.admin.sealed import opened, seal
from gateway.context import current_gateway
from gateway.errors import InvalidFields, NotFound
from gateway.limits import standings
from gateway.store.client_book import HIGHEST_ID, LONGEST_GRACE, describe
from gateway.store.client_fields import ClientFields
from gateway.store.client_list import SORTS, STATES, ClientSearch, state_of
from gateway.store.models import ClientRow

MOST_PAGES = 10**6
GRACES = {
    0: "at once",
    3600: "after an hour",
    24 * 3600: "after a day",
    7 * 24 * 3600: "after a week",
}
"""How long older keys may go on; the API takes any number of seconds."""
_NEW_KEY = "new_key"
_TYPED_KEY = "typed-key:"

bp = Blueprint("clients", __name__, url_prefix="/clients")


@bp.before_request
def allow_long_texts() -> None:
    request.max_content_length = request.max_form_memory_size = MAX_BODY


@bp.get("")
def index() -> ResponseReturnValue:
    search = _search()
    page = search.find(current_gateway.engine)
    uses = standings(page.rows, current_gateway.shared)
    lines = [(row, describe(row), state_of(row), uses.get(row.id)) for row in page.rows]
    return render_template(
        "admin/clients.html", search=search, page=page, lines=lines, states=STATES
    )


@bp.get("/<int:client_id>")
def show(client_id: int) -> ResponseReturnValue:
    row = client_book().get(client_id)
    return _page(row, new_key=_take_new_key(row))


@bp.get("/<int:client_id>/parts")
def show_parts(client_id: int) -> ResponseReturnValue:
    """The parts that change, for a browser that cannot have them sent."""
    return client_parts.now(client_id) | client_parts.figures(client_id, chosen_range())


@bp.get("/new")
def new() -> ResponseReturnValue:
    check_write(g.admin)
    copied = whole_number("copy", default=0, lowest=0, highest=HIGHEST_ID)
    defaults = current_gateway.settings.defaults.model_dump(exclude_none=True)
    values = {name: one.default for name, one in ClientFields.model_fields.items()} | defaults
    source = client_book().get(copied) if copied else None
    if source:
        values |= _values(source)
    return _form(ClientForm.of(values | {"name": ""}), source=source)


@bp.post("/new")
def create() -> ResponseReturnValue:
    book, form = client_book(), ClientForm.sent(request.form)
    payload, like = form.payload(_typed_key(form)), _whole_id(request.form.get(LIKE, ""))
    try:
        row, key = book.duplicate(like, payload) if like else book.create(payload)
    except InvalidFields as error:
        form.problems = error.fields
        return _form(form, source=_found(like)), error.status
    _keep_new_key(row.id, key)
    flash(f"Client {row.name} is made.")
    return redirect(url_for(".show", client_id=row.id))


@bp.get("/<int:client_id>/edit")
def edit(client_id: int) -> ResponseReturnValue:
    check_write(g.admin)
    row = client_book().get(client_id)
    return _form(ClientForm.of(_values(row)), row)


@bp.post("/<int:client_id>/edit")
def change(client_id: int) -> ResponseReturnValue:
    book, form = client_book(), ClientForm.sent(request.form)
    try:
        row = book.update(client_id, form.payload(_typed_key(form)))
    except InvalidFields as error:
        form.problems = error.fields
        return _form(form, book.get(client_id)), error.status
    flash(f"Client {row.name} is changed.")
    return redirect(url_for(".show", client_id=client_id))


@bp.post("/<int:client_id>/rotate-key")
def rotate_key(client_id: int) -> ResponseReturnValue:
    grace = request.form.get("grace_seconds", "")
    if not grace.isascii() or not grace.isdecimal() or int(grace[:9]) > LONGEST_GRACE:
        raise InvalidFields({"grace_seconds": "should be a number of seconds"})
    _keep_new_key(client_id, client_book().rotate_key(client_id, int(grace[:9])))
    return redirect(url_for(".show", client_id=client_id))


@bp.post("/<int:client_id>/active")
def set_active(client_id: int) -> ResponseReturnValue:
    active = request.form.get("active") == "yes"
    row = client_book().update(client_id, {"is_active": active})
    flash(f"Client {row.name} is {'enabled' if active else 'disabled'}.")
    return redirect(url_for(".show", client_id=client_id))


@bp.post("/<int:client_id>/delete")
def delete(client_id: int) -> ResponseReturnValue:
    book = client_book()
    row = book.get(client_id)
    if request.form.get("name", "").strip() != row.name:
        return _page(row, problem="This is not its name. Nothing was deleted."), 422
    book.delete(client_id)
    flash(f"Client {row.name} is deleted.")
    return redirect(url_for(".index"))


def _search() -> ClientSearch:
    given = request.args
    sort, state = given.get("sort", "name"), given.get("state", "")
    return ClientSearch(
        text=given.get("q", "").strip().replace("\0", "")[:200],
        state=state if state in STATES else "",
        sort=sort if sort in SORTS else "name",
        descending=given.get("order") == "desc",
        page=whole_number("page", default=1, lowest=1, highest=MOST_PAGES),
    )


def _page(row: ClientRow, new_key: str | None = None, problem: str | None = None) -> str:
    name = chosen_range()
    return render_template(
        "admin/client.html",
        row=row,
        client=describe(row),
        spans=SPANS,
        range=name,
        parts=client_parts.now_of(row) | client_parts.figures(row.id, name),
        older_keys=[key for key in row.keys if key.expires_at is not None],
        graces=GRACES,
        new_key=new_key,
        problem=problem,
    )


def _form(
    form: ClientForm, row: ClientRow | None = None, *, source: ClientRow | None = None
) -> str:
    """`row`: which one is changed; `source`: which one is duplicated."""
    return render_template(
        "admin/client_form.html",
        form=form,
        groups=GROUPS,
        hints=provider_hints(current_gateway.ways),
        row=row,
        source=source,
    )


def _whole_id(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,10}", text) else 0


def _found(client_id: int) -> ClientRow | None:
    try:
        return client_book().get(client_id)
    except NotFound:
        return None


def _values(row: ClientRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ClientFields.model_fields if hasattr(row, name)}


def _typed_key(form: ClientForm) -> str:
    """The key that was typed now, or the one before; `form` keeps it for another turn."""
    vault, typed = current_gateway.vault, request.form.get("provider_api_key", "").strip()
    key = typed or opened(vault, _TYPED_KEY, request.form.get(SEALED, ""))
    form.sealed = seal(vault, _TYPED_KEY, key)
    return key


# A new key crosses the redirect sealed in the session's cookie, and is shown once.


def _keep_new_key(client_id: int, key: str) -> None:
    cookie[_NEW_KEY] = [client_id, current_gateway.vault.encrypt(key)]


def _take_new_key(row: ClientRow) -> str | None:
    client_id, sealed = cookie.pop(_NEW_KEY, (None, ""))
    return current_gateway.vault.decrypt(sealed) if client_id == row.id else None
