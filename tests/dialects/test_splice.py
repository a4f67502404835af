"""Edits in place: what is not named stays as it came, byte for byte."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects.splice import Edits, elements, joined, members, value_of, with_value

KEYS = ("a", "b", "model", "é", 'q"', "back\\slash", "}", "", "\u2028")
STRINGS = st.sampled_from(['"', "\\", '\\"', "{[", "]}", ",:", "\n", "😀", "\x00"]) | st.text(
    max_size=5
)
NUMBERS = ["0", "-1", "1.50", "1E5", "12345678901234567890123", "-0.0", "1e-7"]


def gaps() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "", "", " ", "\n", "\t \r\n"])


@st.composite
def written(draw: st.DrawFn, text: str) -> str:
    """A JSON string in one of the many ways to write it."""
    how = draw(st.sampled_from(["plain", "ascii", "escaped"]))
    if how == "escaped":
        units = text.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)) + '"'
    return json.dumps(text, ensure_ascii=how == "ascii")


def scalars() -> st.SearchStrategy[str]:
    return st.sampled_from([*NUMBERS, "true", "false", "null"]) | STRINGS.flatmap(written)


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    items = [draw(gaps()) + draw(values) + draw(gaps()) for _ in range(draw(st.integers(0, 3)))]
    return "[" + (",".join(items) or draw(gaps())) + "]"


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    return draw(gaps()) + draw(spelt(draw(pairs(values)))) + draw(gaps())


@st.composite
def pairs(draw: st.DrawFn, values: st.SearchStrategy[str]) -> list[tuple[str, str]]:
    keys = draw(st.lists(st.sampled_from(KEYS), max_size=5))  # some of them twice
    return [(draw(written(key)), draw(values)) for key in keys]


@st.composite
def spelt(draw: st.DrawFn, found: list[tuple[str, str]]) -> str:
    items = [
        draw(gaps()) + key + draw(gaps()) + ":" + draw(gaps()) + value + draw(gaps())
        for key, value in found
    ]
    return "{" + (",".join(items) or draw(gaps())) + "}"


def values() -> st.SearchStrategy[str]:
    return st.recursive(
        scalars(),
        lambda inner: arrays(inner) | pairs(inner).flatmap(spelt),
        max_leaves=8,
    )


OBJECTS = objects(values()).map(str.encode)
REPLACEMENTS = st.dictionaries(
    st.sampled_from([*KEYS, "new"]),
    st.sampled_from([b"1", b'{"x":[]}', b'"y"', b"null"]),
    max_size=3,
)
EDITS = st.builds(
    Edits,
    REPLACEMENTS,
    st.dictionaries(
        st.sampled_from(KEYS), st.sampled_from(["max_tokens", "a", "n\u0301"]), max_size=2
    ),
    st.frozensets(st.sampled_from(KEYS), max_size=2),
)


def members_in(text: bytes) -> list[tuple[str, str]]:
    """Key and value of each member, duplicates too; a number as the text it came as."""
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=_Members)
    return [(key, repr(value)) for key, value in found]


class _Members(list[tuple[str, Any]]):
    """An object's members in their order; told apart from an array."""

    def __repr__(self) -> str:
        return f"members{super().__repr__()}"


class TestOneValue:
    @given(OBJECTS, st.sampled_from(["a", "b", "model"]))
    @example(b'{"model": "m", "b": ["model"]}', "model")
    @example(b'{"a": "ends in \\"model", "model": 1}', "model")
    @example(b'{"\\u006dodel": 2, "b": "model", "model": 1}', "model")
    @example(b'{"a": {"model": 1}, "model" :\n"m"}', "model")
    def test_is_replaced_as_edits_do_or_left_to_them(self, text: bytes, key: str) -> None:
        if key not in dict(members_in(text)):
            return
        found = with_value(text, key, b'{"x":[]}')
        if found is not None:
            edited = Edits(replace={key: b'{"x":[]}'}).apply(text)
            assert members_in(found) == members_in(edited)

    def test_leaves_the_rest_as_it_came(self) -> None:
        text = b' { "n":1.50, "model" : "a\\"}" ,"b":[ 1 ] }'
        assert with_value(text, "model", b'"z"') == b' { "n":1.50, "model" : "z" ,"b":[ 1 ] }'


