"""What an upstream's failure means: one judge for all vendors, by status first, by words last.

The shapes of error bodies are those that vendors were seen to send: `{"error": {…}}`,
`{"error": "text"}`, `[{"error": …}]`, `{"message"}`, `{"detail"}`, `{"code", "error": "text"}`,
plain text, an HTML page.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from gateway.dialects.anthropic.facts import CODES
from gateway.dialects.anthropic.facts import STATUSES as TYPES_OF_ANTHROPIC
from gateway.dialects.gemini import retry_delay
from gateway.dialects.gemini.facts import STATUSES as WORDS_OF_GOOGLE
from gateway.dialects.overflow import CODE as OVERFLOW
from gateway.dialects.overflow import is_overflow
from gateway.errors import (
    UpstreamError,
    UpstreamForbidden,
    UpstreamOverloaded,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
)

# 520 to 524 are those of Cloudflare's fronts.
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_CONTENT = re.compile(r"moderation|content|policy|safety|flagged|guardrail|harm", re.IGNORECASE)
_WAIT_IN_TEXT = re.compile(r"retry after (\d+(?:\.\d+)?) second", re.IGNORECASE)
# OpenAI quotes a refused key by its beginning and its end: `sk-proj-****wxyz`.
_MASKED = re.compile(r"\S*\*{3}\S*")
_OWN = ("message", "type", "param", "code", "detail", "error")
_STATUS = re.compile(r"[45]\d\d", re.ASCII)
# Words for a status where there is none: Anthropic's, Google's, OpenAI's.
_STATUS_OF = {**TYPES_OF_ANTHROPIC, **WORDS_OF_GOOGLE, "insufficient_quota": 429}
_ABOUT_A_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS_IN = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# What is limited, in headers that say when a limit is over.
_LIMITS = (
    *(f"x-ratelimit-{{}}-{what}" for what in ("requests", "tokens")),
    *(f"anthropic-ratelimit-{what}-{{}}" for what in ("requests", "tokens")),
    *(f"anthropic-ratelimit-{what}-{{}}" for what in ("input-tokens", "output-tokens")),
)
_MESSAGE_SIZE = 2000
_EXTRA_SIZE = 16_384
_TEXT_SIZE = 500


@dataclass(slots=True)
class Told:
    """What an error body says: OpenAI's four members, and the rest of its error object."""

    message: str = ""
    type: str | None = None
    param: str | None = None
    code: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def judge(status: int, headers: Mapping[str, str], raw: bytes, key: str | None) -> UpstreamError:
    """The error that an upstream's answer of this status stands for; its key is struck out."""
    told = told_by(_without(raw, key))
    error = _classified(status, told)
    error.retryable = _is_retryable(status, error)
    error.sticky = error.sticky and not error.retryable
    error.retry_after = _retry_after(status, headers, told)
    if error.retry_after is not None and error.status in (429, 503):
        error.headers["retry-after"] = f"{error.retry_after:.3f}".rstrip("0").rstrip(".")
    return error


def judge_inside(found: Any, key: str | None) -> UpstreamError:
    """The error for an error object, or for rubbish, inside an answer whose status was 200."""
    text = found if isinstance(found, str) else _json(found)
    told = told_by(_without(text.encode(), key))
    if isinstance(found, str):
        told.extra = {}
        told.message = f"Upstream's answer is not what it should be: {told.message or 'empty'}"
    error = _worded(UpstreamError, told)
    error.code, error.type = told.code or error.code, told.type or error.type
    status = _status_inside(told)
    if status is not None:
        meant = _classified(status, told)
        error.meant = meant.status
        error.retryable = _is_retryable(status, meant)
        error.sticky = meant.sticky and not error.retryable
        if isinstance(meant, (UpstreamUnauthorized, UpstreamQuotaExceeded)):
            error.code, error.type = meant.code, meant.type
            error.message = _MASKED.sub("***", error.message)
        elif told.code is None:
            error.code = CODES.get(told.type or "", error.code)
    if is_overflow(told.message):
        error.code = OVERFLOW
    return error


def _is_retryable(status: int, error: UpstreamError) -> bool:
    return status in _RETRYABLE and not isinstance(error, UpstreamQuotaExceeded)


def told_by(raw: bytes) -> Told:
    """What an error body says, whatever its shape."""
    try:
        told = _told_by_json(orjson.loads(raw))
    except (orjson.JSONDecodeError, RecursionError):
        return Told(_plain(raw.decode(errors="replace")))
    if len(raw) > _EXTRA_SIZE or not _json(told.extra):
        told.extra = {}
    return told


def _told_by_json(body: Any) -> Told:
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return Told(_plain(_shown(body)))
    found = body.get("error")
    if isinstance(found, dict):
        return _told_by_object(found)
    if isinstance(found, str) and found:
        return Told(_cut(_worded_message(found)), code=_text(body.get("code")))
    return _told_by_object(body)


def _told_by_object(found: dict[str, Any]) -> Told:
    message = found.get("message") or found.get("detail") or found.get("error") or ""
    return Told(
        message=_cut(_worded_message(message)),
        type=_text(found.get("type")),
        param=_text(found.get("param")),
        code=_text(found.get("code")) or _text(found.get("status")),
        extra={name: value for name, value in found.items() if name not in _OWN},
    )


def _worded_message(message: Any) -> str:
    """A message may itself be a list of faults (422), an object that holds one, or JSON."""
    if isinstance(message, str):
        return _unwrapped(message)
    if isinstance(message, dict):
        return _worded_message(message.get("detail") or message.get("message") or _json(message))
    if isinstance(message, list):
        return "; ".join(map(_fault, message))
    return _shown(message)


