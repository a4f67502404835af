"""What the form of a client says of each provider."""

import re

import pytest

from gateway.blueprints.admin.provider_hints import Hint, provider_hints
from gateway.context import Gateway
from gateway.providers import PROVIDERS
from tests.blueprints.browser import Browser

LOCAL = {"ollama", "lmstudio", "vllm", "openai-compatible"}
KEYS = {
    "openai": "sk-…",
    "anthropic": "sk-ant-…",
    "gemini": "AQ.… or AIza…",
    "groq": "gsk_…",
    "xai": "xai-…",
    "perplexity": "pplx-…",
    "openrouter": "sk-or-…",
}


@pytest.fixture
def hints(parts: Gateway) -> dict[str, Hint]:
    return {one.id: one for one in provider_hints(parts.ways)}


def test_every_provider_has_each_hint(hints: dict[str, Hint]) -> None:
    assert list(hints) == list(PROVIDERS)
    for one in hints.values():
        assert one.address and one.key and one.model, one.id


def test_the_keys_that_have_a_format_are_told_by_it(hints: dict[str, Hint]) -> None:
    looks = {one.id: re.search("It looks like (.+?) and goes", one.key) for one in hints.values()}
    assert {name: found[1] for name, found in looks.items() if found} == KEYS


def test_the_models_named_are_there(hints: dict[str, Hint], parts: Gateway) -> None:
    """As far as the list of prices knows."""
    for name, hint in hints.items():
        if name in LOCAL | {"demo", "azure-openai"}:
            continue
        found = re.match(r"For example (\S+?)[.,:](?: |$)", hint.model)
        assert found, name
        [(price, _)] = parts.prices.of_each(name, [found[1]]).values()
        assert price is not None, hint.model


def test_azures_address_and_its_deployments_are_told(hints: dict[str, Hint]) -> None:
    azure = hints["azure-openai"]
    assert azure.base_url == "https://<resource>.openai.azure.com"
    assert f"Required: there is no usual address. It looks like {azure.base_url}." == azure.address
    assert "deployment" in azure.model


def test_the_form_has_them_for_whatever_is_chosen(signed_in: Browser) -> None:
    page = signed_in.get("/admin/clients/new").text
    assert 'data-placeholder="https://&lt;resource&gt;.openai.azure.com"' in page
    assert "It looks like gsk_… and goes there" in page and "For example claude-sonnet-4-5." in page
