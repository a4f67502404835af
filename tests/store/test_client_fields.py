"""What a client's fields may hold."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.config import Defaults, Settings
from gateway.errors import InvalidFields
from gateway.store.client_fields import ClientFields, changed_fields, new_fields
from gateway.store.clients import Client
from gateway.store.models import ClientRow

NOT_AN_ADDRESS = "should be an http:// or https:// address without user, query or fragment"
NOT_A_MOMENT = "should be a date and time with its zone: 2030-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("name", "", "should have at least 1 character"),
        ("name", "  ", "should have at least 1 character"),
        ("name", "x" * 101, "should have at most 100 characters"),
        ("name", "a\nb", "should not contain control characters"),
        ("name", "a\x00b", "should not contain control characters"),
        ("name", "\u202egpj.exe", "should not contain control characters"),
        ("name", 5, "should be a valid string"),
        ("name", None, "should be a valid string"),
        ("description", "a\x00b", "should not contain NUL"),
        ("is_active", 1, "should be a valid boolean"),
        ("is_active", "true", "should be a valid boolean"),
        ("key_prefix", "", "should be 1 to 12 letters, digits, _ or -"),
        ("key_prefix", "x" * 13, "should be 1 to 12 letters, digits, _ or -"),
        ("key_prefix", "a b", "should be 1 to 12 letters, digits, _ or -"),
        ("key_prefix", "gm_\n", "should be 1 to 12 letters, digits, _ or -"),
        ("provider_base_url", "ftp://host/v1", NOT_AN_ADDRESS),
        ("provider_base_url", "host/v1", NOT_AN_ADDRESS),
        ("provider_base_url", "http:///v1", NOT_AN_ADDRESS),
        ("provider_base_url", "http://user:pass@host/v1", NOT_AN_ADDRESS),
        ("provider_base_url", "http://host/v1?key=1", NOT_AN_ADDRESS),
        ("provider_base_url", "http://host/v1#top", NOT_AN_ADDRESS),
        ("provider_base_url", "http://host:99999/v1", NOT_AN_ADDRESS),
        ("provider_base_url", "http://[::1/v1", NOT_AN_ADDRESS),
        ("provider_base_url", "http://host/v1\r\nx: y", NOT_AN_ADDRESS),
        ("default_model", "a\tb", "should not contain control characters"),
        ("allowed_models", "gpt-4o", "should be a valid list"),
        ("allowed_models", None, "should be a valid list"),
        ("allowed_models", ["gpt-4o", ""], "item 2 should have at least 1 character"),
        ("fallback_models", ["gpt-4o", 5], "item 2 should be a valid string"),
        ("model_aliases", ["gpt-4o"], "should be a valid dictionary"),
        ("model_aliases", {"a*b": "x"}, "'a*b' should have a * at its end only"),
        ("model_aliases", {"**": "x"}, "'**' should have a * at its end only"),
        ("model_aliases", {"a": ""}, "should say what 'a' stands for: alias = target"),
        ("model_aliases", {"": "x"}, "should have a name before each target: alias = target"),
        ("model_aliases", {"a": None}, "'a' should be a valid string"),
        ("system_prompt", "x" * 100_001, "should have at most 100000 characters"),
        ("tool_mode", "both", "should be 'pass-through' or 'gateway'"),
        ("rate_limit_minute", 0, "should be greater than or equal to 1"),
        ("rate_limit_hour", -1, "should be greater than or equal to 1"),
        ("rate_limit_day", "5", "should be a valid integer"),
        ("tokens_per_minute", 1.5, "should be a valid integer"),
        ("max_concurrent", True, "should be a valid integer"),
        ("quota_requests_day", 10**30, "should be less than or equal to 1000000000000000"),
        ("budget_usd_day", -0.01, "should be greater than or equal to 0"),
        ("budget_usd_day", "NaN", "should be a finite number"),
        ("budget_usd_day", True, "should be a number"),
        ("budget_usd_month", "ten", "should be a valid decimal"),
        ("budget_usd_month", "0.0000001", "should have no more than 6 decimal places"),
        ("budget_usd_month", 1e300, "should be less than or equal to 9000000"),
        ("log_bodies", "some", "should be 'off', 'redacted' or 'full'"),
        ("log_bodies", None, "should be 'off', 'redacted' or 'full'"),
        ("expires_at", "2030-01-31", NOT_A_MOMENT),
        ("expires_at", "2030-01-31T12:00:00", NOT_A_MOMENT),
        ("expires_at", "0001-01-01T00:00:00+14:00", NOT_A_MOMENT),
        ("expires_at", 1893456000, NOT_A_MOMENT),
        ("colour", "red", "is not a field of a client"),
        ("id", 7, "cannot be set"),
        ("has_provider_api_key", True, "cannot be set"),
    ],
)
def test_it_refuses(settings: Settings, field: str, value: object, why: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_fields({"name": "shop", field: value}, settings)
    assert refused.value.fields == {field: why}


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("name", " Café №1 ", "Café №1"),
        ("description", "two\nlines", "two\nlines"),
        ("key_prefix", "sk-ant-", "sk-ant-"),
        ("provider", "openrouter", "openrouter"),
        ("provider_base_url", "https://host:8443/a@b/v1/", "https://host:8443/a@b/v1/"),
        ("provider_base_url", "HTTP://[::1]:11434/v1", "HTTP://[::1]:11434/v1"),
        ("provider_base_url", "", None),
        ("default_model", "openai/gpt-4o", "openai/gpt-4o"),
        ("default_model", "", None),
        ("allowed_models", [], []),
        ("model_aliases", {"*": "a", "claude-*": "b"}, {"*": "a", "claude-*": "b"}),
        ("system_prompt", "x" * 100_000, "x" * 100_000),
        ("server_tools", ["*"], ["*"]),
        ("rate_limit_minute", None, None),
        ("rate_limit_minute", 1, 1),
        ("budget_usd_day", 0, Decimal(0)),
        ("budget_usd_day", 0.1, Decimal("0.1")),
        ("budget_usd_day", "12.345678", Decimal("12.345678")),
        ("expires_at", "2030-01-31T12:00:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
        ("expires_at", "", None),
    ],
)
def test_it_accepts(settings: Settings, field: str, value: object, kept: object) -> None:
    assert getattr(new_fields({"name": "shop", field: value}, settings), field) == kept


def test_only_the_name_is_required(settings: Settings) -> None:
    assert new_fields({"name": "shop"}, settings).provider == "demo"
    with pytest.raises(InvalidFields) as refused:
        new_fields({}, settings)
    assert refused.value.fields == {"name": "is required"}


def test_an_unknown_provider_is_told_the_known_ones(settings: Settings) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_fields({"name": "shop", "provider": "opnai"}, settings)
    assert "openai, azure-openai" in refused.value.fields["provider"]


def test_all_that_is_wrong_is_told_at_once(settings: Settings) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_fields({"rate_limit_day": 0, "colour": "red"}, settings)
    assert refused.value.fields.keys() == {"name", "rate_limit_day", "colour"}


@pytest.mark.parametrize("key", ["", " ", "two words", "snow☃man-secret", "x" * 4001, 5])
def test_a_refused_key_is_not_repeated(settings: Settings, key: object) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_fields({"name": "shop", "provider_api_key": key}, settings)
    assert refused.value.fields.keys() == {"provider_api_key"}
    assert "secret" not in refused.value.message


def test_a_key_loses_the_line_end_it_was_pasted_with(settings: Settings) -> None:
    key = new_fields({"name": "shop", "provider_api_key": "sk-1\n"}, settings).provider_api_key
    assert key and key.get_secret_value() == "sk-1"


@pytest.mark.parametrize("provider", ["azure-openai", "openai-compatible"])
def test_a_provider_without_a_usual_address_needs_one(settings: Settings, provider: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_fields({"name": "shop", "provider": provider}, settings)
    assert refused.value.fields == {"provider_base_url": f"is required for {provider}"}
    url = "https://host.example/v1"
    named = {"name": "shop", "provider": provider, "provider_base_url": url}
    assert new_fields(named, settings).provider_base_url == url


def test_an_address_in_the_configuration_is_one(settings: Settings) -> None:
    provider = {"openai-compatible": {"base_url": "https://host.example/v1"}}
    settings = Settings.model_validate({"providers": provider})
    assert not new_fields(
        {"name": "s", "provider": "openai-compatible"}, settings
    ).provider_base_url


class TestDefaults:
    """The configuration's limits for new clients."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(defaults=Defaults(rate_limit_minute=60, budget_usd_day=Decimal(5)))

    def test_they_hold_where_none_is_named(self, settings: Settings) -> None:
        fields = new_fields({"name": "shop"}, settings)
        assert (fields.rate_limit_minute, fields.budget_usd_day) == (60, Decimal(5))

    def test_a_named_limit_wins_and_so_does_null(self, settings: Settings) -> None:
        named = {"name": "shop", "rate_limit_minute": None, "budget_usd_day": 7}
        fields = new_fields(named, settings)
        assert (fields.rate_limit_minute, fields.budget_usd_day) == (None, Decimal(7))

    def test_a_change_does_not_bring_them_back(self, settings: Settings) -> None:
        stored = new_fields({"name": "shop", "rate_limit_minute": None}, settings)
        payload = {"description": "x"}
        assert changed_fields(_stored(stored), payload, False, settings) == payload


