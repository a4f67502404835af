"""What pages and API tell of a provider: how it is reached, how it does, its models and prices."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.blueprints.admin.settings_table import shown_address
from gateway.context import Gateway
from gateway.prices import ModelLimits, Price
from gateway.providers.base import Provider
from gateway.providers.document import changes
from gateway.providers.model_lists import Model
from gateway.routing import own_credentials
from gateway.store.client_list import clients_by_provider
from gateway.store.failed_tries import FailedTry, failed_tries
from gateway.store.hang_ups import hang_ups
from gateway.store.settings import MODEL_LIST, stored
from gateway.store.stats import Totals, by_provider, models_of, stamp

RANGE = "1h"
MOST_MODELS = 2000
_PRICED = ("input", "output", "cached_input")


@dataclass(frozen=True, slots=True)
class OpenBreaker:
    """A target that is passed over, in so many workers."""

    model: str
    workers: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a provider does: what was asked of it in the last hour, and what is amiss."""

    provider: Provider
    base_url: str | None
    """None where there is no usual one, and for the demo provider, which is inside the gateway."""
    key: str
    """Of the gateway's own credentials: `set`, `not set`, or `not needed`."""
    is_configured: bool
    is_reachable: bool
    clients: int
    totals: Totals
    hang_ups: int
    """Calls of the last hour that were left: they count among the errors of `totals`."""
    open_breakers: tuple[OpenBreaker, ...]
    last_failure: FailedTry | None

    @property
    def in_use(self) -> bool:
        busy = self.totals.count("requests") or self.open_breakers or self.last_failure
        return bool(self.is_configured or self.clients or busy)

    @property
    def error_rate(self) -> float | None:
        """What may be the provider's doing: a call that was left is neither answered nor failed."""
        requests = self.totals.count("requests") - self.hang_ups
        errors = self.totals.count("errors") - self.hang_ups
        return max(0, errors) / requests if requests > 0 else None

    def told(self) -> dict[str, Any]:
        failure = self.last_failure
        return {
            "id": self.provider.id,
            "title": self.provider.title,
            "base_url": self.base_url,
            "dialects": list(self.provider.speaks),
            "credentials": {"key": self.key, "configured": self.is_configured},
            "clients": self.clients,
            "last_hour": self.totals.told(),
            "hang_ups": self.hang_ups,
            "failed_tries": failure.recent if failure else 0,
            "breaker": [{"model": one.model, "workers": one.workers} for one in self.open_breakers],
            "last_error": failure
            and {
                "at": stamp(failure.at),
                "request_id": failure.request_id,
                "model": failure.model,
                "status": failure.status,
                "code": failure.code,
                "message": failure.message,
            },
        }


def standings(gateway: Gateway) -> list[Standing]:
    """Of all providers, in the order of their table."""
    clients, totals = clients_by_provider(gateway.engine), by_provider(gateway.engine, RANGE)
    failures, breakers = failed_tries(gateway.engine), _open_breakers(gateway)
    gone = hang_ups(gateway.engine, RANGE)
    return [
        _standing(
            gateway,
            provider,
            clients.get(provider.id, 0),
            totals.get(provider.id, Totals()),
            gone.get(provider.id, 0),
            tuple(breakers.get(provider.id, ())),
            failures.get(provider.id),
        )
        for provider in gateway.ways.providers.values()
    ]


def standing_of(gateway: Gateway, provider: Provider) -> Standing:
    return next(one for one in standings(gateway) if one.provider is provider)


