"""What a model costs: against the package's own arithmetic, the overrides, and their bounds."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data_snapshot
from genai_prices.data import providers as listed
from genai_prices.types import ModelInfo, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat import ChatRequest, Usage
from gateway.config import PriceOverride, Settings
from gateway.price_list import LISTED_AS, find, is_written, list_version, price_at, write
from gateway.prices import ModelLimits, Price, Prices

NOW = datetime(2026, 11, 1, 12, 34, 56, tzinfo=UTC)
COUNT = st.integers(0, 3_000_000)


FOLDER = TemporaryDirectory()
DATA = Path(FOLDER.name)


def prices(**own: dict[str, PriceOverride]) -> Prices:
    return Prices(Settings(data_dir=DATA, prices={**own}), clock=NOW.timestamp)


def priced() -> list[tuple[str, ModelInfo]]:
    ours = {theirs: own for own, theirs in LISTED_AS.items()}
    return [
        (ours[provider.id], model)
        for provider in listed
        if provider.id in ours
        for model in provider.models
        if provider.find_model(model.id) is model and model.get_prices(NOW).input_mtok is not None
    ]


PRICED = priced()


def price_of(provider: str, model: str) -> Price:
    price = prices().of(provider, model)
    assert price is not None
    return price


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts as they can be true: what is within another is no more than that."""
    cached, written, heard, again, text = (draw(COUNT) for _ in range(5))
    reasoned, spoken, drawn, said = (draw(COUNT) for _ in range(4))
    return Usage(
        input_tokens=cached + written + heard + again + text,
        output_tokens=reasoned + spoken + drawn + said,
        cached_tokens=cached + again,
        cache_write_tokens=written,
        reasoning_tokens=reasoned,
        input_audio_tokens=heard + again,
        cached_audio_tokens=again,
        output_audio_tokens=spoken,
        cache_write_1h_tokens=draw(st.integers(0, written)),
        output_image_tokens=drawn,
        web_searches=draw(st.integers(0, 20)),
    )


def theirs(usage: Usage) -> TheirUsage:
    return TheirUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        cache_audio_read_tokens=usage.cached_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        output_image_tokens=usage.output_image_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        web_searches=usage.web_searches,
    )


@settings(deadline=None)
@given(st.sampled_from(PRICED), usages())
def test_a_cost_is_what_the_package_makes_of_it(which: tuple[str, ModelInfo], usage: Usage) -> None:
    provider, model = which
    snapshot = data_snapshot.get_snapshot()
    theirs_of_it, found = snapshot.find_provider_model(model.id, None, LISTED_AS[provider], None)
    calculated = found.calc_price(theirs(usage), theirs_of_it, genai_request_timestamp=NOW)
    cost = price_of(provider, model.id).cost(usage)
    if "output" in usage_names(usage) and found.get_prices(NOW).output_mtok is None:
        assert cost is None
    else:
        assert cost == calculated.total_price.quantize(Decimal("1e-12"))


def usage_names(usage: Usage) -> set[str]:
    return {
        "output" if name in ("reasoning", "output_audio", "output_image") else name
        for name in usage.classes()
    }


@settings(deadline=None)
@given(st.sampled_from(PRICED), usages())
def test_nothing_costs_more_than_the_highest(which: tuple[str, ModelInfo], usage: Usage) -> None:
    price = price_of(which[0], which[1].id)
    cost = price.cost(Usage(**{**_fields(usage), "web_searches": 0}))
    if cost is None:
        return
    into, out = price.highest()
    most = (usage.input_tokens or 0) * into + (usage.output_tokens or 0) * out + price.per_request
    assert cost <= Decimal(most) / 10**9


def _fields(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in Usage.__slots__}


TIERED = [
    (provider, model, key, variant.when[key])
    for provider, model in PRICED
    for variant in model.price_variants or ()
    for key in ("service_tier", "speed")
    if variant.when.keys() == {key}
]


@settings(deadline=None)
@given(st.sampled_from(TIERED), usages())
def test_a_tier_of_service_costs_what_the_package_says(
    which: tuple[str, ModelInfo, str, str], usage: Usage
) -> None:
    provider, model, key, tier = which
    if usage.output_tokens and model.get_prices(NOW).output_mtok is None:
        return
    calculated = model.calc_price(
        theirs(usage),
        data_snapshot.get_snapshot().find_provider(None, LISTED_AS[provider], None),
        genai_request_timestamp=NOW,
        price_context={key: tier},
    )
    price = price_of(provider, model.id)
    assert price.at(tier).cost(usage) == calculated.total_price.quantize(Decimal("1e-12"))
    assert price.at(None) is price.at("no such tier") is price


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        ({}, None),
        ({"service_tier": "priority"}, "priority"),
        ({"serviceTier": "SERVICE_TIER_FLEX"}, "flex"),
        ({"speed": "fast"}, "fast"),
        ({"service_tier": 7, "speed": None}, None),
    ],
)
def test_a_question_names_its_tier(body: dict[str, Any], tier: str | None) -> None:
    assert ChatRequest(b"", body, "m", False, False).tier == tier


