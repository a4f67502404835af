"""A client's limits on requests: what they are, how they are told, and what a refusal says."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RateLimited
from gateway.limits import admit, duration, limits_of
from gateway.store.counters import Limit
from gateway.store.shared import Shared
from tests.clients import client


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    with closing(Shared(tmp_path / "shared.db")) as shared:
        yield shared


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
        assert limits_of(client(id=7, rate_limit_minute=5, rate_limit_day=100)) == [
            Limit("7:requests:minute", 5, 60),
            Limit("7:requests:day", 100, 86_400),
        ]

    def test_of_no_client_are_shared(self) -> None:
        one, other = (limits_of(client(id=number, rate_limit_hour=5)) for number in (1, 11))
        assert one[0].key != other[0].key

    def test_may_be_none(self, shared: Shared) -> None:
        assert limits_of(client()) == []
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
        for number in (1, 2):
            headers = admit(client(id=number, rate_limit_day=1), shared)
            assert headers["x-ratelimit-remaining-requests"] == "0"
