"""What a model costs: config.yaml's own prices, else the list that `genai-prices` brings along.

Nothing is fetched.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import cache, cached_property, partial
from typing import Any

from gateway import price_list
from gateway.chat import Usage
from gateway.config import PriceOverride, Settings

_PRICED_AS = {
    "input": ("input",),
    "cached_input": ("cached_input", "input"),
    "cache_write": ("cache_write", "input"),
    "cache_write_1h": ("cache_write_1h", "cache_write", "input"),
    "input_audio": ("input_audio", "input"),
    "cached_audio": ("cached_audio", "cached_input", "input_audio", "input"),
    "output": ("output",),
    "reasoning": ("reasoning", "output"),
    "output_audio": ("output_audio", "output"),
    "output_image": ("output_image", "output"),
}
"""The classes of tokens, each with the prices that hold for it: the first that there is."""

_INPUT = ("input", "cached_input", "cache_write", "cache_write_1h", "input_audio", "cached_audio")
_MILLION, _THOUSAND = Decimal(10**6), Decimal(10**3)
_MOST_DOLLARS = 10**6
_NANO, _PICO = Decimal(10**9), Decimal("1e-12")

_log = logging.getLogger(__name__)

Rates = Mapping[str, Decimal]
"""US dollars per million tokens of a class, per thousand `requests` and `web_searches`."""

Steps = tuple[tuple[int, Rates], ...]


@dataclass(frozen=True)
class Price:
    """The rates of a model, by how much goes in: the last step whose threshold is passed counts.

    `source`: where they come from; `model`: what it is called there. `tiers`: the same at other
    tiers of service.
    """

    source: str
    model: str
    steps: Steps
    tiers: Mapping[str, Steps] = field(default_factory=dict)

    def at(self, tier: str | None) -> "Price":
        """The price of a tier of service that a question asks for, if it has one of its own."""
        return self._at.get(tier, self) if tier else self

    @cached_property
    def _at(self) -> dict[str, "Price"]:
        return {
            tier: Price(self.source, f"{self.model} ({tier})", steps, self.tiers)
            for tier, steps in self.tiers.items()
        }

    def cost(self, usage: Usage) -> Decimal | None:
        """US dollars to twelve places; None if something was used that has no price."""
        dollars = self._dollars[self._step(usage)]
        cost = dollars["requests"]
        if usage.web_searches:
            cost += dollars["web_searches"] * usage.web_searches
        for name, tokens in usage.classes().items():
            rate = dollars[name]
            if rate is None:
                return None
            cost += rate * tokens
        # Counts are what an upstream says; the log's sums could not bear any.
        return cost.quantize(_PICO) if cost < _MOST_DOLLARS else None

    @cached_property
    def _dollars(self) -> list[dict[str, Any]]:
        """For each step, what one of anything costs; None where nobody says."""
        return [_each(rates) for _, rates in self.steps]

    def highest(self) -> tuple[int, int]:
        """The most that an input and an output token may cost, in nano-dollars, rounded up."""
        return self._highest

    @cached_property
    def _highest(self) -> tuple[int, int]:
        def most(names: tuple[str, ...]) -> int:
            found = [rates[name] for _, rates in self.steps for name in names if name in rates]
            return _nano(max(found, default=Decimal()) / _MILLION)

        return most(_INPUT), most(tuple(name for name in _PRICED_AS if name not in _INPUT))

    @cached_property
    def per_request(self) -> int:
        """What each request costs besides its tokens, in nano-dollars, rounded up."""
        found = [rates.get("requests", Decimal()) for _, rates in self.steps]
        return _nano(max(found) / _THOUSAND)

    def told(self, usage: Usage | None = None) -> dict[str, Any]:
        """What is stored with a request: the source, and the rates that hold for it."""
        return self._told[self._step(usage) if usage else 0]

    @cached_property
    def _told(self) -> list[dict[str, Any]]:
        return [
            {"source": self.source, "model": self.model, **_worded(rates)}
            for _, rates in self.steps
        ]

    def _step(self, usage: Usage) -> int:
        tokens = usage.input_tokens or 0
        return sum(tokens > above for above, _ in self.steps[1:])


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What is known of a model's size, in tokens."""

    context_window: int | None = None
    max_output: int | None = None


