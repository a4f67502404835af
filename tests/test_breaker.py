"""Targets that keep failing are spared, and tried again now and then."""

import pytest

from gateway.breaker import Breaker
from gateway.config import Breaker as Settings
from gateway.errors import (
    UpstreamError,
    UpstreamForbidden,
    UpstreamOverloaded,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)

HERE = ("openai", "http://here", "gpt-4o")
THERE = ("openai", "http://there", "gpt-4o")
ITS_OWN = [UpstreamError, UpstreamOverloaded, UpstreamTimeout, UpstreamUnreachable]
OF_THE_KEY = [UpstreamUnauthorized, UpstreamQuotaExceeded, UpstreamRateLimited]
OF_THE_CLIENT = [UpstreamRejected, UpstreamForbidden]


class Watched:
    """A breaker of three failures and ten seconds, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[str, str, bool]] = []
        self.breaker = Breaker(
            Settings(failures=3, pause=10), lambda *news: self.told.append(news), lambda: self.now
        )

    def fail(self, *errors: type[UpstreamError], place: tuple[str, str, str] = HERE) -> None:
        for error in errors:
            self.breaker.failed(place, error("no"))

    def allows(self, place: tuple[str, str, str] = HERE) -> bool:
        return self.breaker.allows(place)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize("error", ITS_OWN)
def test_it_opens_after_so_many_failures(watched: Watched, error: type[UpstreamError]) -> None:
    watched.fail(error, error)
    assert watched.allows() and watched.told == []
    watched.fail(error)
    assert not watched.allows() and watched.told == [("openai", "gpt-4o", True)]
    assert watched.allows(THERE)


@pytest.mark.parametrize("error", OF_THE_KEY)
def test_what_a_key_is_to_blame_for_says_nothing(
    watched: Watched, error: type[UpstreamError]
) -> None:
    watched.fail(*[error] * 100)
    assert watched.allows()
    watched.fail(UpstreamTimeout, error, UpstreamTimeout, error, UpstreamTimeout)
    assert not watched.allows()


@pytest.mark.parametrize("error", OF_THE_CLIENT)
def test_what_a_client_is_to_blame_for_shows_it_well(
    watched: Watched, error: type[UpstreamError]
) -> None:
    watched.fail(*[error] * 100)
    watched.fail(UpstreamTimeout, UpstreamTimeout, error, UpstreamTimeout, UpstreamTimeout)
    assert watched.allows()


def test_an_answer_between_failures_begins_anew(watched: Watched) -> None:
    watched.fail(UpstreamTimeout, UpstreamTimeout)
    watched.breaker.answered(HERE)
    watched.fail(UpstreamTimeout, UpstreamTimeout)
    assert watched.allows()


def test_one_call_probes_after_the_pause_and_closes_it(watched: Watched) -> None:
    watched.fail(*[UpstreamTimeout] * 3)
    watched.now += 9.9
    assert not watched.allows()
    watched.now += 0.1
    assert [watched.allows() for _ in range(3)] == [True, False, False]
    watched.breaker.answered(HERE)
    assert all(watched.allows() for _ in range(3))
    assert watched.told[-1] == ("openai", "gpt-4o", False)


def test_a_probe_that_fails_opens_it_again(watched: Watched) -> None:
    watched.fail(*[UpstreamTimeout] * 3)
    watched.now += 10
    assert watched.allows()
    watched.fail(UpstreamTimeout)
    assert not watched.allows()
    watched.now += 10
    assert watched.allows()
    assert watched.told == [("openai", "gpt-4o", True)]


def test_a_probe_that_is_lost_is_followed_by_another(watched: Watched) -> None:
    watched.fail(*[UpstreamTimeout] * 3)
    watched.now += 10
    assert watched.allows()
    watched.now += 10
    assert watched.allows()


def test_it_knows_so_many_and_no_more(watched: Watched) -> None:
    watched.fail(*[UpstreamTimeout] * 3)
    for number in range(1_000):
        watched.fail(UpstreamTimeout, place=("vllm", "http://x", f"model {number}"))
    assert watched.allows()
    assert watched.told[-1] == ("openai", "gpt-4o", False)
