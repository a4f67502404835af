"""What most tests need: a running gateway, and an upstream that is scripted."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import Postgres
from tests.redis_server import RedisServer
from tests.running import Running
from tests.upstream import Upstream

# How long an example takes says more of the machine than of us.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway for all tests that do not need settings of their own; retries are off."""
    settings = {
        "upstream": {"max_retries": 0},
        "access": {"keyless_per_minute": 100_000},
        "demo": {"tokens_per_second": 0},
    }
    with Running(tmp_path_factory.mktemp("gateway"), settings) as running:
        yield running


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def key(gateway: Running, upstream: Upstream) -> str:
    """The key of a client whose provider is the scripted upstream."""
    return gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        provider_api_key="upstream-key",
    )


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running
