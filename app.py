"""create_app: joins the parts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import gevent
from flask import Flask, Request, Response, render_template, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Rule

from gateway import commands, config
from gateway.blueprints import BLUEPRINTS, assets
from gateway.blueprints.protection import security_headers
from gateway.blueprints.replies import Reply, door_of, failure
from gateway.breaker import Breaker
from gateway.config import Settings
from gateway.context import Gateway
from gateway.errors import GatewayError, MethodNotAllowed, NotFound
from gateway.exchange import new_request_id
from gateway.extensions import csrf, db, limiter, sock
from gateway.fetcher import Fetcher
from gateway.prices import Prices
from gateway.providers import ways
from gateway.providers.model_lists import ModelLists
from gateway.store.clients import ClientDirectory
from gateway.store.counter_file import SqliteCounters
from gateway.store.counters import Counters
from gateway.store.engine import database_url, engine_options
from gateway.store.ledger import Ledger
from gateway.store.mcp_servers import added_servers
from gateway.store.settings import ENABLED_TOOLS, stored
from gateway.store.shared import Shared
from gateway.store.state import States
from gateway.store.vault import Vault
from gateway.telemetry import Metrics, configure_logging
from gateway.tools.toolbox import Toolbox
from gateway.upstream import Upstream

_DOORS = ("openai_api.", "anthropic_api.")


class App(Flask):
    """Flask without what no view here uses, and every call would pay for."""

    _doors: Mapping[str, "Door"] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def open_doors(self) -> None:
        """Notes the paths that are asked most: to be called when all blueprints are there."""
        self._doors = {
            rule.rule: Door(rule)
            for rule in self.url_map.iter_rules()
            if rule.endpoint.startswith(_DOORS)
            and "POST" in (rule.methods or ())
            and not rule.arguments
        }

    def create_url_adapter(self, request: Request | None) -> Any:
        """A door's path says all: to look at its host and to search the rules costs more."""
        if request is not None and request.method == "POST" and request.path in self._doors:
            return self._doors[request.path]
        return super().create_url_adapter(request)

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Any:
        """A door's answer is whole: there is nothing to be made of it, and nothing to be added."""
        return rv if isinstance(rv, Reply) else super().finalize_request(rv, from_error_handler)


class Door:
    """The rule of a path that has but one, as Flask asks for it; it builds no addresses."""

    def __init__(self, rule: Rule) -> None:
        self._found: tuple[Rule, dict[str, Any]] = rule, {}

    def match(self, return_rule: bool = True) -> tuple[Rule, dict[str, Any]]:
        return self._found


class AdminSessions(SecureCookieSessionInterface):
    """Sessions for the admin's paths alone: the doors know no cookies."""

    PATHS = ("/admin", "/docs", "/openapi.json")

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith(self.PATHS):
            return super().open_session(app, request)
        return None

    def get_cookie_secure(self, app: Flask) -> bool:
        """What came over TLS goes back over TLS only; the same gateway may be asked without."""
        return request.is_secure


def create_app(settings: Settings | None = None) -> Flask:
    """The app for these settings, or for those of config.yaml and the environment.

    Raises ConfigError. Its greenlets are not running: `wsgi.py` starts them.
    """
    settings = settings or config.load()
    configure_logging(settings.logging.level, __name__)
    app = App(__name__, static_folder=None)
    vault = Vault(settings)
    app.session_interface = AdminSessions()
    app.config.from_mapping(_flask_settings(settings, vault))
    if settings.server.trusted_proxies:
        hops = settings.server.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
    db.init_app(app)
    # As if its hooks were there already: on every request they would cost more than the limits
    # themselves. It is asked where it is needed.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    csrf.init_app(app)
    sock.init_app(app)
    with app.app_context():
        app.extensions["gateway"] = _gateway(settings, vault)
    assets.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.open_doors()
    commands.register(app)
    app.after_request(_secure)
    app.register_error_handler(GatewayError, _tell)
    app.register_error_handler(HTTPException, _tell_http)
    return app


