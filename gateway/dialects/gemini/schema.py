"""Schemas of the OpenAPI subset in Gemini's `parameters` and `responseSchema`, as JSON Schema."""

from typing import Any

from gateway.dialects.gemini.fields import Fields, wrong

_SCHEMAS = ("items", "additionalProperties", "not")
_LISTS_OF_SCHEMAS = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS_OF_SCHEMAS = ("properties", "defs", "$defs")
_RENAMED = {"ref": "$ref", "defs": "$defs"}
# Google's JSON words 64-bit integers as strings.
_WHOLE = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_DEEPEST = 100


def json_schema(value: Any, path: str, depth: int = 0) -> dict[str, Any]:
    """Types in lower case, `nullable` as a type. Raises BadRequest where it is no schema."""
    if depth > _DEEPEST:
        raise wrong(path, f"nested less than {_DEEPEST} deep")
    fields = Fields(value, path)
    kind = _type(fields.value("type"), fields.at("type"))
    nullable = fields.flag("nullable")
    read = {
        _RENAMED.get(name, name): _member(name, item, fields.at(name), depth + 1)
        for name, item in fields.rest().items()
    }
    if kind is not None:
        read = {"type": kind} | read
    return _nullable(read) if nullable else read


def _type(kind: Any, path: str) -> str | list[str] | None:
    if isinstance(kind, list) and all(isinstance(item, str) for item in kind):
        return [item.lower() for item in kind]
    if kind is not None and not isinstance(kind, str):
        raise wrong(path, "a string")
    return None if kind is None or kind.upper() == "TYPE_UNSPECIFIED" else kind.lower()


def _member(name: str, item: Any, path: str, depth: int) -> Any:
    if name in _MAPS_OF_SCHEMAS:
        if not isinstance(item, dict):
            raise wrong(path, "an object")
        return {key: json_schema(inner, f"{path}.{key}", depth) for key, inner in item.items()}
    if name in _LISTS_OF_SCHEMAS and isinstance(item, list):
        return [json_schema(inner, f"{path}[{at}]", depth) for at, inner in enumerate(item)]
    if name in _SCHEMAS and isinstance(item, dict):
        return json_schema(item, path, depth)
    if name in _WHOLE and isinstance(item, str) and item.isdecimal() and len(item) < 19:
        return int(item)
    return item


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema
