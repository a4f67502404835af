"""Base64 as Gemini sends it, and thought signatures.

Other vendors' reasoning state (a signature that is no base64, redacted thoughts, an item of their
own) travels through a Gemini client as the signature of a thought, marked and in base64.
"""

import binascii
from base64 import b64decode, b64encode
from typing import Any

import orjson

from gateway.conversation import Thinking
from gateway.dialects.gemini.facts import SKIP_SIGNATURE

_URL_SAFE = str.maketrans("-_", "+/")
_MARK = b"gateway-reasoning:"  # a multiple of three bytes, so that its base64 is a prefix, too
_MARK_TEXT = b64encode(_MARK).decode()
_SKIP_ENCODED = b64encode(SKIP_SIGNATURE.encode()).decode()


def standard(text: str) -> str | None:
    """Base64 of either alphabet, with or without padding, in the standard one; None if broken."""
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
    if len(text) % 4:
        text = text.rstrip("=")
        text += "=" * (-len(text) % 4)
    return text if _is_base64(text) else None


def signature_of(text: str) -> str | None:
    """A signature that came from a client, "" for the one that says there is none; None if broken.

    The Python SDK sends what it takes for bytes in base64, the stand-in, too.
    """
    if text == SKIP_SIGNATURE:
        return ""
    found = standard(text)
    return "" if found == _SKIP_ENCODED else found


def sealed(signature: str | None, redacted: str | None, details: dict[str, Any] | None) -> str:
    """The state of a run of thinking, as a thought signature; "" if there is none."""
    if not redacted and details is None:
        if not signature:
            return ""
        if _is_base64(signature) and not signature.startswith(_MARK_TEXT):
            return signature
    state = {"signature": signature, "redacted": redacted, "details": details}
    return b64encode(_MARK + orjson.dumps(state)).decode()


def opened(text: str, signature: str | None) -> Thinking:
    """The thinking of a text and a (standard) signature that came with it."""
    if signature is None or not signature.startswith(_MARK_TEXT):
        return Thinking(text, signature=signature)
    try:
        state = orjson.loads(b64decode(signature)[len(_MARK) :])
    except orjson.JSONDecodeError:
        state = None
    if not isinstance(state, dict):
        return Thinking(text, signature=signature)
    return Thinking(
        text,
        signature=_text(state.get("signature")),
        redacted=_text(state.get("redacted")),
        details=state["details"] if isinstance(state.get("details"), dict) else None,
    )


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):  # ValueError: it holds more than ASCII
        return False
    return True


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
