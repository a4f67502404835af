"""The WebSocket of open pages: their parts as they change."""

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, current_app, g, request
from gevent import Timeout
from simple_websocket import Server  # type: ignore[import-untyped]

from gateway.blueprints.admin import (
    client_parts,
    dashboard,
    providers_pages,
    requests_parts,
    same_origin,
    signed_in,
    tools_pages,
)
from gateway.blueprints.admin.parts import chosen_range
from gateway.blueprints.admin.query import whole_number
from gateway.context import current_gateway
from gateway.errors import Forbidden
from gateway.extensions import sock
from gateway.live import Often, Parts, Read, Watch, text_frame
from gateway.store.client_book import HIGHEST_ID

SIGNED_OUT, GOING_AWAY = 4401, 1001
PATIENCE = 2.0
BEAT_EVERY = 15.0
"""Proxies close what is silent for longer; a page takes it for lost after twice as long."""
CHECK_EVERY = 30.0
SEND_WITHIN = 20.0
BEAT = text_frame(b'{"part":"beat"}')

Reads = dict[Any, Read | Often]

bp = Blueprint("live", __name__)


@bp.before_request
def refuse_others_pages() -> None:
    """A WebSocket is bound by no same-origin policy: any page may open one, with our cookie."""
    origin = request.headers.get("Origin")
    if not same_origin() or (origin and origin.partition("://")[2] != request.host):
        raise Forbidden("Another site's page asked for this.", code="cross_site_request")


@bp.before_request
def know_the_page() -> None:
    """While a wrong address can still be refused."""
    g.client_id = whole_number("client", default=0, lowest=0, highest=HIGHEST_ID)


@sock.route("/ws", bp=bp)  # type: ignore[untyped-decorator]
def follow(ws: Server) -> None:
    reads = _reads()
    lifetime = current_app.permanent_session_lifetime.total_seconds()
    with current_gateway.hub.watch(reads) as watch:
        code = _send_news(ws, watch, time.monotonic() + lifetime)
    if ws.connected:
        ws.close(code)


def _reads() -> Reads:
    """What the page that asks is made of: it says its own name, and what it is about."""
    return _PAGES.get(request.args.get("page", ""), _dashboard)()


def _requests() -> Reads:
    reads: Reads = {"calls": Often(_outside(requests_parts.calls))}
    if wanted := requests_parts.newest():
        reads[wanted[0]] = _outside(wanted[1])
    return reads


def _client() -> Reads:
    client_id, name = g.client_id, chosen_range()
    return {
        ("client", client_id): _outside(lambda: client_parts.now(client_id)),
        ("client", client_id, name): _outside(lambda: client_parts.figures(client_id, name)),
    }


def _tools() -> Reads:
    writes = g.admin.may_change
    return {("tools", writes): _outside(lambda: tools_pages.now(writes=writes))}


def _providers() -> Reads:
    return {"providers": _outside(providers_pages.now)}


def _provider() -> Reads:
    name = request.args.get("provider", "")
    found = current_gateway.ways.providers.get(name)
    if found is None:
        return _dashboard()
    return {("provider", name): _outside(lambda: providers_pages.now_of(found))}


def _dashboard() -> Reads:
    name = chosen_range()
    return {
        "now": _outside(dashboard.now),
        ("figures", name): _outside(lambda: dashboard.figures(name)),
    }


_PAGES: dict[str, Callable[[], Reads]] = {
    "requests": _requests,
    "client": _client,
    "tools": _tools,
    "providers": _providers,
    "provider": _provider,
}


def _send_news(ws: Server, watch: Watch, until: float) -> int:
    """Sends what is new for as long as the page is open, and who opened it signed in."""
    beat_at = check_at = 0.0
    while ws.connected and not watch.ended:
        frames = watch.news(PATIENCE)
        now = time.monotonic()
        if watch.doubted or now >= check_at:
            watch.doubted, check_at = False, now + CHECK_EVERY
            if not _may_look() or now >= until:
                return SIGNED_OUT
        if not frames and now >= beat_at:
            frames = [BEAT]
        if frames:
            beat_at = now + BEAT_EVERY
            with current_gateway.hub.charged():
                _send(ws, b"".join(frames))
    return GOING_AWAY


def _send(ws: Server, frames: bytes) -> None:
    """Frames that all pages share; `Server.send` would make one for each, and may send a part."""
    try:
        with Timeout(SEND_WITHIN):
            ws.sock.sendall(frames)
    except (OSError, Timeout):
        ws.connected = False
        ws.sock.close()


def _may_look() -> bool:
    admin = signed_in()
    return admin is not None and admin.id == g.admin.id


def _outside(read: Callable[[], Parts]) -> Read:
    """To be read when the request that asked first may be over."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def read_so() -> Parts:
        with app.test_request_context("/admin/dashboard"):
            return read()

    return read_so
