"""The keywords of a JSON schema: read, met by a value, and merged where two schemas must hold."""

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import orjson

Rules = dict[str, Any]

_NUMBER = (int, float)
_SCHEMA = (dict, bool)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": (bool,),
    "null": (type(None),),
}
_SOUND: Mapping[str, tuple[type, ...]] = {
    "$ref": (str,),
    "allOf": (list,),
    "anyOf": (list,),
    "oneOf": (list,),
    "not": _SCHEMA,
    "type": (str, list),
    "enum": (list,),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "multipleOf": _NUMBER,
    "minLength": (int,),
    "maxLength": (int,),
    "pattern": (str,),
    "format": (str,),
    "prefixItems": (list,),
    "items": _SCHEMA,
    "minItems": (int,),
    "maxItems": (int,),
    "uniqueItems": (bool,),
    "properties": (dict,),
    "required": (list,),
    "patternProperties": (dict,),
    "additionalProperties": _SCHEMA,
    "minProperties": (int,),
    "maxProperties": (int,),
}


def read(schema: Any) -> Rules:
    """The known keywords of a schema whose values make sense, in the words of today's drafts."""
    if not isinstance(schema, dict):
        return {}
    rules = {name: limit for name, limit in schema.items() if type(limit) in _SOUND.get(name, ())}
    if isinstance(schema.get("items"), list):
        rules |= {"prefixItems": schema["items"], "items": schema.get("additionalItems", True)}
    if "const" in schema:
        const = schema["const"]
        rules["enum"] = [const] if any(same(const, x) for x in rules.get("enum", [const])) else []
    if "required" in rules:
        rules["required"] = [name for name in rules["required"] if isinstance(name, str)]
    if "type" in rules:
        rules["type"] = _types(rules["type"])
    if rules.get("multipleOf", 1) <= 0:
        del rules["multipleOf"]
    return rules


def _types(listed: Any) -> list[str]:
    listed = [listed] if isinstance(listed, str) else listed
    known = [kind for kind in listed if isinstance(kind, str) and kind in _TYPES]
    return known or list(_TYPES)


def member(rules: Rules, place: str | int) -> Any:
    """The schema of an object's property or of an array's item."""
    if isinstance(place, int):
        first = rules.get("prefixItems", [])
        return first[place] if place < len(first) else rules.get("items", True)
    declared = rules.get("properties", {})
    if place in declared or "patternProperties" in rules:
        return declared.get(place, True)
    return rules.get("additionalProperties", True)


def same(one: Any, other: Any) -> bool:
    """Equality as JSON has it, where true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def written(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def meets(keyword: str, limit: Any, value: Any) -> bool:
    """Whether a value meets a keyword that speaks of the value alone, not of its members."""
    if keyword not in _MEETS:
        return True
    kinds, holds = _MEETS[keyword]
    return type(value) not in kinds or holds(value, limit)


def _is_type(value: Any, kinds: list[str]) -> bool:
    whole = type(value) is not float or value.is_integer()
    return any(type(value) in _TYPES[kind] and (kind != "integer" or whole) for kind in kinds)


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    # As validators divide: 0.3 is no multiple of 0.1 to most of them.
    return (value / step).is_integer()


def _is_unique(values: list[Any], wanted: bool) -> bool:
    return not wanted or len(set(map(written, values))) == len(values)


def _by_size(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, limit: compare(len(value), limit)


_ANY = (dict, list, str, int, float, bool, type(None))
_MEETS: Mapping[str, tuple[tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "type": (_ANY, _is_type),
    "enum": (_ANY, lambda value, members: any(same(value, member) for member in members)),
    "minimum": (_NUMBER, operator.ge),
    "maximum": (_NUMBER, operator.le),
    "exclusiveMinimum": (_NUMBER, operator.gt),
    "exclusiveMaximum": (_NUMBER, operator.lt),
    "multipleOf": (_NUMBER, _is_multiple),
    "minLength": ((str,), _by_size(operator.ge)),
    "maxLength": ((str,), _by_size(operator.le)),
    "minItems": ((list,), _by_size(operator.ge)),
    "maxItems": ((list,), _by_size(operator.le)),
    "uniqueItems": ((list,), _is_unique),
    "minProperties": ((dict,), _by_size(operator.ge)),
    "maxProperties": ((dict,), _by_size(operator.le)),
    "required": ((dict,), lambda value, names: all(name in value for name in names)),
}


def merged(one: Rules, other: Rules) -> Rules:
    """Rules that hold where both hold; `type` is empty where they contradict each other."""
    both = {**one, **other}
    for keyword, join in _JOINS.items():
        if keyword in one and keyword in other:
            both[keyword] = join(one[keyword], other[keyword])
    if "properties" in both:
        names = {**one.get("properties", {}), **other.get("properties", {})}
        both["properties"] = {name: _both(member(one, name), member(other, name)) for name in names}
    if "prefixItems" in both:
        length = max(len(rules.get("prefixItems", [])) for rules in (one, other))
        both["prefixItems"] = [_both(member(one, i), member(other, i)) for i in range(length)]
    return both


def _both(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    if one is True or other is True:
        return one if other is True else other
    return {"allOf": [one, other]}


def _common_types(one: list[str], other: list[str]) -> list[str]:
    wide = [*other, *(["integer"] if "number" in other else [])]
    narrow = ["integer"] if "number" in one and "integer" in other else []
    return [kind for kind in dict.fromkeys(one + narrow) if kind in wide]


def _common_multiple(one: float, other: float) -> float:
    a, b = Fraction(str(one)), Fraction(str(other))
    step = Fraction(lcm(a.numerator, b.numerator), gcd(a.denominator, b.denominator))
    return step.numerator if step.denominator == 1 else float(step)


_JOINS: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _common_types,
    "enum": lambda one, other: [x for x in one if any(same(x, y) for y in other)],
    "minimum": max,
    "maximum": min,
    "exclusiveMinimum": max,
    "exclusiveMaximum": min,
    "multipleOf": _common_multiple,
    "minLength": max,
    "maxLength": min,
    "items": _both,
    "minItems": max,
    "maxItems": min,
    "uniqueItems": operator.or_,
    "required": lambda one, other: [*dict.fromkeys(one + other)],
    "additionalProperties": _both,
    "minProperties": max,
    "maxProperties": min,
}
