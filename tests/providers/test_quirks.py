"""A question's edits for a vendor that differs: what is not named goes up as it came."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai import read_request
from gateway.errors import BadRequest
from gateway.providers.quirks import NO_QUIRKS, Draft, Quirks

RAW = b"""{ "messages": [{"role": "user", "content": "caf\\u00e9"}, {"role": "developer"}],
 "seed": 12345678901234567, "user": "me", "big": 1234567890123456789012, "t": 1.10,
 "tools": [{"type": "function", "function": {"name": "f"}}], "x": {"d": 1, "d": 2} }"""
UNTOUCHED = (b'"big": 1234567890123456789012', b'"t": 1.10', b'"x": {"d": 1, "d": 2}')


def adapted(quirks: Quirks, raw: bytes = RAW) -> Draft:
    draft = Draft(read_request(raw))
    draft.adapt(quirks, "Vendor")
    return draft


def sent(quirks: Quirks, raw: bytes = RAW) -> dict[str, Any]:
    """The members that differ from what came; None for one that is gone."""
    text = adapted(quirks, raw).text()
    before, after = orjson.loads(raw), orjson.loads(text)
    assert all(part in text for part in UNTOUCHED if part in raw)
    return {
        name: after.get(name)
        for name in before | after
        if before.get(name) != after.get(name) or (name in before) != (name in after)
    }


def question(**members: Any) -> bytes:
    return orjson.dumps({"messages": [{"role": "user", "content": "Hello"}], **members})


def test_without_quirks_the_very_bytes_go_up() -> None:
    draft = adapted(NO_QUIRKS)
    assert draft.text() is draft.request.raw


class TestNames:
    def test_are_changed(self) -> None:
        assert sent(Quirks(rename={"seed": "random_seed", "n": "count"})) == {
            "seed": None,
            "random_seed": 12345678901234567,
        }

    @pytest.mark.parametrize(
        ("given", "arrives"),
        [
            ({"old": 1, "new": 2}, {"new": 1}),
            ({"new": 2, "old": 1}, {"new": 1}),
            ({"old": None, "new": 2}, {"new": 2}),
            ({"old": 1, "new": None}, {"new": 1}),
            ({"old": None}, {"new": None}),
            ({"new": 2}, {"new": 2}),
        ],
    )
    def test_are_not_given_twice(self, given: dict[str, Any], arrives: dict[str, Any]) -> None:
        text = adapted(Quirks(rename={"old": "new"}), question(**given)).text()
        assert text.count(b'"new"') == 1
        body = orjson.loads(text)
        assert {name: body[name] for name in body if name != "messages"} == arrives

    def test_are_changed_before_a_value_is_set(self) -> None:
        draft = adapted(Quirks(rename={"old": "new"}), question(old=5))
        draft.set("old", 3)
        assert orjson.loads(draft.text())["new"] == 3


class TestHints:
    def test_are_left_out_and_named_in_order(self) -> None:
        draft = adapted(Quirks(drop=frozenset({"user", "t", "seed", "absent"})))
        assert draft.hints == ["seed", "t", "user"]
        assert not {"seed", "t", "user"} & orjson.loads(draft.text()).keys()

    def test_are_not_named_where_they_are_null(self) -> None:
        draft = adapted(Quirks(drop=frozenset({"user"})), question(user=None))
        assert (draft.hints, "user" in orjson.loads(draft.text())) == ([], False)

    def test_are_not_named_where_they_are_needless(self) -> None:
        quirks = Quirks(needless=frozenset({"user", "absent"}))
        assert sent(quirks) == {"user": None}
        assert adapted(quirks).hints == []


class TestWhatChangesTheMeaning:
    @pytest.mark.parametrize("value", [2, 5])
    def test_is_refused_by_name(self, value: int) -> None:
        with pytest.raises(BadRequest) as caught:
            adapted(Quirks(only={"n": (1,)}), question(n=value))
        assert (caught.value.param, caught.value.code) == ("n", "unsupported_parameter")
        assert "Vendor" in caught.value.message

    @pytest.mark.parametrize("value", [1, None])
    def test_is_left_out_where_it_changes_nothing(self, value: int | None) -> None:
        assert sent(Quirks(only={"n": (1,)}), question(n=value)) == {"n": None}

    def test_may_have_no_harmless_value(self) -> None:
        with pytest.raises(BadRequest):
            adapted(Quirks(only={"audio": ()}), question(audio={}))


class TestWords:
    QUIRKS = Quirks(words={"effort": {"low": "high", "auto": None}})

    @pytest.mark.parametrize(("word", "arrives"), [("low", {"effort": "high"}), ("high", {})])
    def test_are_changed(self, word: str, arrives: dict[str, Any]) -> None:
        assert sent(self.QUIRKS, question(effort=word)) == arrives

    def test_may_be_left_out(self) -> None:
        assert sent(self.QUIRKS, question(effort="auto")) == {"effort": None}

    @pytest.mark.parametrize("odd", [1, None, ["low"], {"low": 1}])
    def test_are_words_alone(self, odd: Any) -> None:
        assert sent(self.QUIRKS, question(effort=odd)) == {}


class TestItems:
    def test_change_their_role(self) -> None:
        text = adapted(Quirks(roles={"developer": "system"})).text()
        assert [m["role"] for m in orjson.loads(text)["messages"]] == ["user", "system"]
        assert b'{"role": "user", "content": "caf\\u00e9"}' in text

    def test_are_changed_by_a_hook(self) -> None:
        def named(tool: dict[str, Any], text: bytes) -> dict[str, bytes | None]:
            assert orjson.loads(text) == tool
            return {"name": b'"f"'}

        arrives = {"type": "function", "function": {"name": "f"}, "name": "f"}
        assert sent(Quirks(tool=named)) == {"tools": [arrives]}

    def test_stay_as_they_came_where_the_hook_does_nothing(self) -> None:
        quirks = Quirks(message=lambda message, text: {}, tool=lambda tool, text: {})
        assert adapted(quirks).text() == RAW

    def test_are_those_of_the_last_member_of_that_name(self) -> None:
        raw = b'{"messages":[],"messages":[{"role":"developer"}]}'
        text = adapted(Quirks(roles={"developer": "system"}), raw).text()
        assert text == b'{"messages":[{"role":"system"}],"messages":[{"role":"system"}]}'

    @pytest.mark.parametrize("tools", [None, []])
    def test_need_not_be_there(self, tools: Any) -> None:
        quirks = Quirks(tool=lambda tool, text: {"x": b"1"})
        assert sent(quirks, question(tools=tools)) == {}


class TestTheBody:
    def test_may_be_changed_by_a_hook(self) -> None:
        quirks = Quirks(body=lambda body: {"user": None, "top_k": body["t"]})
        assert sent(quirks) == {"user": None, "top_k": 1.1}

    def test_gets_a_message_in_front(self) -> None:
        draft = adapted(Quirks(roles={"developer": "system"}))
        draft.prepend_message("system", 'Say "hi"')
        messages = orjson.loads(draft.text())["messages"]
        assert messages[0] == {"role": "system", "content": 'Say "hi"'}
        assert [m["role"] for m in messages] == ["system", "user", "system"]

    def test_may_not_be_nested_deeper_than_it_can_be_written(self) -> None:
        deep: Any = {}
        for _ in range(300):
            deep = {"a": deep}
        with pytest.raises(BadRequest) as caught:
            adapted(NO_QUIRKS).set("stream_options", deep)
        assert caught.value.param == "stream_options"

    def test_gets_additions_without_being_read(self) -> None:
        draft = adapted(NO_QUIRKS)
        draft.set("max_tokens", 5)
        draft.set("é", "ü")
        assert draft.text() == '{"max_tokens":5,"é":"ü",'.encode() + RAW[1:]


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
VALUES = st.sampled_from([None, 0, 1, "low", "auto", [1], {"x": None}])


@given(
    st.dictionaries(NAMES, VALUES),
    st.builds(
        Quirks,
        rename=st.dictionaries(NAMES, st.sampled_from(["new", "other"]), max_size=2),
        drop=st.frozensets(NAMES, max_size=2),
        needless=st.frozensets(NAMES, max_size=2),
        only=st.dictionaries(NAMES, st.just((1, "low")), max_size=2),
        words=st.dictionaries(NAMES, st.just({"low": "high", "auto": None}), max_size=2),
    ),
)
def test_any_quirks_leave_json_and_lose_nothing_unnamed(
    members: dict[str, Any], quirks: Quirks
) -> None:
    raw = question(**members)
    try:
        draft = adapted(quirks, raw)
    except BadRequest as refusal:
        assert refusal.param in quirks.only
        return
    body = orjson.loads(draft.text())
    named = (
        quirks.drop
        | quirks.needless
        | quirks.only.keys()
        | quirks.words.keys()
        | quirks.rename.keys()
    )
    assert {name: body[name] for name in members if name not in named} == {
        name: value for name, value in members.items() if name not in named
    }
    assert set(draft.hints) <= quirks.drop & members.keys()
    gone = (quirks.drop | quirks.needless | quirks.only.keys()) - quirks.rename.keys()
    assert not gone & body.keys()
