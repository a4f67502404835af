"""A client's fields as options of a command."""

import sys
from functools import cached_property
from typing import Any

import click

from gateway.store.client_fields import ClientFields

METAVARS = {"integer": "N|none", "number": "USD|none"}


class FieldsCommand(click.Command):
    """Has an option for each field; they are made when the command is run."""

    @cached_property
    def options(self) -> list[click.Parameter]:
        return [_option(name, schema) for name, schema in _schemas().items() if name != "name"]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        name, *rest = super().get_params(ctx)
        return [name, *self.options, *rest]


def _schemas() -> dict[str, dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = ClientFields.model_json_schema()["properties"]
    return schemas


def _option(name: str, schema: dict[str, Any]) -> click.Option:
    flags, text = _flags(name), schema["description"]
    kind = _kind(schema)
    if kind == "boolean":
        default = "yes" if schema["default"] else "no"
        both = f"{flags[0]}/--no-{flags[0][2:]}"
        return click.Option([both, name], default=None, help=f"{text} [default: {default}]")
    if kind in ("array", "object"):
        metavar = "TEXT" if kind == "array" else "ALIAS=TARGET"
        return click.Option([*flags, name], multiple=True, metavar=metavar, help=f"{text}; repeat")
    choice = click.Choice(schema["enum"]) if "enum" in schema else None
    return click.Option([*flags, name], type=choice, metavar=METAVARS.get(kind), help=text)


def _kind(schema: dict[str, Any]) -> str:
    """`integer` for {"anyOf": [{"type": "integer"}, {"type": "null"}]}."""
    return _kind(schema["anyOf"][0]) if "anyOf" in schema else str(schema["type"])


def payload_of(given: dict[str, Any]) -> dict[str, Any]:
    """What was given, as ClientFields takes it."""
    schemas = _schemas()
    return {
        name: _value(_kind(schemas[name]), name, value)
        for name, value in given.items()
        if value is not None and value != ()
    }


def _value(kind: str, name: str, value: Any) -> Any:
    if kind == "object":
        return dict(_pair(item) for item in value)
    if kind == "array":
        return list(value)
    if kind in METAVARS and value == "none":
        return None
    if kind == "integer":
        return _number(value)
    if name == "provider_api_key" and value == "-":
        return _secret()
    return value


def _number(text: str) -> int | str:
    """What is no number stays as it is, to be refused by name with all else that is wrong."""
    try:
        return int(text)
    except ValueError:
        return text


def _pair(item: str) -> tuple[str, str]:
    alias, sign, target = item.partition("=")
    if not sign:
        raise click.UsageError(f"{flag('model_aliases')}: should be ALIAS=TARGET, not {item!r}")
    return alias, target


def _secret() -> str:
    """From a prompt, or the first line of standard input: not for others to see in `ps`."""
    if sys.stdin.isatty():
        return str(click.prompt("Provider API key", hide_input=True))
    return sys.stdin.readline().strip()


def flag(name: str) -> str:
    """How a field that is wrong is called where it is typed."""
    return "NAME" if name == "name" else _flags(name)[-1]


def _flags(name: str) -> list[str]:
    """`--provider-api-key` and, shorter, `--api-key`."""
    short = name.removeprefix("provider_").removeprefix("default_")
    return [f"--{word.replace('_', '-')}" for word in dict.fromkeys((name, short))]
