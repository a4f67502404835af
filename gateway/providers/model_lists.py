"""Vendors' lists of models, kept for a while, each for the very address and key it came with."""

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
from gevent.event import AsyncResult

from gateway.errors import UpstreamError, UpstreamUnreachable
from gateway.providers.base import Credentials, Provider
from gateway.providers.failures import judge_inside
from gateway.upstream import Upstream, prepared

Model = dict[str, Any]
_KEPT = 200
_MOST_PAGES = 50
# Vendors' names for how much a model reads.
_CONTEXT = ("context_window", "context_length", "max_context_length", "max_model_len")


def outlined(models: Iterable[Model]) -> list[Model]:
    """Of each its id, and how much it reads where that is known."""
    return [{name: one[name] for name in ("id", "context_window") if name in one} for one in models]


class ModelLists:
    """The lists of all vendors, each at most `seconds` old."""

    def __init__(self, upstream: Upstream, seconds: float) -> None:
        self._upstream = upstream
        self._seconds = seconds
        self._lists: dict[tuple[str, Credentials], tuple[float, list[Model]]] = {}
        self._asked_for: dict[tuple[str, Credentials], AsyncResult[list[Model] | None]] = {}

    def of(self, provider: Provider, credentials: Credentials) -> list[Model]:
        """A vendor's models in OpenAI's shape. Raises UpstreamError."""
        until, models = self._lists.get((provider.id, credentials), (0.0, []))
        if until >= time.monotonic():
            return models
        while (asked := self._asked_for.get((provider.id, credentials))) is not None:
            if (told := asked.get()) is not None:
                return told
        return self._asked_once(provider, credentials)

    def now(self, provider: Provider, credentials: Credentials) -> list[Model] | None:
        """The same as the vendor tells it now; None where it has no list. Raises UpstreamError."""
        for url in provider.models_urls(credentials):
            rows = self._pages(provider, credentials, url)
            if rows is not None:
                told = provider.enriched(rows, partial(self._asked, provider, credentials))
                models = [_row(row, provider.id) for row in told]
                self._keep(provider, credentials, models)
                return models
        return None

    def _asked_once(self, provider: Provider, credentials: Credentials) -> list[Model]:
        """Who wants the same list meanwhile waits for this one: it may have many pages."""
        asked = self._asked_for[provider.id, credentials] = AsyncResult()
        try:
            listed = self._listed(provider, credentials)
            asked.set(listed)
        except UpstreamError as error:
            asked.set_exception(error)
            raise
        finally:
            del self._asked_for[provider.id, credentials]
            if not asked.ready():
                asked.set(None)  # it was given up: who waits asks anew
        return listed

    def _listed(self, provider: Provider, credentials: Credentials) -> list[Model]:
        listed = self.now(provider, credentials)
        if listed is None:
            listed = [model(name, provider.id) for name in provider.models]
            self._keep(provider, credentials, listed)
        return listed

    def _keep(self, provider: Provider, credentials: Credentials, models: list[Model]) -> None:
        self._lists.pop((provider.id, credentials), None)
        while len(self._lists) >= _KEPT:
            del self._lists[next(iter(self._lists))]
        self._lists[provider.id, credentials] = (time.monotonic() + self._seconds, models)

    def _pages(
        self, provider: Provider, credentials: Credentials, url: str
    ) -> list[dict[str, Any]] | None:
        """All pages of a list; None if there is none at this address."""
        rows: list[dict[str, Any]] = []
        page = url
        for _ in range(_MOST_PAGES):
            status, headers, raw = self._fetch(provider, credentials, "GET", page)
            if status in (404, 405):
                return rows or None  # there are vendors without a list
            if status != 200:
                raise provider.judge(status, headers, raw, credentials.api_key)
            body = _read(raw, credentials.api_key)
            rows += provider.read_models(body)
            query = _next_page(provider, body)
            if query is None:
                break
            page = url + ("&" if "?" in url else "?") + query
        return rows

    def _asked(self, provider: Provider, credentials: Credentials, path: str, body: bytes) -> Any:
        url = provider.native_url(credentials, path)
        try:
            status, _, raw = self._fetch(provider, credentials, "POST", url, body)
            return orjson.loads(raw) if status == 200 else None
        except (UpstreamError, orjson.JSONDecodeError):
            return None

    def _fetch(
        self,
        provider: Provider,
        credentials: Credentials,
        method: str,
        url: str,
        body: bytes | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            request = prepared(method, url, provider.headers(credentials), body)
            return self._upstream.fetch(request)
        except UpstreamUnreachable as error:
            raise provider.explained(error) from None


def _next_page(provider: Provider, body: Any) -> str | None:
    """The query that asks for the next page, if there is one."""
    if provider.next_page is None or not isinstance(body, dict) or not body.get("has_more", True):
        return None
    member, name = provider.next_page
    token = body.get(member)
    return f"{name}={quote(token, safe='')}" if isinstance(token, str) and token else None


def _row(row: dict[str, Any], owner: str) -> Model:
    """In OpenAI's shape; how much a model reads is told under one name, too."""
    row = row if _can_be_written(row) else {"id": row["id"]}
    told = next((row[name] for name in _CONTEXT if type(row.get(name)) is int), None)
    context = {} if told is None else {"context_window": told}
    return model(row["id"], owner) | context | row | {"object": "model"}


def _can_be_written(row: dict[str, Any]) -> bool:
    """Whether it may stand in a list: what is nested too deeply can be read, but not written."""
    try:
        orjson.dumps({"data": [row]})
    except TypeError:
        return False
    return True


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
