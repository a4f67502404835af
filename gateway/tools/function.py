"""A plain typed function as a tool: `@tool` marks an operator's, the table names our own."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar, get_type_hints, overload
from uuid import UUID

from pydantic import BaseModel, ValidationError

from gateway import conversation
from gateway.fetcher import Fetcher
from gateway.tools.result import Outcome
from gateway.tools.schema import arguments_model, described, schema_of

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What all vendors take for a tool's name."""
_MARK = "__gateway_tool_name__"
F = TypeVar("F", bound=Callable[..., Any])


class ToolFailed(Exception):
    """To be raised by a tool: the model is told its text. Of other exceptions it is told less."""


@overload
def tool(function: F) -> F: ...


@overload
def tool(*, name: str) -> Callable[[F], F]: ...


def tool(function: F | None = None, *, name: str | None = None) -> F | Callable[[F], F]:
    """Marks a function of a module that `tools.modules` names as a tool for models."""

    def mark(marked: F) -> F:
        setattr(marked, _MARK, name or marked.__name__)
        return marked

    return mark if function is None else mark(function)


def marked_name(value: Any) -> str | None:
    """The name under which `@tool` marked a function; None for all else."""
    name = getattr(value, _MARK, None) if callable(value) else None
    return name if isinstance(name, str) else None


class FunctionTool:
    """`source`: `built-in`, or the file that it is from. An argument whose type is Fetcher is given
    by the gateway.
    """

    def __init__(
        self, function: Callable[..., Any], fetcher: Fetcher, source: str = "built-in"
    ) -> None:
        self.name = marked_name(function) or function.__name__
        self.source = source
        self._function = function
        self._fetcher = fetcher

    def check(self) -> None:
        """Raises TypeError for what cannot be a tool."""
        if not NAME.fullmatch(self.name):
            raise TypeError(f"{self.name!r} is no name for a tool: 1 to 64 letters, digits, _ or -")
        if not self.definition.description:
            raise TypeError(f"{self.name} has no docstring, from which a model learns what it does")

    @cached_property
    def definition(self) -> conversation.Tool:
        description, _ = described(self._function)
        return conversation.Tool(self.name, description, schema_of(self._model))

    def run(self, arguments: Mapping[str, Any], seconds: float) -> Outcome:
        """Raises ToolFailed for wrong arguments, and whatever the function raises."""
        try:
            checked = self._model.model_validate(arguments)
        except ValidationError as error:
            raise ToolFailed(_wrong(error)) from None
        fields = type(checked).model_fields
        values = {str(field.alias): getattr(checked, name) for name, field in fields.items()}
        return Outcome(text_of(self._function(**values, **self._given)))

    @cached_property
    def _given(self) -> dict[str, Fetcher]:
        hints = get_type_hints(self._function)
        return {name: self._fetcher for name, kind in hints.items() if kind is Fetcher}

    @cached_property
    def _model(self) -> type[BaseModel]:
        return arguments_model(self._function, frozenset(self._given))


def text_of(value: Any) -> str:
    """A text as it is, all else as JSON. Raises ToolFailed for what is neither."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise ToolFailed("The tool gave a result that is no JSON.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, date | time | Decimal | UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError


def _wrong(error: ValidationError) -> str:
    told = []
    for one in error.errors(include_url=False, include_input=False)[:10]:
        place = ".".join(map(str, one["loc"])) or "the arguments"
        kind = one["type"]
        unknown = kind == "extra_forbidden"
        told.append(f"{place}: {'there is no such argument' if unknown else one['msg']}")
    return "Wrong arguments: " + "; ".join(told)
