"""The JSON object that a call of the admin API brings, checked."""

from collections.abc import Collection
from typing import Any

import orjson
from flask import request

from gateway.errors import BadRequest, InvalidFields


def payload(most: int, fields: Collection[str] | None = None) -> dict[str, Any]:
    """The body, of `most` bytes. `fields`: those that may stand in it; None leaves them to others.

    Raises BadRequest, InvalidFields.
    """
    request.max_content_length = most
    try:
        given = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.", code="invalid_json") from None
    if not isinstance(given, dict):
        raise BadRequest("The body should be a JSON object.", code="invalid_json")
    if fields is not None and (unknown := sorted(given.keys() - set(fields))):
        raise InvalidFields(dict.fromkeys(unknown, "is not a field here"))
    return given


def optional_payload(most: int, fields: Collection[str]) -> dict[str, Any]:
    """The same of a call that may come without a body."""
    request.max_content_length = most
    return payload(most, fields) if request.get_data() else {}
