"""The price list of `genai-prices`, as files in the data folder that a worker looks into.

The package itself takes 5 MB and a tenth of a second, in each process that reads it. So that is
done once for each of its versions, by `flask prepare`; a file holds what one provider charges.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import time as clock
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider

LISTED_AS = {
    "anthropic": "anthropic",
    "azure-openai": "azure",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "xai": "x-ai",
}
"""Our providers → theirs. Who is not here has no price but config.yaml's."""

_LISTED_CLASS = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "input_audio": "input_audio_mtok",
    "cached_audio": "cache_audio_read_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
    "output_audio": "output_audio_mtok",
    "output_image": "output_image_mtok",
    "requests": "requests_kcount",
    "web_searches": "web_searches_kcount",
}
_FORM = "2"  # of these files
_UNFINISHED = "new-"
_WRITING_SECONDS = 600
_DATED = re.compile(r"-(20\d\d)(\d\d)(\d\d)(?=-|:|$)")

Model = dict[str, Any]
"""`id`, `match`, `window`, and `prices`: the last whose time has come holds, else the first.

A price is a list of steps, each with the input tokens above which it holds, and its rates.
"""


@cache
def list_version() -> str:
    return version("genai-prices")


def _name() -> str:
    return f"{list_version()}-{_FORM}"


def is_written(data_dir: Path) -> bool:
    return _folder(data_dir).is_dir()


def find(data_dir: Path, provider_id: str, model: str) -> Model | None:
    """What the list says of a provider's model; raises OSError if it cannot be read."""
    return fitting(listed(data_dir, provider_id), model)


def listed(data_dir: Path, provider_id: str) -> list[Model]:
    """All that the list says of a provider; raises OSError if it cannot be read."""
    if not is_written(data_dir):
        write(data_dir)
    models: list[Model] = orjson.loads((_folder(data_dir) / f"{provider_id}.json").read_bytes())
    return models


def fitting(models: list[Model], model: str) -> Model | None:
    """The one of a provider's that a name stands for."""
    name = model.lower()
    return _fitting(models, name) or _fitting(models, _DATED.sub(r"-\1-\2-\3", name))


def price_at(model: Model, moment: datetime) -> dict[str, list[list[Any]]]:
    """The steps of the price that holds at a moment, by the tier of service ("" is the usual one).

    Nothing, if it is not paid by the token.
    """
    prices = model["prices"]
    found = next((one for one in reversed(prices) if _holds(one, moment)), prices[0])
    tiers = {one["tier"]: one["steps"] for one in reversed(found["tiers"]) if _holds(one, moment)}
    return {**tiers, "": found["steps"]} if found["steps"] else {}


def changes(model: Model) -> bool:
    """Whether its price depends on the day or the hour."""
    return len(model["prices"]) > 1 or any(
        "from_day" in tier or "hours" in tier for tier in model["prices"][0]["tiers"]
    )


def _fitting(models: list[Model], name: str) -> Model | None:
    return next((model for model in models if _matches(model["match"], name)), None)


def _matches(clause: dict[str, Any], name: str) -> bool:
    ((kind, wanted),) = clause.items()
    match kind:
        case "or":
            return any(_matches(one, name) for one in wanted)
        case "and":
            return all(_matches(one, name) for one in wanted)
        case "starts_with":
            return name.startswith(wanted)
        case "ends_with":
            return name.endswith(wanted)
        case "contains":
            return wanted in name
        case "equals":
            return bool(name == wanted)
    return re.search(wanted, name) is not None


def _holds(price: dict[str, Any], moment: datetime) -> bool:
    if (day := price.get("from_day")) is not None:
        return moment.date() >= date.fromisoformat(day)
    if (hours := price.get("hours")) is not None:
        begin, end = (time.fromisoformat(one) for one in hours)
        now = moment.time()
        return begin <= now < end if begin <= end else now >= begin or now < end
    return True


def _folder(data_dir: Path) -> Path:
    return data_dir / "prices" / _name()


# Writing it.


