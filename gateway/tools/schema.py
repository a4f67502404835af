"""JSON Schema of a function's arguments, from its signature and docstring.

The docstring's text describes the tool; a line of it that begins with an argument's name and a
colon describes that argument, with the lines after it:

    def price(article: str, currency: Literal["EUR", "USD"] = "EUR") -> float:
        '''The current price of an article.

        article: its number, such as A-1234
        currency: what it is to be told in
        '''
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=False, protected_namespaces=())
_HEADING = re.compile(r"(Args|Arguments|Parameters):?")


def arguments_model(function: Callable[..., Any], given: frozenset[str]) -> type[BaseModel]:
    """A model whose fields are the arguments, but for those that are `given` by the gateway.

    Raises TypeError for a function whose arguments cannot be told by name and type.
    """
    hints = get_type_hints(function, include_extras=True)
    _, meanings = described(function)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in given:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{function.__name__}: {parameter} is not an argument with a name")
        if name not in hints:
            raise TypeError(f"{function.__name__}: {name} has no type")
        default = ... if parameter.default is parameter.empty else parameter.default
        # By alias, since a field may not begin with an underscore or be named like a method.
        field = Field(default, alias=name, description=meanings.get(name))
        fields[f"argument_{name}"] = (hints[name], field)
    return create_model(function.__name__, __config__=_CONFIG, **fields)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """As vendors are shown it: without the titles that pydantic makes up of names."""
    schema: dict[str, Any] = _untitled(model.model_json_schema())
    # Gemini knows no additionalProperties; the model refuses other arguments all the same.
    schema.pop("additionalProperties", None)
    schema.pop("description", None)
    schema.setdefault("properties", {})
    return schema


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """What the tool is for, and the meaning of its arguments."""
    names = set(inspect.signature(function).parameters)
    text: list[str] = []
    meanings: dict[str, str] = {}
    current: str | None = None
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        name, colon, meaning = line.strip().partition(":")
        if colon and name in names:
            current = name
            meanings[name] = meaning.strip()
        elif current is not None and line.strip():
            meanings[current] += " " + line.strip()
        elif current is None and not _HEADING.fullmatch(line.strip()):
            text.append(line)
    return "\n".join(text).strip(), meanings


def _untitled(schema: Any, is_names: bool = False) -> Any:
    """`is_names`: the members are named by the tool's author, so `title` is one of these."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _untitled(value, not is_names and name in ("properties", "$defs"))
        for name, value in schema.items()
        if is_names or name != "title"
    }