@settings(deadline=None)
@given(usages())
def test_the_classes_are_disjoint_and_add_up(usage: Usage) -> None:
    counts = usage.classes()
    into = ("input", "cached_input", "cached_audio", "cache_write", "cache_write_1h", "input_audio")
    assert sum(counts.get(name, 0) for name in into) == usage.input_tokens
    assert sum(counts.values()) == (usage.input_tokens or 0) + (usage.output_tokens or 0)
    assert 0 not in counts.values()


@pytest.mark.parametrize(
    "provider, model",
    [
        ("openai", "no-such-model"),
        ("openai", "whisper-1"),  # by the hour
        ("mistral", "mistral-ocr-latest"),  # by the page
        ("ollama", "llama3"),
        ("openai-compatible", "gpt-4o"),  # whoever serves it there has prices of its own
        ("nobody", "gpt-4o"),
    ],
)
def test_what_is_not_known_is_none(provider: str, model: str) -> None:
    assert prices().of(provider, model) is None


def test_all_tokens_cost_what_the_step_says_that_they_reach() -> None:
    price = price_of("gemini", "gemini-2.5-pro")
    (_, low), (above, high) = price.steps
    assert above == 200_000 and high["input"] > low["input"]
    below = price.cost(Usage(input_tokens=above, output_tokens=1_000))
    over = price.cost(Usage(input_tokens=above + 1, output_tokens=1_000))
    assert below == (above * low["input"] + 1_000 * low["output"]) / 10**6
    assert over == ((above + 1) * high["input"] + 1_000 * high["output"]) / 10**6
    assert price.told(Usage(input_tokens=above + 1))["usd_per_million"]["input"] == str(
        high["input"]
    )


def test_a_cache_that_lasts_costs_more() -> None:
    price = price_of("anthropic", "claude-sonnet-4-5")
    short = price.cost(Usage(1_000, 10, cache_write_tokens=900))
    long = price.cost(Usage(1_000, 10, cache_write_tokens=900, cache_write_1h_tokens=900))
    assert short is not None and long is not None and long > short


def test_the_demo_is_free() -> None:
    assert price_of("demo", "demo-model").cost(Usage(10, 10)) == 0


def test_a_model_of_azure_costs_what_openai_asks() -> None:
    usage = Usage(1_000, 1_000)
    assert price_of("azure-openai", "gpt-4o").cost(usage) == price_of("openai", "gpt-4o").cost(
        usage
    )


def test_config_yaml_has_the_last_word() -> None:
    own = PriceOverride(input=Decimal(10), output=Decimal(20), cached_input=Decimal(1))
    price = prices(openai={"gpt-4o": own}).of("openai", "gpt-4o")
    assert price is not None and price.source == "config.yaml"
    usage = Usage(100, 10, cached_tokens=40, reasoning_tokens=4, cache_write_tokens=10)
    assert price.cost(usage) == Decimal(60 * 10 + 40 * 1 + 10 * 20) / 10**6
    assert price.highest() == (10_000, 20_000)
    assert price.told() == {
        "source": "config.yaml",
        "model": "gpt-4o",
        "usd_per_million": {"input": "10", "cached_input": "1", "output": "20"},
    }


def test_a_star_prices_a_family_and_the_longest_name_wins() -> None:
    own: dict[str, PriceOverride] = {
        "*": PriceOverride(input=Decimal(1), output=Decimal(1)),
        "llama-*": PriceOverride(input=Decimal(2), output=Decimal(1)),
        "llama-3": PriceOverride(input=Decimal(3), output=Decimal(1)),
    }
    book = prices(vllm=own)
    found = {name: book.of("vllm", name) for name in ("llama-3", "llama-4", "qwen")}
    into = {name: price.highest()[0] for name, price in found.items() if price is not None}
    assert into == {"llama-3": 3_000, "llama-4": 2_000, "qwen": 1_000}


def test_a_cost_that_cannot_be_is_not_known() -> None:
    own = PriceOverride(input=Decimal(10**9), output=Decimal(10**9))
    price = prices(vllm={"x": own}).of("vllm", "x")
    assert price is not None
    assert price.cost(Usage(2**53, 2**53)) is None
    assert price.cost(Usage(999, 0)) == 999_000


def test_what_only_goes_in_has_no_price_for_what_comes_out() -> None:
    price = price_of("openai", "text-embedding-3-small")
    assert price.cost(Usage(1_000_000)) == Decimal("0.02")
    assert price.cost(Usage(1_000_000, 1)) is None


def test_sizes_of_models_are_known_where_somebody_says_so() -> None:
    own = PriceOverride(context_window=8_000, max_output=500)
    book = prices(openai={"gpt-4o": own}, vllm={"x": own})
    assert book.limits_of("openai", "gpt-4o") == ModelLimits(8_000, 500)
    assert book.of("openai", "gpt-4o") == prices().of("openai", "gpt-4o")
    assert book.limits_of("openai", "gpt-4o-mini") == ModelLimits(128_000, None)
    assert book.limits_of("vllm", "x") == ModelLimits(8_000, 500)
    assert book.of("vllm", "x") is None
    assert book.limits_of("vllm", "y") == ModelLimits()


