"""The rows of the vendors that speak OpenAI's dialect, each with whatever question comes."""

import json
import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.openai import FIELDS, read_request
from gateway.dialects.splice import value_of
from gateway.errors import BadRequest
from gateway.providers import PROVIDERS
from gateway.providers.base import Credentials, Provider, Question, Target
from gateway.providers.mistral import mistral_id
from gateway.providers.openai_compatible import OPENAI_COMPATIBLE

ROWS = [row for row in PROVIDERS.values() if "openai" in row.speaks]
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
SPELT = b'"x_unknown": [12345678901234567890123, 1.10, {"d": 1, "d": 2}, "\\u00e9"]'


def test_every_vendor_has_an_id_of_its_own() -> None:
    assert len({row.id for row in OPENAI_COMPATIBLE}) == len(OPENAI_COMPATIBLE)
    assert all(row.title and row.id == row.id.lower() for row in OPENAI_COMPATIBLE)


class TestAddresses:
    @rows
    def test_are_clean_and_stay_so(self, row: Provider) -> None:
        if row.base_url is not None:
            assert not row.base_url.endswith("/")
            assert row.clean_base_url(row.base_url) == row.base_url

    @pytest.mark.parametrize("row", OPENAI_COMPATIBLE, ids=lambda row: row.id)
    @pytest.mark.parametrize("ending", ["", "/", "//", "/chat/completions", "/chat/completions/"])
    def test_may_have_more_than_they_need(self, row: Provider, ending: str) -> None:
        usual = row.base_url or "https://llm.example/v1"
        assert row.clean_base_url(usual + ending) == usual

    @pytest.mark.parametrize(
        ("id", "given", "clean"),
        [
            ("perplexity", "https://api.perplexity.ai/v1", "https://api.perplexity.ai"),
            ("perplexity", "https://api.perplexity.ai/v1/", "https://api.perplexity.ai"),
            (
                "deepseek",
                "https://api.deepseek.com/v1/chat/completions",
                "https://api.deepseek.com",
            ),
            ("openai", "https://proxy.example/v1/", "https://proxy.example/v1"),
            ("openai", "https://proxy.example/openai", "https://proxy.example/openai"),
            ("groq", "https://api.groq.com/openai/v1/", "https://api.groq.com/openai/v1"),
            ("openai-compatible", "http://[::1]:8080/v1/", "http://[::1]:8080/v1"),
            ("openai-compatible", "http://llm.example", "http://llm.example"),
            ("openai-compatible", "http://llm.example/api/v2", "http://llm.example/api/v2"),
        ],
    )
    def test_keep_what_they_need(self, id: str, given: str, clean: str) -> None:
        assert PROVIDERS[id].clean_base_url(given) == clean

    def test_lead_to_the_chat_and_the_list(self) -> None:
        openai = PROVIDERS["openai"]
        credentials = Credentials("https://host/v1", "k")
        request = read_request(b'{"messages":[{"role":"user"}]}')
        url = openai.url(Target(openai, "m", credentials), request)
        assert url == "https://host/v1/chat/completions"
        assert openai.models_url(credentials) == "https://host/v1/models"
        assert PROVIDERS["perplexity"].models_url(credentials) is None


class TestTheKey:
    @rows
    def test_is_in_its_header_alone(self, row: Provider) -> None:
        headers = row.headers(Credentials("https://host", "the-key"))
        bearing = {name: value for name, value in headers.items() if "the-key" in value}
        expected = "Bearer the-key" if row.key_header == "Authorization" else "the-key"
        assert bearing == {row.key_header: expected}
        assert "the-key" not in repr(Credentials("https://host", "the-key"))

    @rows
    def test_may_be_none(self, row: Provider) -> None:
        assert row.key_header not in row.headers(Credentials("https://host"))


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"object": "list", "data": [{"id": "a", "x": 1}, {"id": "b"}]}, ["a", "b"]),
        ([{"id": "a"}], ["a"]),
        ({"data": [{"id": 5}, {"name": "x"}, None, {"id": "a"}]}, ["a"]),
        ({}, []),
        ({"data": None}, []),
        ({"data": {}}, []),
        ([], []),
        (None, []),
        (5, []),
        ("x", []),
    ],
)
def test_a_list_of_models_may_be_odd(body: Any, ids: list[str]) -> None:
    assert [model["id"] for model in PROVIDERS["openai"].read_models(body)] == ids


