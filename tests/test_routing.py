"""Where a question goes, and that no key ever goes with it to another's address."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.config import ProviderCredentials
from gateway.errors import BadRequest, ModelNotFound
from gateway.providers import PROVIDERS, Ways
from gateway.providers.base import Target
from gateway.routing import NoCredentials, alias_target, chosen, credentials, route
from gateway.store.clients import Client
from tests.clients import client

OWN_KEY, OWN_HOST = "key-of-the-client", "https://own.example/v1"


def given_for(*ids: str, **fields: Any) -> dict[str, ProviderCredentials]:
    """Config.yaml's credentials: each provider's key names it."""
    return {
        id: ProviderCredentials(**{"api_key": SecretStr(f"key-of-{id}"), **fields}) for id in ids
    }


def ways(configured: Mapping[str, ProviderCredentials] | None = None) -> Ways:
    return Ways(PROVIDERS, configured or {})


def routed(client: Client, model: str | None, *ids: str) -> list[tuple[str, str]]:
    return [named(target) for target in route(client, model, ways(given_for(*ids))).targets]


def named(target: Target) -> tuple[str, str]:
    return target.provider.id, target.model


def openai_client(**fields: Any) -> Client:
    return client(**{"provider": "openai", "provider_api_key": OWN_KEY, **fields})


class TestAliases:
    ALIASES = {
        "*": "any",
        "claude-*": "family",
        "claude-opus-*": "opus",
        "claude-opus-4": "exact",
        "a*": "short",
    }

    @pytest.mark.parametrize(
        ("model", "target"),
        [
            ("claude-opus-4", "exact"),
            ("claude-opus-4-1", "opus"),
            ("claude-opus-", "opus"),
            ("claude-sonnet", "family"),
            ("claude-", "family"),
            ("claude", "any"),
            ("Claude-opus-4", "any"),
            ("a", "short"),
            ("", "any"),
        ],
    )
    def test_of_the_longest_match_win(self, model: str, target: str) -> None:
        assert alias_target(self.ALIASES, model) == target
        backwards = dict(reversed(self.ALIASES.items()))
        assert alias_target(backwards, model) == target

    @pytest.mark.parametrize("aliases", [{}, {"other": "x"}, {"gpt-4*": "x"}])
    def test_may_not_fit(self, aliases: dict[str, str]) -> None:
        assert alias_target(aliases, "gpt-3") is None

    def test_are_not_followed_twice(self) -> None:
        one = openai_client(model_aliases={"a": "b", "b": "c"})
        assert routed(one, "a") == [("openai", "b")]


class TestTheModel:
    def test_is_the_one_asked_for(self) -> None:
        assert routed(openai_client(default_model="d"), "gpt-4o") == [("openai", "gpt-4o")]

    def test_is_the_default_where_none_is_asked_for(self) -> None:
        assert routed(openai_client(default_model="d"), None) == [("openai", "d")]

    def test_must_be_named_by_someone(self) -> None:
        with pytest.raises(BadRequest) as caught:
            route(openai_client(), None, ways())
        assert caught.value.param == "model"

    @pytest.mark.parametrize(
        ("provider", "model", "place"),
        [
            ("openai", "ft:gpt-4o:org/x", ("openai", "ft:gpt-4o:org/x")),
            ("openai", "meta-llama/Llama-3", ("openai", "meta-llama/Llama-3")),
            ("openai", "groq/llama", ("groq", "llama")),
            ("openai", "groq/openai/gpt-oss", ("groq", "openai/gpt-oss")),
            ("openai", "openai/openai/x", ("openai", "openai/x")),
            ("openrouter", "openrouter/openai/gpt-4o", ("openrouter", "openai/gpt-4o")),
            ("openrouter", "openai/gpt-4o", ("openai", "gpt-4o")),
            ("openrouter", "google/gemma", ("openrouter", "google/gemma")),
            ("openai", "groq/", ("openai", "groq/")),
            ("openai", "/gpt", ("openai", "/gpt")),
            ("openai", "groq", ("openai", "groq")),
            ("openai", "demo/demo", ("demo", "demo")),
        ],
    )
    def test_may_name_its_provider(self, provider: str, model: str, place: tuple[str, str]) -> None:
        one = client(provider=provider, provider_api_key=OWN_KEY)
        assert routed(one, model, "groq", "openai") == [place]


class TestWhatIsAllowed:
    @pytest.mark.parametrize(
        ("provider", "allowed", "model"),
        [
            ("openai", [], "anything"),
            ("openai", ["gpt-4o"], "gpt-4o"),
            ("openai", ["gpt-4o"], "openai/gpt-4o"),
            ("openai", ["openai/gpt-4o"], "gpt-4o"),
            ("openai", ["groq/llama"], "groq/llama"),
            ("openai", ["gpt-4o"], "alias"),
            ("openrouter", ["openrouter/openai/gpt-4o"], "openrouter/openai/gpt-4o"),
            ("openrouter", ["google/gemma"], "openrouter/google/gemma"),
        ],
    )
    def test_is_asked_after_aliasing(self, provider: str, allowed: list[str], model: str) -> None:
        one = client(
            provider=provider, allowed_models=tuple(allowed), model_aliases={"alias": "gpt-4o"}
        )
        assert chosen(one, model, ways()) in (model, "gpt-4o")

    @pytest.mark.parametrize(
        ("provider", "allowed", "model"),
        [
            ("openai", ["gpt-4o"], "gpt-4o-mini"),
            ("openai", ["alias"], "alias"),
            ("openai", ["gpt-4o"], "groq/gpt-4o"),
            ("openai", ["groq/gpt-4o"], "gpt-4o"),
            # The same letters, but another provider's model on that provider's account.
            ("openrouter", ["openrouter/openai/gpt-4o"], "openai/gpt-4o"),
            ("openrouter", ["openai/gpt-4o"], "openrouter/openai/gpt-4o"),
        ],
    )
    def test_is_nothing_else(self, provider: str, allowed: list[str], model: str) -> None:
        one = client(
            provider=provider, allowed_models=tuple(allowed), model_aliases={"alias": "gpt-4o"}
        )
        with pytest.raises(ModelNotFound) as caught:
            chosen(one, model, ways())
        assert (caught.value.param, caught.value.code) == ("model", "model_not_found")
        assert f"`{model}`" in caught.value.message

    def test_has_a_name_that_fits_into_a_header(self) -> None:
        longest = "m" * 255
        assert chosen(openai_client(), longest, ways()) == longest
        with pytest.raises(ModelNotFound, match="255 characters"):
            chosen(openai_client(), longest + "m", ways())


class TestFallbacks:
    def test_follow_in_their_order(self) -> None:
        one = openai_client(fallback_models=("groq/llama", "gpt-4o-mini", "demo/demo"))
        assert routed(one, "gpt-4o", "groq") == [
            ("openai", "gpt-4o"),
            ("groq", "llama"),
            ("openai", "gpt-4o-mini"),
            ("demo", "demo"),
        ]

    def test_without_credentials_are_skipped_and_said(self) -> None:
        one = openai_client(fallback_models=("groq/llama", "mistral/small"))
        way = route(one, "gpt-4o", ways(given_for("mistral")))
        assert [named(target) for target in way.targets] == [
            ("openai", "gpt-4o"),
            ("mistral", "small"),
        ]
        assert [reason for reason in way.skipped if "providers.groq" in reason] == list(way.skipped)

    def test_serve_where_the_first_has_no_credentials(self) -> None:
        one = client(provider="openai", fallback_models=("demo/demo",))
        assert routed(one, "gpt-4o") == [("demo", "demo")]

    def test_may_all_be_out_of_reach(self) -> None:
        with pytest.raises(NoCredentials, match="No credentials for OpenAI"):
            route(client(provider="openai", fallback_models=("groq/x",)), "gpt-4o", ways())

    def test_serve_a_client_whose_provider_is_not_there_yet(self) -> None:
        one = client(provider="gemini", fallback_models=("groq/llama",))
        none_there = Ways({"groq": PROVIDERS["groq"]}, given_for("groq"))
        way = route(one, "gemini/flash", none_there)
        assert [named(target) for target in way.targets] == [("groq", "llama")]
        assert "`gemini` is not available" in way.skipped[0]


class TestCredentials:
    def found(self, client: Client, id: str, **fields: Any) -> tuple[str, str | None, str | None]:
        configured = given_for("openai", "groq", "azure-openai", **fields)
        found = credentials(client, PROVIDERS[id], ways(configured))
        return found.base_url, found.api_key, found.api_version

    def test_of_the_client_go_to_the_usual_address(self) -> None:
        usual = PROVIDERS["openai"].base_url
        assert self.found(openai_client(), "openai") == (usual, OWN_KEY, None)

    def test_of_the_client_go_to_its_own_address(self) -> None:
        one = openai_client(provider_base_url=OWN_HOST + "/", provider_api_version="v")
        assert self.found(one, "openai") == (OWN_HOST, OWN_KEY, "v")

    def test_of_config_serve_a_client_without_any(self) -> None:
        one = client(provider="openai")
        assert self.found(one, "openai", base_url="https://cfg.example/v1/", api_version="w") == (
            "https://cfg.example/v1",
            "key-of-openai",
            "w",
        )

    def test_of_config_serve_other_providers(self) -> None:
        one = openai_client(provider_base_url=OWN_HOST)
        assert self.found(one, "groq") == (PROVIDERS["groq"].base_url, "key-of-groq", None)

    def test_of_config_never_go_to_a_clients_address(self) -> None:
        with pytest.raises(NoCredentials):
            self.found(client(provider="openai", provider_base_url=OWN_HOST), "openai")

    def test_of_the_client_never_go_to_configs_address(self) -> None:
        one = client(provider="azure-openai", provider_api_key=OWN_KEY)
        with pytest.raises(NoCredentials):
            self.found(one, "azure-openai", base_url="https://cfg.example")

    def test_are_not_needed_by_a_server_of_ones_own(self) -> None:
        one = client(provider="ollama")
        assert self.found(one, "ollama") == (PROVIDERS["ollama"].base_url, None, None)

    def test_are_needed_by_another_clients_server(self) -> None:
        with pytest.raises(NoCredentials):
            self.found(openai_client(), "ollama")

    def test_are_not_needed_by_the_demo(self) -> None:
        assert self.found(openai_client(), "demo")[1] is None


IDS = st.sampled_from(sorted(PROVIDERS))
HOSTS = st.none() | st.just(OWN_HOST) | st.just("https://own.example")
TARGETS = st.builds(lambda id, slash: f"{id}{slash}m", IDS, st.sampled_from(["/", "-", "//"]))


@given(
    st.builds(
        client,
        provider=IDS,
        provider_api_key=st.none() | st.just(OWN_KEY),
        provider_base_url=HOSTS,
        provider_api_version=st.none() | st.just("2024-10-21"),
        fallback_models=st.lists(TARGETS | st.just("m"), max_size=4).map(tuple),
        model_aliases=st.dictionaries(st.sampled_from(["m", "*"]), TARGETS, max_size=2),
    ),
    TARGETS | st.just("m"),
    st.dictionaries(IDS, st.tuples(st.booleans(), st.booleans())),
)
def test_no_key_goes_to_an_address_that_it_did_not_come_with(
    one: Client, model: str, configured: dict[str, tuple[bool, bool]]
) -> None:
    given = {
        id: ProviderCredentials(
            api_key=SecretStr(f"key-of-{id}") if has_key else None,
            base_url=f"https://{id}.cfg.example/v1" if has_host else None,
        )
        for id, (has_key, has_host) in configured.items()
    }
    try:
        way = route(one, model, ways(given))
    except NoCredentials:
        return
    assert len(way.targets) + len(way.skipped) == 1 + len(one.fallback_models)
    for target in way.targets:
        check_key(target, one, given)


def check_key(target: Target, one: Client, given: dict[str, ProviderCredentials]) -> None:
    """A client's key and address serve its own provider alone, and config's each its provider."""
    provider, found = target.provider, target.credentials
    usual = {provider.base_url}
    if "own.example" in found.base_url:
        assert provider.id == one.provider and found.api_key == one.provider_api_key
    elif found.api_key == OWN_KEY:
        assert provider.id == one.provider and found.base_url in usual
    elif found.api_key is not None:
        assert found.api_key == f"key-of-{provider.id}"
    if "cfg.example" in found.base_url:
        assert f"//{provider.id}.cfg" in found.base_url
        key = given[provider.id].api_key
        assert found.api_key == (key.get_secret_value() if key else None)
    elif "own.example" not in found.base_url:
        assert found.base_url in usual
    assert found.api_key is not None or provider.key == "optional"
