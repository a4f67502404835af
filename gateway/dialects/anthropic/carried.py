"""Other vendors' reasoning items, carried in a thinking block's signature until they come back.

Clients of this dialect send a signature back untouched, and read nothing from it.
"""

import base64
from typing import Any

import orjson

_MARK = "gateway:"


def carried(details: dict[str, Any]) -> str:
    return _MARK + base64.b64encode(orjson.dumps(details)).decode()


def details_of(signature: str) -> dict[str, Any] | None:
    """The item in a signature; None for a signature that is Anthropic's own."""
    if not signature.startswith(_MARK):
        return None
    try:
        details = orjson.loads(base64.b64decode(signature[len(_MARK) :], validate=True))
    except ValueError:
        return None
    return details if isinstance(details, dict) else None