class TestMistralsIds:
    @pytest.mark.parametrize("call_id", ["abcDEF123", "000000000"])
    def test_that_fit_stay(self, call_id: str) -> None:
        assert mistral_id(call_id) == call_id

    @given(st.text())
    def test_always_fit_and_are_the_same_each_time(self, call_id: str) -> None:
        made = mistral_id(call_id)
        assert len(made) == 9 and set(made) <= set(string.ascii_letters + string.digits)
        assert mistral_id(call_id) == made == mistral_id(made)

    @given(st.sets(st.text(min_size=1), min_size=2, max_size=30))
    def test_differ_where_theirs_do(self, call_ids: set[str]) -> None:
        assert len({mistral_id(call_id) for call_id in call_ids}) == len(call_ids)

    @given(st.lists(st.text(min_size=1) | st.from_regex(r"[A-Za-z0-9]{9}", fullmatch=True)))
    def test_of_calls_and_results_still_belong_together(self, call_ids: list[str]) -> None:
        calls = [
            {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
            for call_id in call_ids
        ]
        results = [{"role": "tool", "tool_call_id": call_id, "content": ""} for call_id in call_ids]
        messages = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            *results,
        ]
        body = sent("mistral", orjson.dumps({"messages": messages}))
        expected = [mistral_id(call_id) for call_id in call_ids]
        assert [call["id"] for call in body["messages"][1]["tool_calls"]] == expected
        assert [message["tool_call_id"] for message in body["messages"][2:]] == expected

    @pytest.mark.parametrize("odd", [None, 5, [], {}, True])
    def test_may_be_odd(self, odd: Any) -> None:
        messages = [
            {"role": "assistant", "tool_calls": [{"id": odd}, odd]},
            {"role": "assistant", "tool_calls": odd},
            {"role": "tool", "tool_call_id": odd},
        ]
        body = sent("mistral", orjson.dumps({"messages": messages}))
        assert body["messages"] == messages


def sent(id: str, raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(asked(PROVIDERS[id], raw).body)
    return found


def asked(row: Provider, raw: bytes, **settings: Any) -> Question:
    given = {"model": "m-1", "system_prompt": None, "max_tokens": None, **settings}
    return row.write(read_request(raw), **given)


# Any question at all.

TEXT = st.sampled_from(["Hello", "", 'a "quoted" \\ {[', "\u2028é"])
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT)
    | st.sampled_from(
        [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "image_url", "image_url": {"url": "https://host/a.png"}},
            {"type": "image_url", "image_url": "https://host/a.png"},
            {"type": "image_url", "image_url": None},
            {},
        ]
    ),
    max_size=3,
)
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "other"])},
        optional={
            "content": st.none() | TEXT | PARTS,
            "tool_calls": st.sampled_from([CALLS, [], None, [*CALLS, None], "odd", [{"id": 5}]]),
            "tool_call_id": st.sampled_from(["call_1", "abcDEF123", None, 5]),
            "name": TEXT,
        },
    ),
    min_size=1,
    max_size=4,
)
SCHEMA = {"type": "object", "properties": {}}
TOOLS = st.lists(
    st.sampled_from(
        [
            {"type": "function", "function": {"name": "f"}},
            {"type": "function", "function": {"name": "g", "parameters": SCHEMA}},
            {"type": "function", "function": {"name": "g", "parameters": None}},
            {"type": "function", "function": "odd"},
            {"type": "custom", "custom": {"name": "h"}},
            {},
        ]
    ),
    max_size=3,
)
CHOICES = st.sampled_from(
    [
        "auto",
        "none",
        "required",
        "odd",
        {},
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "function": {}},
        {"type": "function", "function": None},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    ]
)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["m", "m-1", ""]),
    "stream": st.booleans(),
    "stream_options": st.sampled_from([{}, {"include_usage": True}, {"include_obfuscation": True}]),
    "n": st.integers(1, 3),
    "max_tokens": st.integers(1, 100),
    "max_completion_tokens": st.integers(1, 100),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "seed": st.integers(0, 9),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 5),
    "logit_bias": st.just({"1": 5}),
    "stop": TEXT | st.lists(TEXT),
    "tools": TOOLS,
    "tool_choice": CHOICES,
    "parallel_tool_calls": st.booleans(),
    "response_format": st.sampled_from(
        [{}, {"type": "json_object"}, {"type": "text"}, {"type": 5}]
    ),
    "user": TEXT,
    "metadata": st.just({"a": "b"}),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "max", 5]),
    "verbosity": TEXT,
    "store": st.booleans(),
    "modalities": st.sampled_from([["text"], ["text", "audio"], "odd"]),
    "audio": st.just({}),
    "service_tier": TEXT,
    "top_k": st.integers(0, 9),
}


@st.composite
def questions(draw: st.DrawFn) -> bytes:
    """Some members with a value or null, and one that nobody knows, spelt as few do."""
    chosen = draw(st.sets(st.sampled_from(sorted(MEMBERS)), max_size=6))
    members = {name: draw(st.none() | MEMBERS[name]) for name in sorted(chosen)}
    raw = orjson.dumps({"messages": draw(MESSAGES), **members})
    return raw[:-1] + b" , " + SPELT + b"}\n"


def test_every_field_that_is_checked_is_tried() -> None:
    assert MEMBERS.keys() >= FIELDS.keys()


