"""A client's fields as a form: how each is asked for, and how what was typed becomes its value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.store.client_fields import ClientFields

KINDS = ("text", "secret", "prose", "lines", "pairs", "number", "money", "flag", "choice", "moment")
SEALED, WITHOUT = "sealed_provider_api_key", "without_provider_api_key"
LIKE = "like"
"""Of a duplicate: the id of the client that it begins as."""


@dataclass(frozen=True, slots=True)
class FormField:
    """`kind` of KINDS; a `choice` is one of `choices`; `wide`: it takes the whole line.

    `help` stands in for the field's own description, where that is worded for programs or says
    no more than the label.
    """

    name: str
    label: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    wide: bool = False
    help: str | None = None

    @property
    def meaning(self) -> str:
        if self.help is not None:
            return self.help
        text = ClientFields.model_fields[self.name].description or ""
        return f"{text[:1].upper()}{text[1:]}."

    @property
    def required(self) -> bool:
        return ClientFields.model_fields[self.name].is_required()

    def read(self, typed: str) -> Any:
        """The value for ClientFields, which also judges what cannot be one."""
        if self.kind == "prose":
            return typed.replace("\r\n", "\n")
        text = typed.strip()
        if self.kind in ("number", "money"):
            return _number(text, Decimal if self.kind == "money" else int)
        if self.kind == "lines":
            return _lines(text)
        if self.kind == "pairs":
            return dict(_pair(line) for line in _lines(text))
        if self.kind == "moment":
            return f"{text}Z" if text else None
        return text == "on" if self.kind == "flag" else text

    def typed(self, value: Any) -> str:
        """A value as it would have been typed."""
        if value is None:
            return ""
        if self.kind == "lines":
            return "\n".join(value)
        if self.kind == "pairs":
            return "\n".join(f"{alias} = {target}" for alias, target in value.items())
        if self.kind == "flag":
            return "on" if value else ""
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    hint: str
    fields: tuple[FormField, ...]


GROUPS = (
    Group(
        "Client",
        "",
        (
            FormField("name", "Name"),
            FormField("key_prefix", "Key prefix"),
            FormField("description", "Description", "prose", wide=True),
            FormField("is_active", "Active", "flag"),
            FormField("expires_at", "Expires at (UTC)", "moment", help="Empty means never."),
        ),
    ),
    Group(
        "Provider",
        "",
        (
            FormField("provider", "Provider", "choice"),
            FormField(
                "provider_api_key",
                "Provider's API key",
                "secret",
                help="Kept encrypted, never shown.",
            ),
            FormField("provider_base_url", "Base URL", help=""),
            FormField(
                "provider_api_version",
                "API version",
                help="Azure OpenAI alone wants one (YYYY-MM-DD), or none for its /openai/v1.",
            ),
        ),
    ),
    Group(
        "Models",
        "One a line.",
        (
            FormField("default_model", "Default model"),
            FormField("allowed_models", "Allowed models", "lines"),
            FormField("model_aliases", "Aliases (alias = target)", "pairs"),
            FormField("fallback_models", "Fallbacks", "lines"),
        ),
    ),
    Group(
        "Behaviour",
        "",
        (
            FormField("system_prompt", "System prompt", "prose", wide=True),
            FormField("tool_mode", "Tools", "choice", ("pass-through", "gateway")),
            FormField("log_bodies", "Keep bodies", "choice", ("off", "redacted", "full")),
            FormField("server_tools", "The gateway's tools (one a line)", "lines", wide=True),
            FormField("strict_params", "Strict parameters", "flag"),
        ),
    ),
    Group(
        "Rates",
        "Empty means no limit.",
        (
            FormField("rate_limit_minute", "Requests a minute", "number", help=""),
            FormField("rate_limit_hour", "Requests an hour", "number", help=""),
            FormField("rate_limit_day", "Requests a day", "number", help=""),
            FormField("tokens_per_minute", "Tokens a minute", "number"),
            FormField("max_concurrent", "Calls at once", "number", help=""),
        ),
    ),
    Group(
        "Quotas and budgets",
        "Empty means no limit. Days and months are those of UTC.",
        (
            FormField("quota_requests_day", "Requests a day", "number", help=""),
            FormField("quota_input_tokens_day", "Input tokens a day", "number", help=""),
            FormField("quota_output_tokens_day", "Output tokens a day", "number", help=""),
            FormField("max_input_tokens", "Input tokens of one call", "number", help=""),
            FormField("max_output_tokens", "Output tokens of one call", "number", help=""),
            FormField("budget_usd_day", "Dollars a day", "money", help=""),
            FormField("budget_usd_month", "Dollars a month", "money", help=""),
            FormField("allow_unpriced", "Allow models without a price", "flag"),
        ),
    ),
)
FIELDS = {one.name: one for group in GROUPS for one in group.fields}
PLAIN = tuple(name for name in FIELDS if name != "provider_api_key")


@dataclass(slots=True)
class ClientForm:
    """What stands in each field, and why it cannot stay so. The key is kept apart, and sealed."""

    typed: dict[str, str]
    sealed: str = ""
    without_key: bool = False
    problems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "ClientForm":
        return cls({name: FIELDS[name].typed(values.get(name)) for name in PLAIN})

    @classmethod
    def sent(cls, form: Mapping[str, str]) -> "ClientForm":
        typed = {name: form.get(name, "") for name in PLAIN}
        return cls(typed, without_key=form.get(WITHOUT) == "on")

    def payload(self, key: str | None) -> dict[str, Any]:
        """The values for ClientFields, which say what is wrong with them."""
        values = {name: FIELDS[name].read(text) for name, text in self.typed.items()}
        if key:
            values["provider_api_key"] = key
        elif self.without_key:
            values["provider_api_key"] = None
        return values

    @property
    def listed(self) -> list[FormField]:
        """The fields with a problem, from the top."""
        return [one for name, one in FIELDS.items() if name in self.problems]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _pair(line: str) -> tuple[str, str]:
    alias, _, target = line.partition("=")
    return alias.strip(), target.strip()


def _number(text: str, kind: type) -> Any:
    """None for nothing; what is no number stays a text, which is refused as such."""
    plain = re.sub(r"[,_\s]", "", text)
    if not plain:
        return None
    whole = r"-?[0-9]{1,20}"
    fits = re.fullmatch(whole if kind is int else rf"{whole}(\.[0-9]{{0,20}})?", plain)
    return kind(plain) if fits else text
