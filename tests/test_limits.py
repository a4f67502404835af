"""A client's limits: what a call reserves and uses, how it is told, and what a refusal says."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chat import ChatRequest, Kind, Usage
from gateway.errors import BadRequest, RateLimited
from gateway.limits import Call, duration, limits_of
from gateway.store.clients import Client
from gateway.store.counter_redis import RedisCounters
from gateway.store.counters import DAY, GAUGE, MONTH, Limit, MemoryCounters
from gateway.store.shared import Shared
from tests.clients import client
from tests.redis_server import RedisServer


@pytest.fixture
def shared() -> Iterator[Shared]:
    with closing(Shared(MemoryCounters())) as shared:
        yield shared


def admit(client: Client, shared: Shared) -> dict[str, str]:
    call = Call(client, shared)
    call.admit(0)
    return call.headers


@dataclass(frozen=True)
class Price:
    """So many nano-dollars a token, in and out."""

    read: int
    written: int
    per_request: int = 0

    def at(self, tier: str | None) -> "Price":
        return self

    def highest(self) -> tuple[int, int]:
        return self.read, self.written

    def cost(self, usage: Usage) -> Decimal | None:
        nano = (usage.input_tokens or 0) * self.read + (usage.output_tokens or 0) * self.written
        return Decimal(nano) / 10**9


@dataclass(frozen=True)
class Prices:
    """One price for every model, if any, and one size."""

    price: Price | None = None
    max_output: int | None = None

    def of(self, provider_id: str, model: str) -> Price | None:
        return self.price

    def limits_of(self, provider_id: str, model: str) -> "Prices":
        return self


def question(
    text: str = "Hello", *, dialect: str = "openai", kind: Kind = "chat", **fields: Any
) -> ChatRequest:
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return ChatRequest(orjson.dumps(body), body, "m", False, False, kind=kind, dialect=dialect)


def begun(
    client: Client,
    shared: Shared,
    request: ChatRequest | None = None,
    prices: Prices | None = None,
    default: int = 4096,
) -> tuple[Call, int | None]:
    """A call that has reserved, and the cap that goes upstream."""
    request = request or question()
    call = Call(client, shared)
    call.admit(len(request.raw))
    call.read(request)
    return call, call.reserve(request, "openai", "m", prices or Prices(), default)


def used(client: Client, shared: Shared) -> dict[str, tuple[int, int]]:
    """By limit: what counts, and how much of it is reserved."""
    states = shared.look(client.id, limits_of(client)).states
    return {state.limit.name: (state.used, state.reserved) for state in states}


@pytest.mark.parametrize(
    ("seconds", "worded"),
    [
        (0, "1ms"),
        (-1, "1ms"),
        (0.0001, "1ms"),
        (0.25, "250ms"),
        (0.999, "999ms"),
        (0.9996, "1s"),
        (1, "1s"),
        (11.2, "12s"),
        (59.5, "1m0s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3599.1, "1h0m0s"),
        (3603, "1h0m3s"),
        (86_400, "24h0m0s"),
    ],
)
def test_a_duration_in_openais_words(seconds: float, worded: str) -> None:
    assert duration(seconds) == worded


@given(st.floats(0, 1e6))
def test_a_duration_is_no_shorter_than_it_is(seconds: float) -> None:
    told = re.fullmatch(
        r"(?:(\d+)h(?=\d+m))?(?:(\d+)m(?=\d+s))?(?:(\d+)s|(\d+)ms)", duration(seconds)
    )
    assert told is not None
    hours, minutes, whole, milliseconds = (int(part or 0) for part in told.groups())
    told_seconds = hours * 3600 + minutes * 60 + whole + milliseconds / 1000
    assert minutes < 60 and (whole < 60 or not told[2])
    assert seconds - 0.0005 <= told_seconds <= seconds + 1


class TestTheLimits:
    def test_are_those_that_the_client_has(self) -> None:
        assert limits_of(client(id=7, rate_limit_minute=5, rate_limit_day=100)) == (
            Limit("rate_limit_minute", 5, 60),
            Limit("rate_limit_day", 100, DAY),
        )

    def test_on_money_are_counted_in_billionths(self) -> None:
        one = client(budget_usd_day=Decimal("1.5"), budget_usd_month=Decimal(20), max_concurrent=3)
        assert limits_of(one) == (
            Limit("max_concurrent", 3, GAUGE),
            Limit("budget_usd_day", 1_500_000_000, DAY),
            Limit("budget_usd_month", 20_000_000_000, MONTH),
        )

    def test_may_be_none(self, shared: Shared) -> None:
        assert limits_of(client()) == ()
        assert admit(client(), shared) == {}


class TestACall:
    def test_is_told_where_it_stands(self, shared: Shared) -> None:
        headers = admit(client(rate_limit_day=5), shared)
        assert headers["x-ratelimit-limit-requests"] == "5"
        assert headers["x-ratelimit-remaining-requests"] == "4"
        assert re.fullmatch(r"(\d+h)?(\d+m)?\d+m?s", headers["x-ratelimit-reset-requests"])

    def test_is_told_of_the_limit_with_the_least_room(self, shared: Shared) -> None:
        one = client(rate_limit_minute=100, rate_limit_hour=50, rate_limit_day=2)
        headers = admit(one, shared)
        assert headers["x-ratelimit-limit-requests"] == "2"
        assert headers["x-ratelimit-remaining-requests"] == "1"

    def test_over_a_limit_is_refused_by_name(self, shared: Shared) -> None:
        one = client(rate_limit_minute=1000, rate_limit_day=2)
        for left in ("1", "0"):
            assert admit(one, shared)["x-ratelimit-remaining-requests"] == left
        with pytest.raises(RateLimited) as caught:
            admit(one, shared)
        refusal = caught.value
        assert refusal.message.startswith("Rate limit reached: 2 requests per day, 2 used. Try")
        assert refusal.headers["x-ratelimit-limit-requests"] == "2"
        assert refusal.headers["x-ratelimit-remaining-requests"] == "0"
        assert 1 <= int(refusal.headers["retry-after"]) <= 86_400

    def test_that_was_refused_counts_nowhere(self, shared: Shared) -> None:
        one = client(rate_limit_hour=10, rate_limit_day=1)
        admit(one, shared)
        for _ in range(5):
            with pytest.raises(RateLimited, match="per day"):
                admit(one, shared)
        hourly = client(rate_limit_hour=10)
        assert admit(hourly, shared)["x-ratelimit-remaining-requests"] == "8"

    def test_of_another_client_is_counted_apart(self, shared: Shared) -> None:
        for number in (1, 11):
            headers = admit(client(id=number, rate_limit_day=1), shared)
            assert headers["x-ratelimit-remaining-requests"] == "0"

    def test_that_fails_before_it_reserves_counts_as_a_request(self, shared: Shared) -> None:
        one = client(rate_limit_day=5, quota_output_tokens_day=100)
        call = Call(one, shared)
        call.admit(0)
        call.end(None)
        assert used(one, shared)["rate_limit_day"] == (1, 0)

    def test_with_a_large_body_is_refused_before_it_is_read(self, shared: Shared) -> None:
        one = client(rate_limit_day=1, max_concurrent=5)
        begun(one, shared)
        Call(one, shared).admit(1000)
        for size in (10**6, None):
            with pytest.raises(RateLimited, match="1 requests per day"):
                Call(one, shared).admit(size)


class TestAReservation:
    @pytest.mark.parametrize(
        ("fields", "asked", "most", "cap"),
        [
            ({}, {}, None, 4096),
            ({}, {"max_tokens": 300}, None, 300),
            ({}, {"max_completion_tokens": 200}, None, 200),
            ({"max_output_tokens": 250}, {"max_tokens": 300}, None, 250),
            ({"max_output_tokens": 250}, {}, None, 250),
            ({}, {}, 1000, 1000),
            ({}, {"max_tokens": 9000}, None, 9000),
            ({}, {"max_tokens": 9000}, 8192, 8192),
            ({"max_output_tokens": 8000}, {"max_tokens": 9000}, None, 8000),
            ({"max_output_tokens": 8000}, {}, None, 4096),
            ({"quota_output_tokens_day": 77}, {"max_tokens": 300}, None, 77),
        ],
    )
    def test_is_the_smallest_of_what_is_asked_allowed_known_and_left(
        self,
        shared: Shared,
        fields: Mapping[str, Any],
        asked: Mapping[str, Any],
        most: int | None,
        cap: int,
    ) -> None:
        one = client(**{"quota_output_tokens_day": 10**6, **fields})
        _, given = begun(one, shared, question(**asked), Prices(max_output=most))
        assert given == cap
        assert used(one, shared)["quota_output_tokens_day"] == (cap, cap)

    @pytest.mark.parametrize(
        "fields",
        [{}, {"rate_limit_day": 5}, {"max_concurrent": 5}, {"quota_input_tokens_day": 10**6}],
    )
    def test_caps_nothing_where_no_limit_is_on_output(
        self, shared: Shared, fields: Mapping[str, Any]
    ) -> None:
        assert begun(client(**fields), shared)[1] is None
        assert begun(client(**fields, max_output_tokens=9), shared)[1] == 9

    def test_is_for_all_the_answers_that_are_asked_for(self, shared: Shared) -> None:
        one = client(quota_output_tokens_day=1000)
        _, cap = begun(one, shared, question(n=4, max_tokens=300))
        assert cap == 250
        assert used(one, shared)["quota_output_tokens_day"] == (1000, 1000)

    @pytest.mark.parametrize("n", [1, 10**18])
    def test_of_more_than_anybody_can_count_is_of_what_is_left(
        self, redis_server: RedisServer, n: int
    ) -> None:
        one = client(quota_output_tokens_day=10**9)
        with closing(Shared(RedisCounters(redis_server.url, timeout=5))) as shared:
            call, cap = begun(one, shared, question(n=n, max_tokens=10**18))
            assert cap == (10**7 if n == 1 else 100)
            call.end(None)

    @pytest.mark.parametrize(
        ("dialect", "asked"),
        [
            ("anthropic", {"max_tokens": 300}),
            ("responses", {"max_output_tokens": 300}),
            ("gemini", {"generationConfig": {"maxOutputTokens": 300}}),
            ("gemini-array", {"generation_config": {"max_output_tokens": 300}}),
        ],
    )
    def test_knows_each_dialects_field(
        self, shared: Shared, dialect: str, asked: Mapping[str, Any]
    ) -> None:
        one = client(quota_output_tokens_day=1000)
        assert begun(one, shared, question(dialect=dialect, **asked))[1] == 300

    def test_of_embeddings_and_counts_is_of_input_alone(self, shared: Shared) -> None:
        one = client(tokens_per_minute=1000, quota_output_tokens_day=1)
        for kind in ("embed", "count"):
            _, cap = begun(one, shared, question("x" * 300, kind=kind))
            assert cap is None
        assert used(one, shared)["quota_output_tokens_day"] == (0, 0)
        assert used(one, shared)["tokens_per_minute"][1] > 200

    def test_is_refused_with_the_limits_name_size_and_use(self, shared: Shared) -> None:
        one = client(quota_output_tokens_day=100)
        call, _ = begun(one, shared, question(max_tokens=60))
        call.settle(Usage(10, 50))
        begun(one, shared, question(max_tokens=40))
        with pytest.raises(RateLimited) as caught:
            begun(one, shared, question(max_tokens=30))
        assert caught.value.code == "quota_exceeded"
        assert caught.value.message.startswith(
            "Quota reached: 100 output tokens per day (UTC), 90 used "
            "(40 of it reserved by calls under way), this call needs 16. Try again in"
        )
        assert caught.value.headers["x-ratelimit-remaining-tokens"] == "10"
        assert caught.value.headers["retry-after"] == "1"

    def test_that_is_refused_tells_of_the_limit_that_refused_it(self, shared: Shared) -> None:
        one = client(quota_input_tokens_day=500, quota_output_tokens_day=300, rate_limit_day=9)
        with pytest.raises(RateLimited) as caught:
            begun(one, shared, question("x" * 3000))
        headers = caught.value.headers
        assert headers["x-ratelimit-limit-tokens"] == "500"
        assert headers["x-ratelimit-remaining-tokens"] == "500"
        assert headers["x-ratelimit-remaining-requests"] == "9"

    def test_that_is_refused_says_once_when_it_frees(self, shared: Shared) -> None:
        one = client(rate_limit_hour=1)
        admit(one, shared)
        with pytest.raises(RateLimited) as caught:
            admit(one, shared)
        headers = caught.value.headers
        wait = int(headers["retry-after"])
        assert headers["x-ratelimit-reset-requests"] in (duration(wait), duration(wait - 1))

    def test_that_is_refused_has_its_limits_in_the_receipt(self, shared: Shared) -> None:
        one = client(max_concurrent=1, rate_limit_day=5)
        begun(one, shared)
        call = Call(one, shared)
        with pytest.raises(RateLimited):
            call.reserve(question(), "openai", "m", Prices(), 4096)
        call.end(None)
        assert call.told() == [
            {"limit": "rate_limit_day", "size": 5, "left": 4},
            {"limit": "max_concurrent", "size": 1, "left": 0},
        ]

    def test_of_too_many_calls_is_refused(self, shared: Shared) -> None:
        one = client(max_concurrent=1)
        call, _ = begun(one, shared)
        with pytest.raises(RateLimited) as caught:
            begun(one, shared)
        assert caught.value.code == "concurrency_limit_exceeded"
        assert "1 calls at the same time, 1 under way" in caught.value.message
        call.end(None)
        begun(one, shared)

    def test_of_more_than_the_whole_limit_is_not_to_be_tried_again(self, shared: Shared) -> None:
        with pytest.raises(RateLimited, match="larger than the limit") as caught:
            begun(client(tokens_per_minute=20), shared, question("x" * 300))
        assert "retry-after" not in caught.value.headers
        assert caught.value.headers["x-should-retry"] == "false"

    def test_that_is_refused_has_cost_nothing(self, shared: Shared) -> None:
        one = client(
            rate_limit_day=5,
            max_concurrent=5,
            quota_input_tokens_day=10**6,
            quota_output_tokens_day=1,
        )
        request = question(max_tokens=30)
        call = Call(one, shared)
        call.admit(0)
        call.read(request)
        with pytest.raises(RateLimited):
            call.reserve(request, "openai", "m", Prices(), 4096)
        call.end(None)
        assert set(used(one, shared).values()) == {(0, 0)}

    def test_for_another_target_takes_the_place_of_the_first(self, shared: Shared) -> None:
        one = client(rate_limit_day=5, quota_output_tokens_day=1000)
        request = question(max_tokens=300)
        call, _ = begun(one, shared, request)
        call.reserve(request, "mistral", "m", Prices(), 4096)
        assert used(one, shared)["quota_output_tokens_day"] == (300, 300)
        assert used(one, shared)["rate_limit_day"] == (1, 0)
        assert "x-ratelimit-limit-requests" in call.headers


class TestAPlaceAmongTheCalls:
    """A call that asks several times is one call all the while."""

    def test_is_kept_between_reservations(self, shared: Shared) -> None:
        one = client(max_concurrent=1, quota_output_tokens_day=1000)
        call = Call(one, shared)
        call.stay()
        for _ in range(2):
            call.stay()
            call.reserve(question(max_tokens=300), "openai", "m", Prices(), 4096)
            assert used(one, shared)["max_concurrent"] == (1, 1)
            call.settle(Usage(1, 2))
            assert used(one, shared)["max_concurrent"] == (1, 1)
            with pytest.raises(RateLimited, match="1 calls at the same time"):
                begun(one, shared)
        call.end(None)
        assert used(one, shared) == {
            "max_concurrent": (0, 0),
            "quota_output_tokens_day": (4, 0),
        }
        assert {"limit": "max_concurrent", "size": 1, "left": 1} in call.told()

    def test_is_given_up_with_a_refusal(self, shared: Shared) -> None:
        one = client(max_concurrent=1, quota_output_tokens_day=1, rate_limit_day=5)
        call = Call(one, shared)
        call.stay()
        with pytest.raises(RateLimited, match="output tokens"):
            call.reserve(question(max_tokens=30), "openai", "m", Prices(), 4096)
        call.end(None)
        assert set(used(one, shared).values()) == {(0, 0)}

    def test_is_none_without_such_a_limit(self, shared: Shared) -> None:
        call = Call(client(rate_limit_day=5), shared)
        call.stay()
        assert call.told() == []


class TestASettlement:
    def test_books_what_was_used_by_limit(self, shared: Shared) -> None:
        one = client(
            max_concurrent=5,
            tokens_per_minute=10**6,
            quota_input_tokens_day=10**6,
            quota_output_tokens_day=10**6,
            budget_usd_day=Decimal(1),
        )
        call, _ = begun(one, shared, prices=Prices(Price(100, 1000)))
        call.end(Usage(10, 30))
        assert used(one, shared) == {
            "max_concurrent": (0, 0),
            "tokens_per_minute": (40, 0),
            "quota_input_tokens_day": (10, 0),
            "quota_output_tokens_day": (30, 0),
            "budget_usd_day": (31_000, 0),
        }
        assert not call.overrun

    def test_of_nothing_gives_all_back(self, shared: Shared) -> None:
        one = client(tokens_per_minute=10**6, max_concurrent=5)
        call, _ = begun(one, shared)
        call.end(None)
        call.end(None)
        assert set(used(one, shared).values()) == {(0, 0)}

    def test_of_more_than_was_reserved_is_booked_and_flagged(self, shared: Shared) -> None:
        one = client(quota_output_tokens_day=100)
        call, _ = begun(one, shared, question(max_tokens=60))
        call.end(Usage(10, 170))
        assert call.overrun
        assert used(one, shared)["quota_output_tokens_day"] == (170, 0)
        with pytest.raises(RateLimited, match="170 used"):
            begun(one, shared, question(max_tokens=1))

    def test_tells_what_is_left(self, shared: Shared) -> None:
        one = client(rate_limit_day=5, quota_output_tokens_day=100, budget_usd_day=Decimal("1.5"))
        call, _ = begun(one, shared, question(max_tokens=60), Prices(Price(0, 2_000_000)))
        call.end(Usage(10, 50))
        assert call.told() == [
            {"limit": "rate_limit_day", "size": 5, "left": 4},
            {"limit": "quota_output_tokens_day", "size": 100, "left": 50},
            {"limit": "budget_usd_day", "size": 1.5, "left": 1.4},
        ]


class TestTheInputOfOneCall:
    def test_is_refused_above_the_limit_with_estimate_and_limit(self, shared: Shared) -> None:
        one = client(max_input_tokens=50, rate_limit_day=5)
        call = Call(one, shared)
        call.admit(0)
        with pytest.raises(BadRequest, match=r"about \d{3} tokens .* most 50 ") as caught:
            call.read(question("x" * 300))
        call.end(None)
        assert caught.value.code == "max_input_tokens_exceeded"
        assert used(one, shared)["rate_limit_day"] == (0, 0)

    def test_may_be_counted_whatever_it_is(self, shared: Shared) -> None:
        begun(client(max_input_tokens=50), shared, question("x" * 300, kind="count"))

    def test_counts_the_clients_system_prompt(self, shared: Shared) -> None:
        with pytest.raises(BadRequest):
            begun(client(max_input_tokens=50, system_prompt="x" * 300), shared)
        begun(client(max_input_tokens=50), shared)


class TestABudget:
    def test_is_reserved_at_the_highest_price(self, shared: Shared) -> None:
        one = client(budget_usd_month=Decimal(1))
        prices = Prices(Price(100, 1000, per_request=5_000_000))
        request = question(max_tokens=300)
        begun(one, shared, request, prices)
        read = -(-len(request.raw) // 3)
        expected = 5_000_000 + read * 100 + 300 * 1000
        assert used(one, shared)["budget_usd_month"] == (expected, expected)

    def test_shortens_the_answer_to_what_is_left(self, shared: Shared) -> None:
        one = client(budget_usd_day=Decimal("0.0001"))
        assert begun(one, shared, question(max_tokens=300), Prices(Price(0, 1000)))[1] == 100

    def test_that_is_spent_is_told_in_dollars(self, shared: Shared) -> None:
        one = client(budget_usd_day=Decimal("0.5"))
        call, _ = begun(one, shared, prices=Prices(Price(0, 1000)))
        call.end(Usage(0, 500_000))
        with pytest.raises(RateLimited) as caught:
            begun(one, shared, prices=Prices(Price(0, 1000)))
        assert caught.value.code == "budget_exceeded"
        assert caught.value.message.startswith("Budget reached: $0.50 per day (UTC), $0.50 used,")

    def test_refuses_a_model_without_a_price(self, shared: Shared) -> None:
        one = client(budget_usd_day=Decimal(1), rate_limit_day=5)
        with pytest.raises(BadRequest) as caught:
            begun(one, shared)
        assert (caught.value.code, caught.value.param) == ("unpriced_model", "model")
        begun(client(budget_usd_day=Decimal(1), allow_unpriced=True), shared)

    def test_does_not_mind_what_costs_nothing(self, shared: Shared) -> None:
        one = client(budget_usd_day=Decimal(0))
        assert begun(one, shared, prices=Prices(Price(0, 0)))[1] is None
        begun(one, shared, question(kind="count"))
