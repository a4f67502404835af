"""What the demo makes up for a JSON schema, judged by jsonschema."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.providers.demo.instance import example
from gateway.providers.demo.pattern import NotSimple, matching
from gateway.providers.demo.schema import NoInstance, Steps

Schema = dict[str, Any]


def made(schema: Any, variation: int = 0) -> Any:
    return orjson.loads(example(schema, variation, Steps()))


def validate(schema: Any, instance: Any) -> None:
    judge = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    judge.validate(instance)


NODE: Schema = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
TREE: Schema = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "name": {}},
    "required": ["children"],
}
TAGGED: Schema = {
    "oneOf": [
        {"properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}},
        {"properties": {"kind": {"const": "dog"}}, "required": ["kind"]},
    ],
    "type": "object",
    "required": ["kind"],
}

SCHEMAS: dict[str, Schema] = {
    "empty": {},
    "text": {"type": "string", "minLength": 3, "maxLength": 5},
    "long text": {"type": "string", "minLength": 300},
    "no text": {"type": "string", "maxLength": 0},
    "date": {"type": "string", "format": "date"},
    "date-time": {"type": "string", "format": "date-time"},
    "email": {"type": "string", "format": "email"},
    "uri": {"type": "string", "format": "uri"},
    "uuid": {"type": "string", "format": "uuid"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "unknown format": {"type": "string", "format": "colour"},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{2}-\d{3,}$", "minLength": 8},
    "integer": {"type": "integer", "minimum": 7, "maximum": 7},
    "exclusive": {"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": -1},
    "fraction": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 50},
    "half steps": {"type": "integer", "multipleOf": 1.5, "minimum": 4},
    "cents": {"type": "number", "multipleOf": 0.01, "minimum": 0.28},
    "far": {"type": "number", "maximum": -1e30},
    "very far": {"type": "integer", "minimum": 1e300},
    "enum": {"enum": ["red", "green"]},
    "typed enum": {"type": "integer", "enum": ["red", 5]},
    "const": {"const": {"a": [1, None]}},
    "null const": {"const": None},
    "nullable": {"type": ["null", "string"]},
    "only null": {"type": "null"},
    "nested": {
        "type": "object",
        "properties": {
            "user": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"],
            },
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
        },
        "required": ["user", "tags"],
        "additionalProperties": False,
    },
    "required but not declared": {"type": "object", "required": ["a", "b"]},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    "few properties": {"properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
    "tuple": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "short tuple": {"prefixItems": [{"const": 1}, {"const": 2}], "maxItems": 1, "type": "array"},
    "unique": {
        "type": "array",
        "items": {"enum": ["a", "b", "c"]},
        "minItems": 3,
        "uniqueItems": True,
    },
    "unique texts": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 9,
        "uniqueItems": True,
    },
    "no items": {"type": "array", "items": False},
    "anyOf": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer"}]},
    "anyOf beside": {"type": "integer", "anyOf": [{"type": "string"}, {"minimum": 40}]},
    "allOf": {
        "allOf": [
            {"type": "object", "properties": {"a": {"minimum": 3}}, "required": ["a"]},
            {"properties": {"a": {"type": "integer", "maximum": 3}, "b": {"type": "string"}}},
        ]
    },
    "allOf closed": {
        "allOf": [
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
            {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
        ]
    },
    "oneOf": {"oneOf": [{"multipleOf": 5}, {"multipleOf": 3}], "type": "integer", "minimum": 15},
    "oneOf, the first contains the second": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    "tagged": TAGGED,
    "not": {"type": "integer", "not": {"enum": [1, 2]}},
    "list": NODE,
    "tree": TREE,
    "definitions": {
        "definitions": {"a/b": {"type": "string", "maxLength": 2}},
        "properties": {"x": {"$ref": "#/definitions/a~1b"}},
        "required": ["x"],
    },
    "reference with neighbours": {
        "$defs": {"n": {"type": "integer", "minimum": 2}},
        "$ref": "#/$defs/n",
        "minimum": 9,
    },
    "the same reference twice": {
        "$defs": {"p": {"properties": {"x": {"type": "number"}}, "required": ["x"]}},
        "allOf": [{"$ref": "#/$defs/p"}, {"type": "object", "allOf": [{"$ref": "#/$defs/p"}]}],
    },
}


@pytest.mark.parametrize("variation", [0, 1, 7])
@pytest.mark.parametrize("name", SCHEMAS)
def test_it_fits(name: str, variation: int) -> None:
    validate(SCHEMAS[name], made(SCHEMAS[name], variation))


def test_it_is_the_same_each_time_and_varies_on_demand() -> None:
    assert example(SCHEMAS["nested"], 0, Steps()) == example(SCHEMAS["nested"], 0, Steps())
    assert made(SCHEMAS["nested"], 0) != made(SCHEMAS["nested"], 1)


def test_recursion_ends_soon() -> None:
    assert made(NODE) == {"value": 1, "next": None}
    assert made(TREE)["children"] == [{"children": [], "name": "demo name"}]


def test_a_property_lends_its_name_to_its_text() -> None:
    assert made({"properties": {"city": {"type": "string"}}})["city"] == "demo city"


IMPOSSIBLE: list[Schema] = [
    {"enum": []},
    {"type": "integer", "enum": ["a"]},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
    {"type": "integer", "minimum": 3, "maximum": 2},
    {"type": "array", "minItems": 3, "items": {"const": 1}, "uniqueItems": True},
    {"required": ["a"], "properties": {"a": {"anyOf": []}}},
    {"$ref": "#/$defs/missing"},
    {"$ref": "https://example.com/schema"},
    {"$ref": "#"},
    {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]},
    {"type": "string", "minLength": 10**9},
    {"type": "array", "minItems": 10**9},
    {"type": "object", "minProperties": 10**9},
]


@pytest.mark.parametrize("schema", IMPOSSIBLE, ids=json.dumps)
def test_what_cannot_be_is_refused(schema: Schema) -> None:
    with pytest.raises(NoInstance):
        example(schema, 0, Steps())


def test_alternatives_that_multiply_are_given_up() -> None:
    maze = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(40)}
    with pytest.raises(NoInstance):
        example({"$defs": {**maze, "d40": False}, "$ref": "#/$defs/d0"}, 0, Steps())


def test_optional_things_that_multiply_stay_away() -> None:
    names = [f"d{n}" for n in range(30)]
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in names}
    schema: Schema = {"$defs": {name: {"properties": properties} for name in names}}
    schema |= {"type": "object", "properties": properties, "required": names}
    validate(schema, made(schema))


def scalars() -> st.SearchStrategy[Any]:
    return st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5)


@st.composite
def texts(draw: st.DrawFn) -> Schema:
    least = draw(st.integers(0, 30))
    most = least + draw(st.integers(0, 30))
    return {"type": "string", "minLength": least, "maxLength": most}


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    kind = draw(st.sampled_from(["integer", "number"]))
    step = draw(st.sampled_from([1, 2, 7, 100]))
    low = draw(st.integers(-10_000, 10_000))
    high = low + step + draw(st.integers(1, 1_000))
    lower = draw(st.sampled_from(["minimum", "exclusiveMinimum"]))
    bounds = {lower: low, "maximum": high}
    chosen = draw(st.sets(st.sampled_from([*bounds, "multipleOf"])))
    rules = {**bounds, "multipleOf": step}
    return {"type": kind, **{name: rules[name] for name in sorted(chosen)}}


def leaves() -> st.SearchStrategy[Any]:
    enums = st.lists(scalars(), min_size=1, max_size=4).map(lambda members: {"enum": members})
    kinds = st.sampled_from([{"type": "boolean"}, {"type": "null"}, {}, True])
    formats = st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "ipv6", "uri"])
    dated = formats.map(lambda name: {"type": ["string", "null"], "format": name})
    return texts() | numbers() | enums | kinds | dated


@st.composite
def objects(draw: st.DrawFn, children: st.SearchStrategy[Any]) -> Schema:
    properties = draw(st.dictionaries(st.text(max_size=4), children, max_size=4))
    names = sorted(properties)
    required = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    schema: Schema = {"type": "object", "properties": properties, "required": required}
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(children | st.just(False))
    return schema


@st.composite
def arrays(draw: st.DrawFn, children: st.SearchStrategy[Any]) -> Schema:
    least = draw(st.integers(0, 3))
    schema: Schema = {"type": "array", "minItems": least, "items": draw(children)}
    if draw(st.booleans()):
        schema["maxItems"] = least + draw(st.integers(0, 3))
    if draw(st.booleans()):
        schema["prefixItems"] = draw(st.lists(children, max_size=3))
    return schema


def combined(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(children, min_size=1, max_size=3)
    tags = several.map(
        lambda parts: {
            "oneOf": [
                {"properties": {"tag": {"const": n}, "it": part}, "required": ["tag"]}
                for n, part in enumerate(parts)
            ],
            "type": "object",
        }
    )
    some = several.map(lambda parts: {"anyOf": parts})
    both = st.tuples(objects(children), st.just({"type": "object"}))
    return some | tags | both.map(lambda parts: {"allOf": list(parts)})


def schemas() -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves(), lambda inner: objects(inner) | arrays(inner) | combined(inner), max_leaves=12
    )


@settings(deadline=None)
@given(schemas(), st.integers(0, 8))
def test_it_fits_whatever_is_asked(schema: Any, variation: int) -> None:
    validate(schema, made(schema, variation))


@settings(deadline=None)
@given(schemas())
def test_it_fits_through_references(schema: Any) -> None:
    wrapped = {
        "$defs": {"inner": schema, "outer": {"items": {"$ref": "#/$defs/inner"}, "minItems": 2}},
        "properties": {"a": {"$ref": "#/$defs/inner"}, "b": {"$ref": "#/$defs/outer"}},
        "required": ["a", "b"],
        "type": "object",
    }
    validate(wrapped, made(wrapped))


JSON = st.recursive(
    scalars() | st.floats(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=3,
)
KEYWORDS = st.sampled_from(
    "$ref allOf anyOf oneOf not type enum const minimum maximum multipleOf minLength maxLength"
    " pattern format items prefixItems minItems uniqueItems properties required"
    " additionalProperties minProperties maxProperties $defs".split()
)


def nonsense(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(KEYWORDS, inner | st.lists(inner, max_size=3), max_size=5)


@settings(deadline=None)
@given(st.recursive(JSON, nonsense, max_leaves=8))
def test_nonsense_gets_an_instance_or_a_refusal(schema: Any) -> None:
    try:
        orjson.loads(example(schema, 1, Steps()))
    except NoInstance as error:
        assert str(error)


PATTERNS = [
    r"^[A-Z]{2}\d{4}$",
    r"^(\+\d{1,3})?\s?\d{3}-\d{4}$",
    r"^#[0-9a-fA-F]{6}$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    r"^(?:red|green|blue)$",
    r"(?P<year>\d{4})|x",
    r"^\w+(-\w+)*$",
    r"^[\w.-]+$",
    r"^[a\-z\]]{3}$",
    r"^\u0041\x42\.\\$",
    r"^\D\W\S$",
    r".{5,7}",
    r"a*?b+?c??",
    r"",
    r"^$",
]


@pytest.mark.parametrize("variation", [0, 1, 5])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_matches_its_pattern(pattern: str, variation: int) -> None:
    assert re.search(pattern, matching(pattern, 0, variation))


@pytest.mark.parametrize("pattern", [r"^[a-z]+$", r"^a?b*c$", r"^(ab)+$", r"^x{2,}y{1,3}$"])
def test_a_pattern_is_stretched_to_a_length(pattern: str) -> None:
    text = matching(pattern, 12, 0)
    assert re.search(pattern, text) and len(text) >= 12


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?=a)b",
        r"\bword",
        r"\p{L}",
        r"(a)\1",
        "[a",
        "(a",
        "a)",
        "*a",
        "a{",
        "\\",
        "[]",
        "x" * 2000,
        "((a{999}){999}){999}",
    ],
)
def test_what_is_not_simple_is_not_read(pattern: str) -> None:
    with pytest.raises(NotSimple):
        matching(pattern, 0, 0)


def test_a_pattern_that_is_not_simple_gets_plain_words() -> None:
    schema = {"type": "string", "pattern": r"^(?=.*\d)\w+$", "minLength": 4, "maxLength": 40}
    assert 4 <= len(made(schema)) <= 40


@settings(deadline=None)
@given(st.text(alphabet=r"ab09[]{}()|*+?^$.\dwsDWSux,-:<>=!", max_size=30))
def test_any_pattern_is_read_or_refused(pattern: str) -> None:
    try:
        matching(pattern, 5, 3)
    except NotSimple:
        pass