class Prices:
    """The price of each provider's model. Pairs that were asked for are remembered."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._data_dir = settings.data_dir
        self._own = {provider: own or {} for provider, own in settings.prices.items()}
        self._clock = clock
        self._known: dict[tuple[str, str], _Found] = {}

    def of(self, provider_id: str, model: str) -> Price | None:
        """The price that holds now; None if it is not known."""
        return self._found(provider_id, model).price

    def limits_of(self, provider_id: str, model: str) -> ModelLimits:
        return self._found(provider_id, model).limits

    def of_each(
        self, provider_id: str, models: Iterable[str]
    ) -> dict[str, tuple[Price | None, ModelLimits]]:
        """What is known of many models: the list is read once for all of them."""
        read = cache(partial(price_list.listed, self._data_dir, provider_id))

        def find(model: str) -> price_list.Model | None:
            return price_list.fitting(read(), model)

        found = {model: self._found(provider_id, model, find) for model in models}
        return {model: (one.price, one.limits) for model, one in found.items()}

    def own_models(self, provider_id: str) -> list[str]:
        """The models that config.yaml has a price for; a name may end in `*`."""
        return list(self._own.get(provider_id, {}))

    def _found(self, provider_id: str, model: str, find: "_Find | None" = None) -> "_Found":
        key = (provider_id, model)
        found = self._known.get(key)
        now = self._clock()
        if found is None or now >= found.until:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            find = find or partial(price_list.find, self._data_dir, provider_id)
            found = self._known[key] = self._look_up(provider_id, model, now, find)
        return found

    def _look_up(self, provider_id: str, model: str, now: float, find: "_Find") -> "_Found":
        own = _own(self._own.get(provider_id, {}), model)
        listed = self._listed(provider_id, model, now, find)
        if own is None:
            return listed
        price = _own_price(own, model) or listed.price
        window = own.context_window or listed.limits.context_window
        return _Found(price, ModelLimits(window, own.max_output), listed.until)

    def _listed(self, provider_id: str, model: str, now: float, find: "_Find") -> "_Found":
        if provider_id not in price_list.LISTED_AS:
            return _DEMO if provider_id == "demo" else _UNKNOWN
        try:
            found = find(model)
        except (OSError, ValueError) as error:
            _log.warning("The price list cannot be read: %s", type(error).__name__)
            return _Found(None, ModelLimits(), now + _MINUTE)
        return _UNKNOWN if found is None else _listed(found, now)


_Find = Callable[[str], price_list.Model | None]


@dataclass(frozen=True, slots=True)
class _Found:
    price: Price | None
    limits: ModelLimits
    until: float = float("inf")


_MOST_KNOWN = 10_000
_MINUTE = 60
_UNKNOWN = _Found(None, ModelLimits())
_FREE = Price("free", "demo", ((0, {"input": Decimal(), "output": Decimal()}),))
_DEMO = _Found(_FREE, ModelLimits())


def _each(rates: Rates) -> dict[str, Decimal | None]:
    """The dollars for one token of each class, one request, one search."""
    each: dict[str, Decimal | None] = {
        name: next((rates[other] / _MILLION for other in others if other in rates), None)
        for name, others in _PRICED_AS.items()
    }
    extras = ("requests", "web_searches")
    return {**each, **{name: rates.get(name, Decimal()) / _THOUSAND for name in extras}}


def _worded(rates: Rates) -> dict[str, dict[str, str]]:
    """Rates as text, without loss: those of tokens, and those of what else there is."""
    tokens = {name: f"{rate:f}" for name, rate in rates.items() if name in _PRICED_AS}
    others = {name: f"{rate:f}" for name, rate in rates.items() if name not in _PRICED_AS}
    extra = {"usd_per_thousand": others} if others else {}
    return {"usd_per_million": tokens, **extra}


def _nano(dollars: Decimal) -> int:
    return int((dollars * _NANO).to_integral_value(ROUND_CEILING))


# config.yaml's own prices.


def _own(models: Mapping[str, PriceOverride], model: str) -> PriceOverride | None:
    """The override of this very name, else the longest one that ends in `*`."""
    if model in models:
        return models[model]
    fitting = [name for name in models if name.endswith("*") and model.startswith(name[:-1])]
    return models[max(fitting, key=len)] if fitting else None


def _own_price(own: PriceOverride, model: str) -> Price | None:
    if own.input is None:
        return None
    names = ("requests", *_PRICED_AS)
    rates = {name: rate for name in names if (rate := getattr(own, name, None)) is not None}
    return Price("config.yaml", model, ((0, rates),))


# The bundled list.


def _listed(found: price_list.Model, now: float) -> _Found:
    tiers = {
        tier: _read(steps)
        for tier, steps in price_list.price_at(found, datetime.fromtimestamp(now, UTC)).items()
    }
    usual = tiers.pop("", None)
    source = f"genai-prices {price_list.list_version()}"
    price = Price(source, found["id"], usual, tiers) if usual else None
    # A price may change by the day or the hour; never within a minute.
    until = (now // _MINUTE + 1) * _MINUTE if price_list.changes(found) else float("inf")
    return _Found(price, ModelLimits(found["window"]), until)


def _read(steps: list[list[Any]]) -> Steps:
    return tuple(
        (above, {name: Decimal(rate) for name, rate in rates.items()}) for above, rates in steps
    )