class TestSpans:
    @given(OBJECTS)
    def test_hold_key_and_value(self, text: bytes) -> None:
        found = list(members(text, text.index(b"{")))
        expected = members_in(text)
        assert [(m.key, _parsed(text[m.value : m.end])) for m in found] == expected
        for member in found:
            key, _, _ = text[member.start : member.value].rpartition(b":")
            assert json.loads(key) == member.key
            assert text[member.value : member.end] == text[member.value : member.end].strip()

    @given(arrays(values()).map(str.encode))
    def test_hold_elements(self, text: bytes) -> None:
        found = [_parsed(text[start:end]) for start, end in elements(text, 0)]
        assert found == [repr(item) for item in json.loads(text, object_pairs_hook=_Members)]

    @given(arrays(values()).map(str.encode))
    def test_of_elements_can_be_joined_again(self, text: bytes) -> None:
        again = joined(text[start:end] for start, end in elements(text, 0))
        assert _parsed(again) == _parsed(text)

    @given(OBJECTS, st.sampled_from(KEYS))
    def test_of_the_last_of_the_same_name(self, text: bytes, key: str) -> None:
        value = value_of(text, key)
        expected = dict(members_in(text)).get(key)
        assert (None if value is None else _parsed(value)) == expected

    def test_of_an_object_within(self) -> None:
        text = b'{"a": {"b": 1, "c": [2]}}'
        assert value_of(text, "c", text.index(b'{"b"')) == b"[2]"


class TestEdits:
    @given(OBJECTS, EDITS)
    @example(b'{"a":1,"a":2}', Edits({"a": b"3"}))
    @example(b"{}", Edits({"a": b"3", "b": b"4"}))
    @example(b'{"a":1}', Edits(drop=frozenset("a")))
    def test_are_those_of_the_parsed_object(self, text: bytes, edits: Edits) -> None:
        kept = [
            (edits.rename.get(key, key), value)
            for key, value in members_in(text)
            if key not in edits.drop
        ]
        keys = {key for key, _ in kept}
        replace = {key: _parsed(value) for key, value in edits.replace.items()}
        added = [(key, value) for key, value in replace.items() if key not in keys]
        edited = edits.apply(text)
        assert members_in(edited) == added + [(k, replace.get(k, value)) for k, value in kept]

    @given(OBJECTS, EDITS)
    def test_leave_the_rest_as_it_came(self, text: bytes, edits: Edits) -> None:
        edited = edits.apply(text)
        touched = edits.drop | edits.rename.keys() | edits.replace.keys()
        before = [text[m.start : m.end] for m in _members(text) if m.key not in touched]
        after = iter([edited[m.start : m.end] for m in _members(edited)])
        assert all(member in after for member in before)  # in their order

    @given(OBJECTS, EDITS)
    def test_leave_valid_json(self, text: bytes, edits: Edits) -> None:
        assert isinstance(orjson.loads(edits.apply(text)), dict)

    @given(OBJECTS)
    def test_that_are_none_change_nothing(self, text: bytes) -> None:
        assert members_in(Edits().apply(text)) == members_in(text)

    def test_keep_what_a_parser_would_lose(self) -> None:
        text = (
            b'{"model":"m","seed":12345678901234567890123,"x":{"d":1,"d":2},"t":1.10,"u":"\\u00e9"}'
        )
        edited = Edits({"model": b'"n"'}, {"seed": "random_seed"}).apply(text)
        assert edited == text.replace(b'"m"', b'"n"').replace(b"seed", b"random_seed")

    def test_find_a_key_written_in_escapes(self) -> None:
        assert Edits({"model": b'"n"'}).apply(b'{"\\u006dodel":"m"}') == b'{"model":"n"}'


class TestSize:
    @pytest.mark.parametrize("unit", [b"\\n", b'\\"', b"\\\\", b"\\u00e9", b"x", b"{"])
    def test_ten_megabytes_in_one_string(self, unit: bytes) -> None:
        string = b'"' + unit * (10_000_000 // len(unit)) + b'"'
        text = b'{"messages":[{"role":"user","content":' + string + b'}],"model":"m"}'
        edited = Edits({"model": b'"n"'}).apply(text)
        assert edited == text.replace(b'"m"}', b'"n"}')

    def test_nested_as_deep_as_the_parser_goes(self) -> None:
        text = b'{"a":' + b'[{"b":' * 511 + b"1" + b"}]" * 511 + b',"c":2}'
        assert orjson.loads(text)["c"] == 2
        assert Edits({"c": b"3"}).apply(text) == text.replace(b'"c":2', b'"c":3')


def _members(text: bytes) -> list[Any]:
    return list(members(text, text.index(b"{")))


def _parsed(text: bytes) -> str:
    return repr(json.loads(text, object_pairs_hook=_Members))
