"""The fields of a client: name, rule, default and meaning, once, for API, form and command."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from gateway.config import MOST_BUDGET, PROVIDER_IDS, Settings
from gateway.errors import InvalidFields

READ_ONLY = ("id", "has_provider_api_key", "api_key_hint", "created_at", "updated_at")
NEED_BASE_URL = ("azure-openai", "openai-compatible")


def _printable(value: str) -> str:
    if any(unicodedata.category(character)[0] == "C" for character in value):
        raise ValueError("should not contain control characters")
    return value


def _storable(value: str) -> str:
    """PostgreSQL keeps no NUL."""
    if "\0" in value:
        raise ValueError("should not contain NUL")
    return value


def _empty_is_null(value: Any) -> Any:
    return None if value == "" else value


def _known_provider(value: str) -> str:
    if value not in PROVIDER_IDS:
        raise ValueError(f"should be one of {', '.join(PROVIDER_IDS)}")
    return value


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", value, re.IGNORECASE) or not _has_plain_host(value):
        raise ValueError("should be an http:// or https:// address without user, query or fragment")
    return value


def _has_plain_host(value: str) -> bool:
    try:
        parts = urlsplit(value)
        plain = "@" not in parts.netloc and not re.search(r"[?#\\]", value)
        return plain and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _key_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,12}", value):
        raise ValueError("should be 1 to 12 letters, digits, _ or -")
    return value


def _header_text(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not re.fullmatch(r"[!-~]{1,4000}", text):
        raise ValueError("should be 1 to 4000 ASCII characters without blanks; null takes it away")
    return SecretStr(text)


def _model_alias(value: str) -> str:
    if "*" in value[:-1]:
        raise ValueError("should have a * at its end only")
    return value


def _moment(value: Any) -> Any:
    if isinstance(value, datetime) or value is None:
        return value
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("should be a date and time with its zone: 2030-01-31T12:00:00Z") from None


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("should be a number")
    return value


def _line(max_length: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=max_length)


Name = Annotated[str, _line(100), AfterValidator(_printable)]
Word = Annotated[str, _line(255), AfterValidator(_printable)]
Words = Annotated[list[Word], Field(max_length=1000)]
Prose = Annotated[str, Field(max_length=100_000), AfterValidator(_storable)]
Address = Annotated[str, Field(max_length=1000), AfterValidator(_web_address)]
Aliases = Annotated[
    dict[Annotated[Word, AfterValidator(_model_alias)], Word], Field(max_length=1000)
]
Limit = Annotated[StrictInt, Field(ge=1, le=10**15)]
Dollars = Annotated[
    Decimal, BeforeValidator(_no_truth), Field(ge=0, le=MOST_BUDGET, decimal_places=6)
]
EmptyIsNull = BeforeValidator(_empty_is_null)


class ClientFields(BaseModel):
    """All that may be set. Only `name` is required; null, where allowed, means none or no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name = Field(description="its name, unique among clients")
    description: Prose = Field("", description="what it is for")
    is_active: StrictBool = Field(True, description="whether its key is accepted")
    key_prefix: Annotated[str, AfterValidator(_key_prefix)] = Field(
        "gm_", description="how its next key begins: gm_, sk-, sk-ant- or another"
    )
    provider: Annotated[str, AfterValidator(_known_provider)] = Field(
        "demo", description="where its calls go"
    )
    provider_api_key: Annotated[SecretStr, AfterValidator(_header_text)] | None = Field(
        None, description="its own key at that provider; kept encrypted, never shown"
    )
    provider_base_url: Annotated[Address | None, EmptyIsNull] = Field(
        None, description="its own address of that provider; null is the usual one"
    )
    provider_api_version: Annotated[Word | None, EmptyIsNull] = Field(
        None, description="the provider's API version, where one is wanted (azure-openai)"
    )
    default_model: Annotated[Word | None, EmptyIsNull] = Field(
        None, description="the model of calls that name none"
    )
    allowed_models: Words = Field([], description="the models it may use; none listed means all")
    model_aliases: Aliases = Field(
        {}, description="other names for models: alias to target; an alias may end in *"
    )
    fallback_models: Words = Field([], description="models to try, in order, when a call fails")
    system_prompt: Annotated[Prose | None, EmptyIsNull] = Field(
        None, description="instructions put before those of each call"
    )
    tool_mode: Literal["pass-through", "gateway"] = Field(
        "pass-through", description="who runs tools: the client, or the gateway"
    )
    server_tools: Words = Field([], description="tools the gateway runs for it; * is all of them")
    strict_params: StrictBool = Field(
        False, description="refuse parameters that the provider does not know, not drop them"
    )
    allow_unpriced: StrictBool = Field(
        False, description="under a budget, allow models whose price is unknown"
    )
    rate_limit_minute: Limit | None = Field(None, description="requests a minute")
    rate_limit_hour: Limit | None = Field(None, description="requests an hour")
    rate_limit_day: Limit | None = Field(None, description="requests a day")
    tokens_per_minute: Limit | None = Field(None, description="tokens a minute, in and out")
    max_concurrent: Limit | None = Field(None, description="calls at the same time")
    quota_requests_day: Limit | None = Field(None, description="quota of requests a day (UTC)")
    quota_input_tokens_day: Limit | None = Field(None, description="quota of input tokens a day")
    quota_output_tokens_day: Limit | None = Field(None, description="quota of output tokens a day")
    max_input_tokens: Limit | None = Field(None, description="input tokens of one call")
    max_output_tokens: Limit | None = Field(None, description="output tokens of one call")
    budget_usd_day: Dollars | None = Field(None, description="US dollars a day")
    budget_usd_month: Dollars | None = Field(None, description="US dollars a month")
    log_bodies: Literal["off", "redacted", "full"] = Field(
        "off",
        description="keep bodies: full without credentials, redacted without texts, too",
    )
    expires_at: Annotated[datetime | None, BeforeValidator(_moment), EmptyIsNull] = Field(
        None, description="from when its key is refused, with zone: 2030-01-31T12:00:00Z"
    )