def _gateway(settings: Settings, vault: Vault) -> Gateway:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upstream, metrics = Upstream(settings.upstream), Metrics()
    counters = _counters(settings)
    engine = db.engine
    fetcher = Fetcher(
        settings.fetch,
        proxy=settings.upstream.proxy,
        ca_bundle=settings.upstream.ca_bundle,
    )
    toolbox = Toolbox(
        settings.tools,
        fetcher,
        upstream,
        stored=lambda: stored(engine, ENABLED_TOOLS),
        added=lambda: added_servers(engine, vault),
    )
    return Gateway(
        settings=settings,
        engine=engine,
        vault=vault,
        clients=ClientDirectory(engine, vault),
        shared=Shared(counters, metrics.counters_degraded),
        states=_states(settings, vault),
        ledger=Ledger(engine, settings.logging, settings.data_dir / "spool"),
        upstream=upstream,
        fetcher=fetcher,
        ways=ways(settings),
        prices=Prices(settings),
        breaker=Breaker(settings.breaker, metrics.breaker),
        model_lists=ModelLists(upstream, settings.upstream.models_cache_seconds),
        toolbox=toolbox,
        metrics=metrics,
    )


def _counters(settings: Settings) -> Counters:
    if settings.redis.url is None:
        return SqliteCounters(settings.data_dir / "shared.db", later=gevent.spawn)
    # Only who has a Redis pays for its client.
    from gateway.store.counter_redis import RedisCounters

    return RedisCounters(settings.redis.url)


def _states(settings: Settings, vault: Vault) -> States:
    path, url = settings.data_dir / "state.db", settings.redis.url
    if url is None:
        return States(path, settings.state, vault)
    from gateway.store.state_redis import RedisStates

    return States(path, settings.state, vault, lambda bounds: RedisStates(url, bounds))


def _flask_settings(settings: Settings, vault: Vault) -> dict[str, Any]:
    return {
        "SECRET_KEY": vault.derive("session"),
        "SQLALCHEMY_DATABASE_URI": database_url(settings),
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(settings),
        "MAX_CONTENT_LENGTH": settings.server.max_body_mb << 20,
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=settings.admin.session_hours),
        "SESSION_COOKIE_NAME": "gateway_session",
        "SESSION_COOKIE_SAMESITE": "Lax",
        # The admin's forms and blueprints check; the doors know no cookies.
        "WTF_CSRF_CHECK_DEFAULT": False,
        "RATELIMIT_STORAGE_URI": "memory://",
        # Pages have nothing to say there; the beat that keeps a connection open is the hub's.
        "SOCK_SERVER_OPTIONS": {"max_message_size": 1024},
    }


def _secure(response: Response) -> Response:
    for name, value in security_headers(request.environ):
        response.headers.setdefault(name, value)
    return response


def _tell(error: GatewayError) -> Reply:
    return failure(error, door_of(request), new_request_id())


def _tell_http(error: HTTPException) -> Response | Reply | tuple[str, int]:
    """Paths that do not exist and methods that do not fit, in the words of who asks."""
    if error.response is not None:
        return error.response  # type: ignore[return-value]
    if request.path.startswith("/admin") and not request.path.startswith("/admin/api/"):
        return render_template("error.html", error=error), error.code or 500
    return _tell(_as_gateway_error(error))


def _as_gateway_error(error: HTTPException) -> GatewayError:
    if error.code == 405:
        allowed = ", ".join(getattr(error, "valid_methods", None) or ())
        return MethodNotAllowed(
            f"{request.method} is not allowed at {request.path}", headers={"allow": allowed}
        )
    if error.code == 404:
        return NotFound(f"There is nothing at {request.path}")
    told = GatewayError(error.description or error.name, code=error.name.lower().replace(" ", "_"))
    told.status = error.code or 500
    return told
