"""What pages show of some time: the latest requests, the columns of charts, the busiest."""

from dataclasses import dataclass
from typing import Any

from gateway.context import Gateway
from gateway.store.log_pages import LoggedRequest, latest_requests
from gateway.store.stats import Statistics, Totals, stamp

REQUESTS_SHOWN = 20
SHARES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Share:
    """A model's, provider's or client's part in what was asked; `part` of all, 0 to 1."""

    name: str | None
    told: dict[str, Any]
    part: float
    client_id: int | None = None
    provider: str | None = None


def recent(gateway: Gateway, client_id: int | None = None) -> list[LoggedRequest]:
    """Of everybody, or of one client."""
    return latest_requests(gateway.engine, REQUESTS_SHOWN, client_id)


def series(found: Statistics) -> dict[str, Any]:
    """The columns of the charts."""
    points = [(at, totals.told()) for at, totals in found.series]
    return {
        "step": found.step_seconds,
        "at": [stamp(at) for at, _ in points],
        **{
            name: [told[name] for _, told in points]
            for name in ("requests", "errors", "input_tokens", "output_tokens", "cost_usd")
        },
        **{
            f"{name}_{rank}": [told[f"{name}_ms"][rank] for _, told in points]
            for name in ("latency", "first_token")
            for rank in ("p50", "p95")
        },
    }


def shares(found: Statistics) -> dict[str, list[Share]]:
    """The busiest models, providers and clients."""
    whole = found.totals.count("requests")
    return {
        "model": _models(found, whole),
        "provider": [
            _share(whole, totals, provider or None)
            for provider, totals in found.by_provider[:SHARES_SHOWN]
        ],
        "client": [
            _share(whole, totals, name, client_id=number)
            for number, name, totals in found.by_client[:SHARES_SHOWN]
        ],
    }


def shares_of_client(found: Statistics) -> dict[str, list[Share]]:
    """Its busiest models, which may be of more time than its totals: of whole hours."""
    whole = sum(totals.count("requests") for _, _, totals in found.by_model)
    return {"model": _models(found, whole)}


def _models(found: Statistics, whole: int) -> list[Share]:
    return [
        _share(whole, totals, model or None, provider=provider or None)
        for provider, model, totals in found.by_model[:SHARES_SHOWN]
    ]


def _share(whole: int, totals: Totals, name: str | None, **more: Any) -> Share:
    return Share(name, totals.told(), totals.count("requests") / max(1, whole), **more)