def test_a_price_that_changes_with_the_day_is_looked_up_again() -> None:
    provider, model = next(
        (provider, model)
        for provider, model in PRICED
        if isinstance(model.prices, list)
        and (constraint := model.prices[-1].constraint) is not None
        and hasattr(constraint, "start_date")
        and model.prices[-1].prices != model.prices[0].prices
        and len(model.prices) == 2
    )
    assert isinstance(model.prices, list)
    change = model.prices[-1].constraint.start_date  # type: ignore[union-attr]
    midnight = datetime(change.year, change.month, change.day, tzinfo=UTC).timestamp()
    now = [midnight - 1]
    book = Prices(Settings(data_dir=DATA), clock=lambda: now[0])
    before = book.of(provider, model.id)
    now[0] = midnight
    assert before is not None and before != book.of(provider, model.id)


@pytest.mark.parametrize("provider", LISTED_AS)
def test_a_name_finds_what_the_package_finds(provider: str) -> None:
    snapshot = data_snapshot.get_snapshot()
    theirs = snapshot.find_provider(None, LISTED_AS[provider], None)
    own = [model.id for model in theirs.models]
    others = [model.id for one in listed for model in one.models]
    ids = [*own[:: len(own) // 40 + 1], *others[::100]]
    names = [*ids, *(f"{one}-20251211" for one in ids), *(one.upper() for one in ids), "nobody"]
    for name in names:
        wanted = theirs.find_model(name, all_providers=snapshot.providers)
        found = find(DATA, provider, name)
        assert (found and found["id"]) == (wanted and wanted.id), name
        assert (found and found["window"]) == (wanted and wanted.context_window), name


BY_THE_HOUR = [
    (provider, model)
    for provider, model in PRICED
    if isinstance(model.prices, list)
    and any(hasattr(one.constraint, "start_time") for one in model.prices)
]


@pytest.mark.parametrize("hour", range(24))
def test_a_price_by_the_hour_is_the_packages(hour: int) -> None:
    moment = datetime(2025, 3, 1, hour, 30, tzinfo=UTC)
    assert BY_THE_HOUR
    for provider, model in BY_THE_HOUR:
        found = find(DATA, provider, model.id)
        assert found is not None
        steps = price_at(found, moment)[""]
        wanted = model.get_prices(moment).input_mtok
        assert Decimal(steps[0][1]["input"]) == getattr(wanted, "base", wanted)


def test_the_list_is_written_once_for_each_version(tmp_path: Path) -> None:
    old = tmp_path / "prices" / "0.0.1"
    old.mkdir(parents=True)
    assert not is_written(tmp_path)
    write(tmp_path)
    assert is_written(tmp_path) and not old.exists()
    write(tmp_path)
    assert [one.name for one in (tmp_path / "prices").iterdir()] == [f"{list_version()}-2"]


def test_several_may_write_the_list_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        for written in [threads.submit(write, tmp_path) for _ in range(6)]:
            written.result()
    assert [one.name for one in (tmp_path / "prices").iterdir()] == [f"{list_version()}-2"]
    assert find(tmp_path, "openai", "gpt-4o") is not None


def test_what_nobody_writes_any_more_is_taken_away(tmp_path: Path) -> None:
    left, new = tmp_path / "prices" / "new-left", tmp_path / "prices" / "new-0123"
    left.mkdir(parents=True)
    new.mkdir()
    os.utime(left, (0, 0))
    write(tmp_path)
    assert new.exists() and not left.exists()


def test_a_list_that_cannot_be_read_is_no_price(tmp_path: Path) -> None:
    (tmp_path / "prices" / f"{list_version()}-2").mkdir(parents=True)
    book = Prices(Settings(data_dir=tmp_path))
    assert book.of("openai", "gpt-4o") is None
    assert book.of("demo", "demo") is not None


def test_the_list_is_still_as_it_was_read_here() -> None:
    """Where one price of a model has steps, all have the same: the steps are rows of rates."""
    for _, model in PRICED:
        found = [price for price in vars(model.get_prices(NOW)).values()]
        steps = {tuple(t.start for t in p.tiers) for p in found if isinstance(p, TieredPrices)}
        assert len(steps) <= 1, model.id


def test_many_models_are_looked_up_at_once(tmp_path: Path) -> None:
    prices = Prices(
        Settings(data_dir=tmp_path, prices={"openai": {"mine": PriceOverride(input=Decimal(1))}})
    )
    names = ["gpt-4o", "gpt-4o-2024-08-06", "nothing-of-the-kind", "mine"]
    found = prices.of_each("openai", names)
    other = Prices(
        Settings(data_dir=tmp_path, prices={"openai": {"mine": PriceOverride(input=Decimal(1))}})
    )
    assert found == {
        name: (other.of("openai", name), other.limits_of("openai", name)) for name in names
    }
    assert found["gpt-4o"][0] is not None and found["nothing-of-the-kind"][0] is None
    assert prices.own_models("openai") == ["mine"]