def write(data_dir: Path) -> None:
    """Writes the list of the installed version, and takes away those of others."""
    parent = _folder(data_dir).parent
    parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    try:
        for provider_id, models in _all_models():
            (made / f"{provider_id}.json").write_text(json.dumps(models, separators=(",", ":")))
        os.replace(made, _folder(data_dir))
    except OSError:
        if not is_written(data_dir):  # somebody else may have been faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    for other in parent.iterdir():
        if other.name != _name() and not _is_being_written(other):
            shutil.rmtree(other, ignore_errors=True)


def _is_being_written(folder: Path) -> bool:
    """Another process may be about to write the list, too; one that has died leaves a folder."""
    try:
        age = clock() - folder.stat().st_mtime
    except FileNotFoundError:
        return False
    return folder.name.startswith(_UNFINISHED) and age < _WRITING_SECONDS


def _all_models() -> Iterator[tuple[str, list[Model]]]:
    from genai_prices.data import providers

    by_id = {provider.id: provider for provider in providers}
    for own, theirs in LISTED_AS.items():
        yield own, [_model(one) for one in _models(by_id[theirs], by_id)]


def _models(provider: "Provider", by_id: dict[str, "Provider"]) -> Iterator["ModelInfo"]:
    """A provider's models, and those of others that it resells at their prices."""
    yield from provider.models
    for other in provider.fallback_model_providers or ():
        yield from by_id[other].models


def _model(info: "ModelInfo") -> Model:
    from genai_prices.types import ConditionalPrice

    prices = info.prices
    listed = prices if isinstance(prices, list) else [ConditionalPrice(prices=prices)]
    return {
        "id": info.id,
        "match": _clause(info.match),
        "window": info.context_window,
        "prices": [_conditional(one, list(_tiered(info, one))) for one in listed],
    }


def _clause(match: Any) -> dict[str, Any]:
    """`ClauseStartsWith(starts_with=…)` and its like; all but `regex` compare without case."""
    ((name, value),) = vars(match).items()
    kind = name.rstrip("_")
    if isinstance(value, list):
        return {kind: [_clause(one) for one in value]}
    return {kind: value if kind == "regex" else value.lower()}


def _tiered(info: "ModelInfo", price: "ConditionalPrice") -> Iterator[dict[str, Any]]:
    """The same price at other tiers of service."""
    for variant in info.price_variants or ():
        ((key, tier), *others) = variant.when.items()
        if key in ("service_tier", "speed") and not others:
            prices = copy(price.prices)
            vars(prices).update(vars(variant.prices))
            yield {"tier": tier, "steps": _steps(prices), **_times(variant.constraint)}


def _conditional(price: "ConditionalPrice", tiers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"steps": _steps(price.prices), "tiers": tiers, **_times(price.constraint)}


def _times(constraint: Any) -> dict[str, Any]:
    if constraint is None:
        return {}
    if hasattr(constraint, "start_date"):
        return {"from_day": constraint.start_date.isoformat()}
    return {"hours": [_utc(constraint.start_time), _utc(constraint.end_time)]}


def _utc(moment: time) -> str:
    if moment.tzinfo is not None:
        moment = datetime.combine(date(2000, 1, 1), moment).astimezone(UTC).time()
    return moment.isoformat()


def _steps(prices: "ModelPrice") -> list[list[Any]] | None:
    if prices.input_mtok is None:
        return None  # it is paid by the hour, the page or the picture
    starts = {0, *(tier.start for price in vars(prices).values() for tier in _tiers(price))}
    return [[start, dict(_rates(prices, start))] for start in sorted(starts)]


def _rates(prices: "ModelPrice", start: int) -> Iterator[tuple[str, str]]:
    for name, listed in _LISTED_CLASS.items():
        if (price := getattr(prices, listed)) is not None:
            yield name, str(_rate(price, start))


def _rate(price: Any, start: int) -> Any:
    rate = getattr(price, "base", price)
    for tier in _tiers(price):
        if start >= tier.start > 0:
            rate = tier.price
    return rate


def _tiers(price: Any) -> Iterable[Any]:
    return getattr(price, "tiers", ())
