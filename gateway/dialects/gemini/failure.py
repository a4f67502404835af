"""Errors as Gemini words them, and what its own tell."""

import re
from typing import Any

import orjson

from gateway.dialects.gemini.facts import STATUSES, status_word
from gateway.errors import GatewayError

_RETRY = "type.googleapis.com/google.rpc.RetryInfo"
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def error_body(error: GatewayError) -> dict[str, Any]:
    """`{"error": {code, message, status, details?}}`, with the details that upstream gave."""
    word, details = error.extra.get("status"), error.extra.get("details")
    if not isinstance(word, str) or STATUSES.get(word) != error.status:
        word = status_word(error.status)
    body: dict[str, Any] = {"code": error.status, "message": error.message, "status": word}
    details = details if isinstance(details, list) else _own_details(error)
    if details:
        body["details"] = details
    return {"error": body}


def error_event(error: GatewayError) -> bytes:
    """After the head was sent. The SDK sees an error only if `error` is the first key."""
    body = error_body(error)
    if error.meant is not None:
        body["error"] |= {"code": error.meant, "status": status_word(error.meant)}
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"


def _own_details(error: GatewayError) -> list[dict[str, Any]]:
    details = []
    if error.code:
        details.append({"@type": _INFO, "reason": error.code.upper()})
    if "retry-after" in error.headers:
        details.append({"@type": _RETRY, "retryDelay": f"{error.headers['retry-after']}s"})
    return details


def error_of(found: Any) -> dict[str, Any] | None:
    """The error object of a body: `{"error": …}`, the same as the one element of an array, or the
    object itself.
    """
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return None
    inner = found.get("error")
    if isinstance(inner, dict):
        return inner
    return found if "status" in found or "details" in found else None


def retry_delay(found: Any) -> float | None:
    """Seconds after which Google asks to try again."""
    for detail in _details(found, "RetryInfo"):
        delay = detail.get("retryDelay")
        told = _SECONDS.fullmatch(delay) if isinstance(delay, str) else None
        if told is not None:
            return float(told.group(1))
    return None


def is_bad_key(found: Any) -> bool:
    """Google words an invalid key as a bad request, status 400."""
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in _details(found, "ErrorInfo"))


def is_daily_quota(found: Any) -> bool:
    """Whether what is used up is a day's quota, so that a retry soon is in vain."""
    return any(
        "PerDay" in str(violation.get("quotaId"))
        for detail in _details(found, "QuotaFailure")
        for violation in _objects(detail.get("violations"))
    )


def _details(found: Any, kind: str) -> list[dict[str, Any]]:
    details = _objects((error_of(found) or {}).get("details"))
    return [detail for detail in details if str(detail.get("@type")).endswith(f".{kind}")]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
