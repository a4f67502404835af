"""A form out of a JSON Schema, and arguments out of what was typed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.blueprints.admin.tool_form import PREFIX, WHOLE, ToolField, ToolForm, fields_of
from gateway.config import Fetch
from gateway.fetcher import Fetcher
from gateway.tools.function import FunctionTool
from gateway.tools.table import TOOLS

SCHEMA = {
    "type": "object",
    "properties": {
        "word": {"type": "string", "description": "any"},
        "count": {"type": "integer", "default": 3},
        "share": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "loud": {"type": "boolean"},
        "pace": {"enum": ["slow", "fast", 3]},
        "many": {"type": "array", "items": {"type": "string"}},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "odd": True,
    },
    "required": ["word"],
}


def read(schema: Any, **typed: str) -> tuple[dict[str, Any], dict[str, str]]:
    form = ToolForm.of(schema)
    found = form.read({PREFIX + name: text for name, text in typed.items()})
    return found, form.problems


def test_each_type_has_its_field() -> None:
    fields = fields_of(SCHEMA)
    assert fields is not None
    kinds = {one.name: one.kind for one in fields}
    assert kinds == {
        "word": "text",
        "count": "whole",
        "share": "number",
        "loud": "flag",
        "pace": "choice",
        "many": "json",
        "either": "json",
        "odd": "json",
    }
    assert fields[0] == ToolField("word", "text", True, "any")
    assert fields[1].default == "3"


def test_what_was_typed_becomes_arguments_of_their_types() -> None:
    typed = {
        "word": "a\r\nb",
        "count": " 12345678901234567890 ",
        "share": "0.5",
        "loud": "false",
        "pace": "3",
        "many": '["x"]',
        "either": '"7"',
    }
    assert read(SCHEMA, **typed) == (
        {
            "word": "a\nb",
            "count": 12345678901234567890,
            "share": 0.5,
            "loud": False,
            "pace": 3,
            "many": ["x"],
            "either": "7",
        },
        {},
    )


def test_what_is_left_empty_is_not_sent_but_for_a_text_that_must_be_there() -> None:
    assert read(SCHEMA) == ({"word": ""}, {})
    schema = {**SCHEMA, "required": ["count", "pace"]}
    assert read(schema) == ({}, {"count": "is required", "pace": "is required"})


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("count", "1.5", "should be a whole number"),
        ("count", "٣x", "should be a whole number"),
        ("share", "half", "should be a number"),
        ("pace", "medium", "should be one of those that are offered"),
        ("many", "[", "should be JSON: "),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(name: str, typed: str, told: str) -> None:
    form = ToolForm.of(SCHEMA)
    form.read({PREFIX + name: typed})
    assert form.problems[name].startswith(told)
    assert form.typed[name] == typed


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "anyOf": [{}]},
        {"type": "object", "properties": []},
        {"type": "array"},
        {"type": "object", "required": "all"},
    ],
)
def test_what_has_no_fields_is_asked_for_as_json(schema: Any) -> None:
    form = ToolForm.of(schema)
    assert form.fields is None
    assert form.read({WHOLE: '{"a": 1}'}) == {"a": 1} and not form.problems
    for typed, told in (("[1]", "should be a JSON object"), ("{", "should be JSON: ")):
        form = ToolForm.of(schema)
        form.read({WHOLE: typed})
        assert form.problems[WHOLE].startswith(told)
        assert form.typed[WHOLE] == typed


def test_every_built_in_tool_has_fields() -> None:
    for function in TOOLS:
        fields = fields_of(FunctionTool(function, Fetcher(Fetch())).definition.schema or {})
        assert fields is not None and all(one.meaning or one.name for one in fields)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "anyOf", "enum", "required", "default", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "anyOf"]), JSON), JSON)
def test_no_schema_of_a_server_breaks_the_form(schema: Any, one: Any) -> None:
    for given_schema in (schema, {"type": "object", "properties": {"x": one}}):
        form = ToolForm.of(given_schema)
        form.read({PREFIX + "x": "1", WHOLE: "1"})


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("count", "9" * 30),
        ("count", "-9223372036854775809"),
        ("share", "1e999"),
        ("share", "-" + "9" * 30),
        ("many", "[" * 254 + "]" * 254),
        ("many", "[" * 1000 + "]" * 1000),
    ],
)
def test_what_cannot_be_written_as_json_is_told_beside_its_field(name: str, typed: str) -> None:
    found, problems = read(SCHEMA, word="a", **{name: typed})
    assert found == {"word": "a"} and list(problems) == [name]
    assert problems[name] in ("is too large a number", "is nested too deeply")


def test_a_whole_text_nested_too_deeply_is_told() -> None:
    form = ToolForm.of(SCHEMA, as_json=True)
    assert form.read({WHOLE: '{"a":' * 300 + "1" + "}" * 300}) == {}
    assert form.problems == {WHOLE: "is nested too deeply"}
