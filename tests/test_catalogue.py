"""The models a client is told of: those it may use, by the names that it may use."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from gateway.catalogue import models_of
from gateway.config import Upstream as UpstreamSettings
from gateway.providers import PROVIDERS, Ways
from gateway.providers.model_lists import ModelLists
from gateway.routing import NoCredentials
from gateway.store.clients import Client
from gateway.upstream import Upstream
from tests.clients import client

SONAR = PROVIDERS["perplexity"].models
# A vendor without a list of its own, that names others' models as they do.
RESELLER = replace(
    PROVIDERS["cohere"], native_models_path=None, models=("openai/gpt-4o", "command/a", "groq")
)
WAYS = Ways({**PROVIDERS, "cohere": RESELLER}, {})


@pytest.fixture
def lists() -> Iterator[ModelLists]:
    """Nothing is fetched: the vendors of these tests have no list that could be."""
    with closing(Upstream(UpstreamSettings())) as upstream:
        yield ModelLists(upstream, 60)


def names(client: Client, lists: ModelLists) -> list[str]:
    return [model["id"] for model in models_of(client, WAYS, lists)]


def perplexity(**fields: Any) -> Client:
    return client(provider="perplexity", provider_api_key="own-key", **fields)


def test_a_vendors_models_in_openais_shape(lists: ModelLists) -> None:
    found = models_of(perplexity(), WAYS, lists)
    assert found[0] == {
        "id": SONAR[0],
        "object": "model",
        "created": 0,
        "owned_by": "perplexity",
    }
    assert [model["id"] for model in found] == list(SONAR)


def test_the_default_and_the_aliases_beside_them(lists: ModelLists) -> None:
    one = perplexity(
        default_model="sonar-next",
        model_aliases={"fast": "sonar", "sonar": "sonar-pro", "gpt-*": "sonar", "*": "sonar"},
    )
    assert names(one, lists) == [*SONAR, "sonar-next", "fast"]


def test_a_default_that_the_vendor_lists_stands_there_once(lists: ModelLists) -> None:
    assert names(perplexity(default_model=SONAR[1]), lists) == list(SONAR)


def test_only_what_is_allowed(lists: ModelLists) -> None:
    one = perplexity(
        allowed_models=("sonar", "groq/llama", "sonar"),
        default_model="sonar-pro",
        model_aliases={"fast": "sonar", "own": "perplexity/sonar", "dear": "sonar-pro"},
    )
    assert names(one, lists) == ["sonar", "groq/llama", "fast", "own"]


def test_anothers_model_by_a_name_that_leads_to_this_vendor(lists: ModelLists) -> None:
    one = client(provider="cohere", provider_api_key="own-key")
    assert names(one, lists) == ["cohere/openai/gpt-4o", "command/a", "groq"]


def test_the_demos_without_any_key(lists: ModelLists) -> None:
    assert names(client(), lists) == list(PROVIDERS["demo"].models)


@pytest.mark.parametrize("provider", ["perplexity", "openai-compatible"])
def test_none_where_the_vendor_cannot_be_reached(lists: ModelLists, provider: str) -> None:
    with pytest.raises(NoCredentials):
        names(client(provider=provider), lists)