def new_fields(payload: Mapping[str, Any], settings: Settings) -> ClientFields:
    """The fields of a new client, limits not named taken from the settings; or InvalidFields."""
    defaults = settings.defaults.model_dump(exclude_none=True)
    return _checked({**defaults, **payload}, settings)


def changed_fields(
    stored: Mapping[str, Any], payload: Mapping[str, Any], has_key: bool, settings: Settings
) -> dict[str, Any]:
    """The values of the fields that `payload` names, fit to go with the rest; or InvalidFields."""
    fields = _checked({**stored, **payload}, settings)
    if has_key and "provider_api_key" not in payload:
        _check_stays(fields, stored)
    return {name: getattr(fields, name) for name in payload}


def fields_with_key_of(
    stored: Mapping[str, Any], payload: Mapping[str, Any], settings: Settings
) -> ClientFields:
    """The fields of a new client that takes its key from the stored one; or InvalidFields."""
    fields = new_fields(payload, settings)
    _check_stays(fields, stored)
    return fields


def _check_stays(fields: ClientFields, stored: Mapping[str, Any]) -> None:
    places = ("provider", "provider_base_url")
    if moved := [name for name in places if getattr(fields, name) != stored[name]]:
        why = f"is needed again when {' and '.join(moved)} changes: no key goes to another host"
        raise InvalidFields({"provider_api_key": why})


def _checked(values: Mapping[str, Any], settings: Settings) -> ClientFields:
    try:
        fields = ClientFields.model_validate(values)
    except ValidationError as error:
        raise InvalidFields(
            _reasons(error.errors(include_url=False, include_input=False))
        ) from None
    configured = settings.providers.get(fields.provider)
    lacks_address = not fields.provider_base_url and not (configured and configured.base_url)
    if fields.provider in NEED_BASE_URL and lacks_address:
        raise InvalidFields({"provider_base_url": f"is required for {fields.provider}"})
    return fields


def _reasons(errors: Collection[ErrorDetails]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for error in errors:
        name, *place = error["loc"]
        reasons.setdefault(str(name), _reason(error, place))
    return reasons


def _reason(error: ErrorDetails, place: list[int | str]) -> str:
    name = error["loc"][0]
    if name == "model_aliases" and error["type"] == "string_too_short":
        return _half_a_pair(place)
    if error["type"] == "extra_forbidden":
        return "cannot be set" if name in READ_ONLY else "is not a field of a client"
    if error["type"] == "missing":
        return "is required"
    why = re.sub(
        r"^(Value error, |(Input|String|Decimal input|List|Dictionary) (?=should))",
        "",
        error["msg"],
    )
    return f"{_ordinal(place[0])} {why}" if place else why


def _half_a_pair(place: list[int | str]) -> str:
    if place[-1] == "[key]":
        return "should have a name before each target: alias = target"
    return f"should say what {_ordinal(place[0])} stands for: alias = target"


def _ordinal(place: int | str) -> str:
    return f"item {place + 1}" if isinstance(place, int) else f"{place[:60]!r}"