def _standing(
    gateway: Gateway,
    provider: Provider,
    clients: int,
    totals: Totals,
    gone: int,
    open_breakers: tuple[OpenBreaker, ...],
    last_failure: FailedTry | None,
) -> Standing:
    given = gateway.ways.credentials.get(provider.id)
    own = given.base_url if given else None
    has_key = given is not None and given.api_key is not None
    is_demo = provider.id == "demo"
    needless = is_demo or (provider.key == "optional" and not has_key)
    return Standing(
        provider=provider,
        base_url=(shown_address(own) or "set") if own else None if is_demo else provider.base_url,
        key="set" if has_key else "not needed" if needless else "not set",
        is_configured=given is not None or is_demo,
        is_reachable=own_credentials(provider, gateway.ways) is not None,
        clients=clients,
        totals=totals,
        hang_ups=gone,
        open_breakers=open_breakers,
        last_failure=last_failure,
    )


def _open_breakers(gateway: Gateway) -> dict[str, list[OpenBreaker]]:
    """Of all workers: each tells what it passes over by its gauges."""
    found: dict[str, list[OpenBreaker]] = {}
    for provider, model, workers in gateway.metrics.standing().open_breakers:
        found.setdefault(provider, []).append(OpenBreaker(model, workers))
    return found


# Models and prices.


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model, and what is known of it. `requests`: in the last hour."""

    id: str
    context_window: int | None
    price: Price | None
    requests: int
    is_open: bool

    @property
    def rates(self) -> dict[str, str]:
        """US dollars per million tokens; a model that changes its price with size has its first."""
        rates: dict[str, str] = self.price.told()["usd_per_million"] if self.price else {}
        return rates

    @property
    def is_overridden(self) -> bool:
        return self.price is not None and self.price.source == "config.yaml"

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "context_window": self.context_window,
            "price": self.price and {**self.price.told(), "steps": len(self.price.steps)},
            "requests": self.requests,
            "breaker_open": self.is_open,
        }


@dataclass(frozen=True, slots=True)
class Models:
    """`fetched_at`: when the provider's own list came; None while nobody has asked for it."""

    lines: list[ModelLine]
    left_out: int
    has_list: bool
    fetched_at: datetime | None


def models_told(gateway: Gateway, standing: Standing) -> Models:
    """Those of the provider's list if it was fetched, those that were used, those with a price."""
    provider = standing.provider
    listed, fetched_at = _listed(gateway, provider)
    used = models_of(gateway.engine, RANGE, provider.id)
    open_now = {one.model for one in standing.open_breakers}
    own = [name for name in gateway.prices.own_models(provider.id) if not name.endswith("*")]
    windows = {one["id"]: one.get("context_window") for one in listed}
    names = list(dict.fromkeys(filter(None, (*open_now, *used, *own, *windows))))
    known = gateway.prices.of_each(provider.id, names[:MOST_MODELS])
    lines = [
        ModelLine(
            name,
            _window(windows.get(name), limits),
            price,
            used[name].count("requests") if name in used else 0,
            name in open_now,
        )
        for name, (price, limits) in known.items()
    ]
    has_list = bool(provider.models_path or provider.native_models_path)
    return Models(lines, len(names) - len(lines), has_list, fetched_at)


def families(gateway: Gateway, provider: Provider) -> list[str]:
    """The names with `*` that config.yaml has a price for."""
    return [name for name in gateway.prices.own_models(provider.id) if name.endswith("*")]


def differences(provider: Provider) -> list[list[str]]:
    """What is changed on the way, each in pieces: every second one is code."""
    return [line.split("`") for line in changes(provider)]


def _listed(gateway: Gateway, provider: Provider) -> tuple[list[Model], datetime | None]:
    kept = stored(gateway.engine, MODEL_LIST.format(provider.id))
    if kept is None or kept["at"] != place_of(gateway, provider):
        return [{"id": name} for name in provider.models], None
    return kept["models"], datetime.fromtimestamp(kept["fetched_at"], UTC)


def place_of(gateway: Gateway, provider: Provider) -> str:
    """What a list is of: another address has another one."""
    credentials = own_credentials(provider, gateway.ways)
    return "" if credentials is None else shown_address(credentials.base_url) or ""


def _window(listed: Any, limits: ModelLimits) -> int | None:
    return listed if isinstance(listed, int) else limits.context_window
