"""The admin API: its parts behind one guard, and its answers to what goes wrong."""

from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.blueprints.admin import (
    audit_api,
    clients_api,
    connection_api,
    guard_api,
    preview_api,
    providers_api,
    requests_api,
    settings_api,
    stats_api,
    tools_api,
)
from gateway.blueprints.protection import keep_out_of_caches
from gateway.errors import BodyTooLarge, GatewayError, InvalidFields

bp = Blueprint("admin_api", __name__, url_prefix="/admin/api")
bp.after_request(keep_out_of_caches)
bp.before_request(guard_api)

PARTS = (
    clients_api.bp,
    connection_api.bp,
    preview_api.bp,
    stats_api.bp,
    requests_api.bp,
    tools_api.bp,
    audit_api.bp,
    settings_api.bp,
    providers_api.bp,
)

for part in PARTS:
    bp.register_blueprint(part)


@bp.errorhandler(GatewayError)
def tell_failure(error: GatewayError) -> ResponseReturnValue:
    told: dict[str, Any] = {"message": error.message, "type": error.type, "code": error.code}
    if isinstance(error, InvalidFields):
        told["fields"] = error.fields
    return {"error": told}, error.status, error.headers


@bp.errorhandler(RequestEntityTooLarge)
def tell_too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    return tell_failure(BodyTooLarge("The body is too large for the admin API."))
