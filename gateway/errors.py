"""Every failure that a caller is told about.

    GatewayError                    status, type, code, param, headers
    ├── BadRequest                  400  the body or a parameter is wrong; names it
    │   └── InvalidFields           422  what an administrator gave; says why, by field
    ├── Unauthenticated             401  no key, an unknown key, or two different keys
    ├── Forbidden                   403  the key is known, but disabled or expired
    ├── NotFound                    404  no such path or thing
    │   └── ModelNotFound           404  the client may not use this model, or nobody serves it
    ├── MethodNotAllowed            405
    ├── BodyTooLarge                413
    ├── RateLimited                 429  a limit of the client, or of its address
    ├── Unavailable                 503  the gateway itself cannot answer now
    ├── ClientHungUp                499  nobody is there to read the answer
    ├── Cancelled                   499  an administrator ended the call
    └── UpstreamError               502  the way out failed; may be worth a retry
        ├── UpstreamRejected        as upstream said: it understood, and refused
        ├── UpstreamForbidden       403  refused for its content
        ├── UpstreamUnauthorized    502  upstream does not take *the gateway's* key
        ├── UpstreamQuotaExceeded   502  the account behind the key is empty
        ├── UpstreamRateLimited     429
        ├── UpstreamOverloaded      503
        ├── UpstreamTimeout         504
        └── UpstreamUnreachable     502

Raised low, answered once at the edge: `blueprints/replies.py` words them in the door's dialect.
"""

from collections.abc import Mapping
from typing import Any


class GatewayError(Exception):
    """A failure with the status, type and code that its answer carries.

    `meant`: the status for which an error stands that came inside an answer of status 200. `extra`
    holds members of upstream's own error object that have no place here; they are handed on
    unchanged.
    """

    status = 500
    type = "api_error"
    code: str | None = "internal_error"
    meant: int | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.headers: dict[str, str] = dict(headers or {})
        self.extra: dict[str, Any] = {}


class BadRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class InvalidFields(BadRequest):
    """`fields` says why, by field; no value that was sent is repeated."""

    status = 422

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


class Unauthenticated(GatewayError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(GatewayError):
    status = 403
    type = "permission_error"
    code = "client_disabled"


class NotFound(GatewayError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class BodyTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class RateLimited(GatewayError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class Unavailable(GatewayError):
    status = 503
    type = "api_error"
    code = "gateway_unavailable"


class ClientHungUp(GatewayError):
    status = 499
    type = "client_error"
    code = "client_hung_up"


class Cancelled(GatewayError):
    status = 499
    type = "client_error"
    code = "cancelled_by_administrator"


class UpstreamError(GatewayError):
    """`retryable`: another try may help. `retry_after`: seconds upstream asked to wait, if it did.

    `sticky`: trying another target cannot help either, since the request itself is at fault.
    `most_retries`: how often another try is worth it; None leaves it to the settings.
    """

    status = 502
    type = "api_error"
    code: str | None = "upstream_error"
    retryable = True
    sticky = False
    retry_after: float | None = None
    most_retries: int | None = None


class UpstreamRejected(UpstreamError):
    """Upstream understood and refused: its own status, type and code are kept."""

    type = "invalid_request_error"
    code: str | None = None
    retryable = False
    sticky = True


class UpstreamForbidden(UpstreamRejected):
    status = 403
    type = "permission_error"
    code = "content_refused"


class UpstreamUnauthorized(UpstreamError):
    code = "upstream_authentication_error"
    retryable = False


class UpstreamQuotaExceeded(UpstreamError):
    code = "upstream_quota_exceeded"
    retryable = False


class UpstreamRateLimited(UpstreamError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class UpstreamOverloaded(UpstreamError):
    status = 503
    code = "upstream_overloaded"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"
