"""The headers of every answer against misuse in a browser, and of admins' pages against caches."""

from typing import Any

from flask import Response

_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    (
        "content-security-policy",
        # Bootstrap's own sheet has its few icons in it, as data.
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'; object-src 'none'",
    ),
)
_UNDER_TLS = (*_HEADERS, ("strict-transport-security", "max-age=31536000"))


def security_headers(environ: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return _UNDER_TLS if environ["wsgi.url_scheme"] == "https" else _HEADERS


def keep_out_of_caches(response: Response) -> Response:
    """To follow each request to what is for admins alone."""
    response.headers["Cache-Control"] = "no-store"
    return response