@rows
@given(
    questions(),
    st.none() | st.sampled_from(["Be brief", 'a "quoted" \\']),
    st.none() | st.integers(1, 200),
)
def test_any_question_is_written_or_refused_by_name(
    row: Provider, raw: bytes, prompt: str | None, cap: int | None
) -> None:
    before = orjson.loads(raw)
    try:
        question = asked(row, raw, system_prompt=prompt, max_tokens=cap)
    except BadRequest as refusal:
        assert refusal.param in {*row.quirks.only, *row.quirks.fixed, "messages"}
        assert before.get(refusal.param) is not None
        return
    after = orjson.loads(question.body)
    assert (SPELT in question.body) == (row.quirks.known is None)
    assert after["model"] == "m-1"
    check_members(row, before, after, question)
    check_messages(row, before["messages"], after["messages"], prompt)
    check_cap(before, after, cap)
    check_usage(row, before, after, question)


def check_members(
    row: Provider, before: dict[str, Any], after: dict[str, Any], question: Question
) -> None:
    """What is gone was renamed, named as dropped, null, needless or harmless; no more."""
    quirks = row.quirks
    gone = before.keys() - after.keys()
    unsaid = quirks.rename.keys() | quirks.needless | quirks.only.keys() | quirks.words.keys()
    if before.get("tool_choice") == "none":
        unsaid |= {"tools"}
    assert all(name in unsaid or before[name] is None for name in gone - set(question.dropped))
    hints = quirks.drop | (gone if quirks.known is not None else set())
    of_messages = {f"messages[].{name}" for name in quirks.message_drop}
    assert set(question.dropped) <= gone & hints | of_messages
    assert len(after) == len(pairs(question.body))


def check_messages(row: Provider, before: list[Any], after: list[Any], prompt: str | None) -> None:
    if prompt is not None:
        assert after[0] == {"role": "system", "content": prompt}
        after = after[1:]
    if row.quirks.turns is not None:
        assert all(text in texts(after) for text in texts(before))
        return
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        gone = row.quirks.message_drop if old["role"] != "tool" else frozenset()
        assert old.keys() - gone == new.keys()
        assert new.get("content") == old.get("content") or (old["content"], new["content"]) == (
            None,
            "",
        )
        assert new["role"] in (old["role"], "system")


def texts(messages: list[Any]) -> list[str]:
    """Each piece of text, with the lines between those that were joined taken apart."""
    contents = [message.get("content") for message in messages]
    parts = [part.get("text") for said in contents if isinstance(said, list) for part in said]
    found = [said for said in [*contents, *parts] if isinstance(said, str)]
    return [piece for text in found for piece in text.split("\n\n")]


def check_cap(before: dict[str, Any], after: dict[str, Any], cap: int | None) -> None:
    names = ("max_tokens", "max_completion_tokens")
    asked_for = [before[name] for name in names if before.get(name)]
    sent_up = [after[name] for name in names if after.get(name)]
    if cap is None:
        assert set(sent_up) <= set(asked_for) and bool(sent_up) == bool(asked_for)
    else:
        assert sent_up and max(sent_up) <= cap
        assert set(sent_up) <= {cap, *asked_for}


def check_usage(
    row: Provider, before: dict[str, Any], after: dict[str, Any], question: Question
) -> None:
    own = (before.get("stream_options") or {}).get("include_usage", False)
    added = bool(before.get("stream")) and not own and row.stream_usage == "ask"
    assert question.usage_added == added
    if added:
        given = before.get("stream_options") or {}
        assert after["stream_options"] == {**given, "include_usage": True}


@rows
def test_what_needs_no_edit_goes_up_as_the_very_bytes(row: Provider) -> None:
    raw = b'{ "model": "m-1",\t"messages": [ {"role": "user", "content": "Hello"} ] '
    raw += b"}" if row.quirks.known is not None else b"," + SPELT + b"}"
    assert asked(row, raw).body == raw


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"m-2","model":"m-1","messages":[{"role":"user"}]}',
        b'{"model":"m-2","mod\\u0065l":"m-1","messages":[{"role":"user"}]}',
        b'{"\\u006dodel":"m-1","messages":[{"role":"user"}]}',
        b'{"model":null,"messages":[{"role":"user"}]}',
        b'{"messages":[{"role":"user"}]}',
    ],
)
def test_upstream_can_read_no_other_model(raw: bytes) -> None:
    body = asked(PROVIDERS["openai"], raw).body
    models = [value for name, value in pairs(body) if name == "model"]
    assert models and set(models) == {"m-1"}
    assert value_of(body, "messages") == b'[{"role":"user"}]'


def pairs(raw: bytes) -> list[tuple[str, Any]]:
    """The top-level members, those that stand there twice too."""
    found: list[tuple[str, Any]] = json.loads(raw, object_pairs_hook=list)
    return found
