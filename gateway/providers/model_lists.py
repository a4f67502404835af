"""Vendors' lists of models, kept for a while, each for the very address and key it came with."""

import time
from typing import Any

import orjson

from gateway.providers.base import Credentials, Provider
from gateway.providers.failures import judge, judge_inside
from gateway.upstream import Upstream, prepared

Model = dict[str, Any]
_KEPT = 200


class ModelLists:
    """The lists of all vendors, each at most `seconds` old."""

    def __init__(self, upstream: Upstream, seconds: float) -> None:
        self._upstream = upstream
        self._seconds = seconds
        self._lists: dict[tuple[str, Credentials], tuple[float, list[Model]]] = {}

    def of(self, provider: Provider, credentials: Credentials) -> list[Model]:
        """A vendor's models in OpenAI's shape. Raises UpstreamError."""
        place = provider.id, credentials
        until, models = self._lists.get(place, (0.0, []))
        if until < time.monotonic():
            models = self._fetched(provider, credentials)
            while len(self._lists) >= _KEPT:
                del self._lists[next(iter(self._lists))]
            self._lists[place] = (time.monotonic() + self._seconds, models)
        return models

    def _fetched(self, provider: Provider, credentials: Credentials) -> list[Model]:
        usual = [model(name, provider.id) for name in provider.models]
        url = provider.models_url(credentials)
        if url is None:
            return usual
        request = prepared("GET", url, provider.headers(credentials), None)
        status, headers, raw = self._upstream.fetch(request)
        if status in (404, 405):
            return usual  # there are vendors without a list
        if status != 200:
            raise judge(status, headers, raw, credentials.api_key)
        rows = provider.read_models(_read(raw, credentials.api_key))
        return [model(row["id"], provider.id) | row | {"object": "model"} for row in rows]


def _read(raw: bytes, key: str | None) -> Any:
    """The list's JSON. Raises UpstreamError for what cannot be one."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict) and body.get("error"):
        raise judge_inside(body, key)
    if not isinstance(body, (dict, list)):
        raise judge_inside(raw.decode(errors="replace"), key)
    return body


def model(name: str, owner: str) -> Model:
    """One model in OpenAI's shape, for which nothing but its name is known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
