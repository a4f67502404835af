"""Metrics for Prometheus: behind basic auth where it is set, else for this machine alone."""

import hmac
import ipaddress

from flask import Blueprint, Response, request

from gateway.config import Metrics as MetricsSettings
from gateway.context import current_gateway
from gateway.errors import Forbidden, NotFound

bp = Blueprint("metrics", __name__)
_TYPE = "text/plain; version=1.0.0; charset=utf-8"


@bp.get("/metrics")
def metrics() -> Response:
    settings = current_gateway.settings.metrics
    if not settings.enabled:
        raise NotFound("Metrics are switched off (metrics.enabled)")
    if settings.username is None:
        _guard_by_address()
    elif not _has_password(settings):
        asked = {"www-authenticate": 'Basic realm="metrics"'}
        return Response("Sign in to read the metrics\n", 401, asked, "text/plain")
    return Response(current_gateway.metrics.text(), content_type=_TYPE)


def _guard_by_address() -> None:
    forwarded = "X-Forwarded-For" in request.headers
    if forwarded or not ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:
        raise Forbidden(
            "Metrics are for this machine alone until metrics.username and password are set",
            code="metrics_are_local",
        )


def _has_password(settings: MetricsSettings) -> bool:
    given = request.authorization
    if given is None or given.type != "basic" or settings.password is None:
        return False
    name = hmac.compare_digest((given.username or "").encode(), (settings.username or "").encode())
    password = settings.password.get_secret_value().encode()
    return hmac.compare_digest((given.password or "").encode(), password) and name