def _unwrapped(message: str) -> str:
    """Google's words come so from those who pass them on."""
    if not message.lstrip().startswith(("{", "[")):
        return message
    try:
        return _told_by_json(orjson.loads(message)).message or message
    except orjson.JSONDecodeError:
        return message


def _fault(item: Any) -> str:
    if not isinstance(item, dict):
        return _shown(item)
    place = item.get("loc")
    where = ".".join(map(_shown, place)) if isinstance(place, list) else _shown(place)
    what = _shown(item.get("msg") or item.get("message") or item)
    return f"{where}: {what}" if where else what


def _classified(status: int, told: Told) -> UpstreamError:
    quota = "insufficient_quota" in (told.code, told.type)
    if status == 402 or (quota and status in (403, 429)):
        return _worded(UpstreamQuotaExceeded, told)
    if status == 401 or (status == 403 and not _is_about_content(told)):
        return _unauthorized(told)
    if status == 403:
        return _worded(UpstreamForbidden, told)
    if status == 429:
        return _worded(UpstreamRateLimited, told)
    if status in (503, 529):
        return _worded(UpstreamOverloaded, told)
    if status in (408, 504):
        return _worded(UpstreamTimeout, told)
    if 400 <= status < 499:
        rejected = _worded(UpstreamRejected, told)
        rejected.status = status
        if status in (400, 413, 422) and is_overflow(rejected.message):
            rejected.code = OVERFLOW
        elif status == 404 and _names_no_code(told) and _ABOUT_A_MODEL.search(rejected.message):
            rejected.code = "model_not_found"
        return rejected
    if 300 <= status < 400:
        return UpstreamError(f"Upstream answered {status}, a redirect, which is not followed")
    told.message = told.message or f"Upstream answered {status} and gave no reason"
    return _worded(UpstreamError, told)


def _unauthorized(told: Told) -> UpstreamError:
    """The client's own key is fine, so its SDK must not be told otherwise."""
    reason = f": {_MASKED.sub('***', told.message)}" if told.message else ""
    return UpstreamUnauthorized(f"Upstream does not accept the gateway's key{reason}")


def _worded(kind: type[UpstreamError], told: Told) -> UpstreamError:
    message = told.message or "Upstream gave no reason"
    error = kind(message, param=told.param, code=None)
    if issubclass(kind, (UpstreamRejected, UpstreamRateLimited)):
        error.code = told.code or kind.code
        error.type = told.type or kind.type
    error.extra = told.extra
    return error


def _names_no_code(told: Told) -> bool:
    """A number says no more than the status does."""
    return told.code is None or told.code.isdigit()


def _is_about_content(told: Told) -> bool:
    metadata = told.extra.get("metadata")
    if isinstance(metadata, dict) and {"reasons", "flagged_input"} & metadata.keys():
        return True
    words = " ".join(filter(None, (told.message, told.code, told.type)))
    return _CONTENT.search(words) is not None


def _status_inside(told: Told) -> int | None:
    for value in (told.extra.get("status_code"), told.extra.get("statusCode"), told.code):
        if isinstance(value, (int, str)) and _STATUS.fullmatch(str(value)):
            return int(value)
    return _STATUS_OF.get(told.type or "") or _STATUS_OF.get(told.code or "")


def _retry_after(status: int, headers: Mapping[str, str], told: Told) -> float | None:
    """Seconds that upstream asks to wait, in any of the forms that vendors use."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001)):
        if (seconds := _number(headers.get(name))) is not None:
            return seconds * unit
    after = headers.get("retry-after")
    if after is not None:
        seconds = _number(after)
        return seconds if seconds is not None else _until(after)
    in_text = _WAIT_IN_TEXT.search(told.message)
    if in_text:
        return _number(in_text.group(1))
    if (delay := retry_delay({"error": told.extra})) is not None:
        return delay
    return _until_reset(headers) if status == 429 else None


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Until the limits that are used up hold no longer; if none is said to be, the nearest."""
    used_up: list[float] = []
    others: list[float] = []
    for form in _LIMITS:
        seconds = _span(headers.get(form.format("reset")))
        if seconds is not None:
            left = _number(headers.get(form.format("remaining")))
            (used_up if left == 0 else others).append(seconds)
    return max(used_up) if used_up else min(others, default=None)


def _span(text: str | None) -> float | None:
    """Seconds of a duration (`6m0s`), of a plain number, or until a time (RFC 3339)."""
    if not text:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    if _DURATION.sub("", text) == "":
        return sum(float(n) * _SECONDS_IN[unit] for n, unit in _DURATION.findall(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def _until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _without(raw: bytes, key: str | None) -> bytes:
    return re.sub(b"".join(map(_written, key)), b"***", raw) if key else raw


def _written(char: str) -> bytes:
    """A pattern for a key's character in each of the ways that JSON may write it, nested or not."""
    if char.isalnum():
        return char.encode()
    return rb"(?:\\{0,9}%b|\\{1,9}(?i:u%04x))" % (re.escape(char).encode(), ord(char))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _json(value: Any) -> str:
    """JSON text; none of what is nested too deeply to be written."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return ""


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, (dict, list, bool)):
        return None
    return str(value)


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_SIZE else message[:_MESSAGE_SIZE] + "…"


def _plain(text: str) -> str:
    """Text of a body that is no JSON; an HTML page is not shown to anybody."""
    stripped = text.strip()
    if stripped.startswith("<"):
        return "an HTML page"
    return stripped[:_TEXT_SIZE]
