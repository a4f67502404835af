"""JSON Schemas as Anthropic takes them: the subset for answers, and tools' schemas as they are.

The rules of the subset are those of the anthropic package's `transform_schema`: objects are
closed, and what cannot be enforced moves into the description, where the model may heed it.
"""

from typing import Any

from gateway.dialects.anthropic.arguments import text_of

_TYPES = ("string", "number", "boolean", "null")
_FORMATS = frozenset(
    {
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    }
)
_ABOUT_THE_SCHEMA = ("$schema", "$id", "$comment")
# Tools with `strict` are held to the subset, too; these are refused there.
_UNENFORCED = frozenset(
    {
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maxLength",
        "maximum",
        "minLength",
        "minimum",
        "multipleOf",
        "oneOf",
        "patternProperties",
        "prefixItems",
        "uniqueItems",
    }
)


def tool_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A tool's schema as it is; of type object, which is all that is asked of it."""
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def is_strict(schema: Any) -> bool:
    """Whether a tool's arguments can be held to this schema."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return False
    properties = schema.get("properties")
    named = properties.values() if isinstance(properties, dict) else ()
    rest = (value for name, value in schema.items() if name != "properties")
    return _UNENFORCED.isdisjoint(schema) and all(map(is_strict, (*named, *rest)))


def answer_schema(schema: Any) -> dict[str, Any]:
    """A schema within the subset that asks for the same, as far as the subset can say it."""
    if not isinstance(schema, dict):
        return {"anyOf": [{"type": name} for name in _TYPES]}
    left = {name: value for name, value in schema.items() if name not in _ABOUT_THE_SCHEMA}
    made: dict[str, Any] = {}
    for name in ("$defs", "definitions"):
        if isinstance(left.get(name), dict):
            made[name] = _each(left.pop(name))
    if "$ref" in left:
        return {**made, "$ref": left["$ref"]}
    kind = _kind(left)
    left.pop("type", None)
    if isinstance(kind, list):
        return {**made, **_one_of_types(kind, left)}
    made |= _about(left) | _shape(kind, left)
    return _with_the_rest(made, left)


def _each(schemas: dict[str, Any]) -> dict[str, Any]:
    return {name: answer_schema(schema) for name, schema in schemas.items()}


def _kind(schema: dict[str, Any]) -> Any:
    kind = schema.get("type")
    if kind is None and "properties" in schema:
        return "object"
    return "array" if kind is None and "items" in schema else kind


def _one_of_types(kinds: list[Any], left: dict[str, Any]) -> dict[str, Any]:
    """`type: [a, b]` as a choice between a and b."""
    about = _about(left)
    choices = [
        answer_schema({"type": "null"} if kind == "null" else {**left, "type": kind})
        for kind in kinds
    ]
    return about | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def _about(left: dict[str, Any]) -> dict[str, Any]:
    return {name: left.pop(name) for name in ("title", "description") if name in left}


def _shape(kind: Any, left: dict[str, Any]) -> dict[str, Any]:
    """What the subset can enforce, taken out of `left`."""
    for name, same in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if isinstance(left.get(name), list):
            return {same: [answer_schema(choice) for choice in left.pop(name)]}
    literals = {name: left.pop(name) for name in ("enum", "const") if _is_literal(name, left)}
    if kind == "object":
        return literals | _object(left)
    if kind == "array":
        return literals | _array(left)
    if kind == "string" and left.get("format") in _FORMATS:
        return literals | {"type": kind, "format": left.pop("format")}
    if kind is not None:
        return literals | {"type": kind}
    return literals or answer_schema(None)


def _is_literal(name: str, schema: dict[str, Any]) -> bool:
    if name not in schema:
        return False
    values = schema[name] if name == "enum" else [schema[name]]
    plain = isinstance(values, list) and values
    return bool(plain) and not any(isinstance(value, (dict, list)) for value in values)


def _object(left: dict[str, Any]) -> dict[str, Any]:
    properties = left.pop("properties", None)
    if left.get("additionalProperties") is False:
        del left["additionalProperties"]
    made = {
        "type": "object",
        "properties": _each(properties) if isinstance(properties, dict) else {},
        "additionalProperties": False,
    }
    return made | ({"required": left.pop("required")} if "required" in left else {})


def _array(left: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "array"}
    if isinstance(left.get("items"), dict):
        made["items"] = answer_schema(left.pop("items"))
    if left.get("minItems") in (0, 1):
        made["minItems"] = left.pop("minItems")
    return made


def _with_the_rest(made: dict[str, Any], left: dict[str, Any]) -> dict[str, Any]:
    if not left:
        return made
    rest = ", ".join(f"{name}: {_worded(value)}" for name, value in left.items())
    described = made.get("description")
    return {**made, "description": (f"{described}\n\n" if described else "") + f"{{{rest}}}"}


def _worded(value: Any) -> str:
    return value if isinstance(value, str) else text_of(value)
