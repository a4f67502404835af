"""What lives as long as the app, joined in one place; views reach it by `current_gateway`."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import gevent
from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.local import LocalProxy

from gateway.background import keep_going
from gateway.breaker import Breaker
from gateway.config import Settings
from gateway.fetcher import Fetcher
from gateway.hangup import INTERVAL, HangupWatch
from gateway.in_flight import InFlight
from gateway.live import Hub
from gateway.prices import Prices
from gateway.providers import Ways
from gateway.providers.model_lists import ModelLists
from gateway.store.clients import ClientDirectory
from gateway.store.counters import StoreAway
from gateway.store.engine import reason
from gateway.store.ledger import Ledger
from gateway.store.log_pages import last_id
from gateway.store.retention import prune
from gateway.store.shared import Shared
from gateway.store.state import States
from gateway.store.vault import Vault
from gateway.telemetry import Metrics
from gateway.tools.toolbox import Toolbox
from gateway.upstream import Upstream

_CHANGES_EVERY = 0.4
_METRICS_EVERY = 0.25
_FORESEEN_EVERY = 15.0
_PRUNE_EVERY = 600.0
_IDLE_SECONDS = 15.0
_log = logging.getLogger(__name__)


@dataclass
class Gateway:
    """The parts of a worker. `start` sets its greenlets going, `stop` writes what still waits."""

    settings: Settings
    engine: Engine
    vault: Vault
    clients: ClientDirectory
    shared: Shared
    states: States
    ledger: Ledger
    upstream: Upstream
    fetcher: Fetcher
    ways: Ways
    prices: Prices
    breaker: Breaker
    model_lists: ModelLists
    toolbox: Toolbox
    metrics: Metrics
    hangups: HangupWatch = field(default_factory=HangupWatch)
    hub: Hub = field(init=False)
    in_flight: InFlight = field(init=False)
    started_at: float = field(default_factory=time.time)
    _greenlets: list[Any] = field(default_factory=list)
    _forgotten: int = 0

    def __post_init__(self) -> None:
        self.hub = Hub(self._mark)
        self.in_flight = InFlight(self.shared)

    def changed(self) -> None:
        """To be called after each change by an administrator: all workers will ask again."""
        self._forget()
        self.shared.bump()

    def degraded(self) -> list[str]:
        """What is amiss while calls can still be answered, as this worker knows it."""
        shared = (self.shared.degraded, self.states.degraded)
        reasons = [reason for reason in shared if reason is not None]
        if self.ledger.failing:
            spooled = self.ledger.spooled_bytes >> 10
            more = f" and {spooled} KB in the spool" if spooled else ""
            reasons.append(f"log: {self.ledger.waiting} rows{more} wait to be written")
        return reasons

    def start(self) -> None:
        work = (
            self.ledger.run,
            self.shared.keep,
            self._watch_changes,
            self._foresee,
            self._watch_hangups,
            self._flush_metrics,
            self._prune,
            self._drop_idle,
            self.toolbox.watch,
        )
        self._greenlets = [gevent.spawn(keep_going, one) for one in work]

    def spawn(self, work: Callable[[], None]) -> None:
        """Does some work in the background, which ends with the worker at the latest."""
        greenlet = gevent.spawn(work)
        self._greenlets.append(greenlet)
        greenlet.rawlink(self._greenlets.remove)

    def stop(self) -> None:
        self.hub.close()
        gevent.killall(self._greenlets)
        self.metrics.flush()
        self.ledger.close()
        self.toolbox.close()
        self.upstream.close()
        self.shared.close()
        self.states.close()

    def _mark(self) -> tuple[Any, ...]:
        """Differs from the last one when something has happened, in whichever worker."""
        standing, tools = self.metrics.standing(), self.toolbox.standing()
        return last_id(self.engine), standing, self.degraded(), tools, self._forgotten

    def _forget(self) -> None:
        self._forgotten += 1
        self.clients.forget()
        self.toolbox.forget()
        self.hub.doubt()

    def _watch_changes(self) -> None:
        seen = -1
        while True:
            try:
                now = self.shared.sequence()
            except StoreAway:
                now = -1
            if now != seen or now == -1:
                self._forget()
            seen = now
            self.in_flight.tend()
            time.sleep(_CHANGES_EVERY)

    def _foresee(self) -> None:
        """Knows all clients, not only those that have called here, should the database go away."""
        known = None
        while True:
            try:
                now = self.shared.sequence()
                if now != known:
                    self.clients.foresee()
                    known = now
            except (StoreAway, SQLAlchemyError):
                pass  # the next turn will do
            time.sleep(_FORESEEN_EVERY)

    def _watch_hangups(self) -> None:
        while True:
            self.hangups.look()
            time.sleep(INTERVAL)

    def _flush_metrics(self) -> None:
        while True:
            self.metrics.flush()
            time.sleep(_METRICS_EVERY)

    def _drop_idle(self) -> None:
        while True:
            time.sleep(_IDLE_SECONDS / 3)
            self.upstream.drop_idle(_IDLE_SECONDS)

    def _prune(self) -> None:
        while True:
            self.shared.prune()
            self.states.prune()
            self._prune_log()
            time.sleep(_PRUNE_EVERY)

    def _prune_log(self) -> None:
        settings = self.settings
        try:
            prune(self.engine, settings.logging.retention_days, settings.data_dir)
        except Exception as error:
            # The next turn will do it; what the log keeps for longer harms nobody.
            _log.warning("The request log could not be pruned: %s", reason(error))


def _current() -> Gateway:
    gateway: Gateway = current_app.extensions["gateway"]
    return gateway


current_gateway = cast(Gateway, LocalProxy(_current))
"""The gateway of the app whose request or command this is."""