@pytest.mark.parametrize(
    ("payload", "accepted"),
    [
        ({"provider": "openai"}, False),
        ({"provider_base_url": "https://elsewhere.example/v1"}, False),
        ({"provider_base_url": None}, False),
        ({"provider": "openai", "provider_base_url": None}, False),
        ({"provider": "openai", "provider_api_key": "sk-2"}, True),
        ({"provider_base_url": None, "provider_api_key": "sk-1"}, True),
        ({"provider": "openai", "provider_api_key": None}, True),
        ({"provider": "groq"}, True),
        ({"provider_base_url": "https://groq.example/v1", "default_model": "m"}, True),
    ],
)
def test_a_stored_key_does_not_go_to_another_host(
    settings: Settings, payload: dict[str, Any], accepted: bool
) -> None:
    named = {"name": "s", "provider": "groq", "provider_base_url": "https://groq.example/v1"}
    stored = _stored(new_fields(named, settings))
    assert changed_fields(stored, payload, False, settings).keys() == payload.keys()
    if accepted:
        assert changed_fields(stored, payload, True, settings).keys() == payload.keys()
        return
    with pytest.raises(InvalidFields) as refused:
        changed_fields(stored, payload, True, settings)
    assert refused.value.fields.keys() == {"provider_api_key"}


def test_fields_columns_and_client_have_the_same_names() -> None:
    names = set(ClientFields.model_fields)
    columns = set(ClientRow.__table__.columns.keys())
    assert {one.name for one in fields(Client)} == names | {"id"}
    assert columns == names | {"id", "created_at", "updated_at"}


def test_every_field_says_what_it_means() -> None:
    assert [name for name, one in ClientFields.model_fields.items() if not one.description] == []


def _stored(fields: ClientFields) -> dict[str, Any]:
    return {name: value for name, value in fields if name != "provider_api_key"}
