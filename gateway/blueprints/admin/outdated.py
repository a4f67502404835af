"""A form with the token of another session: nothing is done, what was typed can be sent again."""

import re
from collections.abc import Mapping

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from gateway.blueprints.admin.sealed import seal
from gateway.context import current_gateway
from gateway.store.vault import Vault

_SEALED_AS = (
    (re.compile(r"provider_api_key"), "sealed_provider_api_key", "typed-key:"),
    (re.compile(r"header_value_(\d+)"), r"sealed_\1", "typed-header:"),
)
"""Secrets by the names of their fields; how their forms take them back, and for which purpose."""
_LEFT_OUT = ("csrf_token", "current", "password", "again")


def show_again(error: CSRFError) -> ResponseReturnValue:
    fields = _kept(request.form, current_gateway.vault)
    passwords = any(name in request.form for name in _LEFT_OUT[1:])
    page = render_template("admin/outdated.html", fields=fields, passwords=passwords)
    return page, error.code or 400


def _kept(form: Mapping[str, str], vault: Vault) -> dict[str, str]:
    """As it may stand in a page; a secret typed now goes before one that was sealed earlier."""
    kept = {name: value for name, value in form.items() if name not in _LEFT_OUT}
    for name in form:
        for pattern, sealed_as, purpose in _SEALED_AS:
            if found := pattern.fullmatch(name):
                typed = kept.pop(name).strip()
                kept |= {found.expand(sealed_as): seal(vault, purpose, typed)} if typed else {}
    return kept
