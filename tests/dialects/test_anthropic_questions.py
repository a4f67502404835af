"""Questions from other doors, as they are put to Claude."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects.anthropic import read_chat, write_chat
from gateway.errors import BadRequest

BUDGETED = "claude-sonnet-4-5"
ADAPTIVE = "claude-opus-4-8"
EITHER = "claude-opus-4-6"
ALWAYS = "claude-fable-5"
OLD = "claude-3-5-haiku-latest"
TOOL = Tool("f", schema={"type": "object", "properties": {}})
ASKED = Chat([Message("user", [Text("q")])])


def body(chat: Chat, model: str = BUDGETED) -> dict[str, Any]:
    return write_chat(chat, model, stream=False).body


def blocks(*parts: Part, role: Any = "user") -> Any:
    return body(Chat([Message(role, list(parts))]))["messages"][0]["content"]


def refusal(chat: Chat, model: str = BUDGETED) -> BadRequest:
    with pytest.raises(BadRequest) as raised:
        write_chat(chat, model, stream=False)
    assert raised.value.code == "unsupported_parameter"
    return raised.value


def test_the_least_question() -> None:
    assert body(ASKED) == {
        "model": BUDGETED,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
        "max_tokens": 8192,
    }
    assert write_chat(ASKED, BUDGETED, stream=True).body["stream"] is True


def test_the_system_alone_still_makes_a_question() -> None:
    written = body(Chat([], system=[Text("Be brief."), Text("Be kind.")]))
    assert [block["text"] for block in written["system"]] == ["Be brief.", "Be kind."]
    assert [message["role"] for message in written["messages"]] == ["user"]


def test_empty_texts_and_empty_messages_are_left_out() -> None:
    chat = Chat(
        [Message("user", [Text("q"), Text("")]), Message("assistant", [Text(" \n")])],
        system=[Text("")],
    )
    written = body(chat)
    assert "system" not in written
    assert [len(message["content"]) for message in written["messages"]] == [1]


def test_images() -> None:
    assert blocks(
        Image(data="iVBORw0KGgo="),
        Image(data="QQ==", media_type="image/jpg"),
        Image(url="http://x/y"),
    ) == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        },
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "QQ=="}},
        {"type": "image", "source": {"type": "url", "url": "http://x/y"}},
    ]


def test_files_are_read_as_pdf_or_as_text() -> None:
    written = blocks(
        Document(data="JVBERi0=", name="a.pdf"),
        Document(data=base64.b64encode("é,1".encode()).decode(), media_type="text/csv"),
        Document(text="plain", name="b.txt"),
        Document(url="https://x/y.pdf"),
    )
    assert [block["source"]["type"] for block in written] == ["base64", "text", "text", "url"]
    assert written[0]["title"] == "a.pdf"
    assert written[1]["source"]["data"] == "é,1"


@pytest.mark.parametrize(
    "part",
    [
        Audio("QQ==", "wav"),
        Document(file_id="file-of-openai"),
        Document(data="QQ==", media_type="application/msword"),
        Document(data="/w==", media_type="text/plain"),
    ],
)
def test_what_claude_cannot_read_is_refused_by_its_path(part: Part) -> None:
    chat = Chat([Message("user", [Text("q")]), Message("user", [Text("q"), part])])
    assert refusal(chat).param == "messages[1].content[1]"


def test_a_turn_of_tools() -> None:
    chat = Chat(
        [
            Message("user", [Text("q")]),
            Message(
                "assistant",
                [
                    ToolCall("functions.f:0", "f", '{"a": 1}'),
                    Thinking("hm", signature="s"),
                    Text("I look."),
                    ToolCall("b", "g", ""),
                ],
            ),
            Message("user", [ToolResult("functions.f:0", "f", [Text("one")])]),
            Message(
                "user",
                [Text("and?"), ToolResult("b", "g", [Text("two"), Image(url="u")], is_error=True)],
            ),
        ]
    )
    _, answer, results = body(chat)["messages"]
    assert [block["type"] for block in answer["content"]] == [
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert [block.get("input") for block in answer["content"][2:]] == [{"a": 1}, {}]
    assert answer["content"][2]["id"] == "functions_f_0"
    assert results["content"][:2] == [
        {"type": "tool_result", "tool_use_id": "functions_f_0", "content": "one"},
        {
            "type": "tool_result",
            "tool_use_id": "b",
            "is_error": True,
            "content": [
                {"type": "text", "text": "two"},
                {"type": "image", "source": {"type": "url", "url": "u"}},
            ],
        },
    ]
    assert results["content"][2]["type"] == "text"


def test_an_id_that_comes_again_gets_a_name_of_its_own() -> None:
    turn = [
        Message("assistant", [ToolCall("call_0", "f", "{}")]),
        Message("user", [ToolResult("call_0", "f", [Text("r")])]),
    ]
    both = Message("assistant", [ToolCall("x", "f", "{}"), ToolCall("x", "g", "{}")])
    answers = Message("user", [ToolResult("x", "f"), ToolResult("x", "g")])
    written = body(Chat([Message("user", [Text("q")]), *turn, *turn, both, answers]))["messages"]
    ids = [
        block.get("id") or block.get("tool_use_id")
        for message in written[1:]
        for block in message["content"]
    ]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2", "x", "x_2", "x", "x_2"]


def test_only_claudes_own_thoughts_go_back_to_it() -> None:
    openrouter = {"type": "reasoning.text", "text": "t", "format": "anthropic-claude-v1"}
    written = blocks(
        Thinking("of another"),
        Thinking("own", signature="s"),
        Thinking(redacted="r"),
        Thinking("", details={**openrouter, "signature": "s2"}),
        Thinking("", details={"type": "reasoning", "encrypted_content": "x"}),
        Refusal("no"),
        role="assistant",
    )
    assert written == [
        {"type": "thinking", "thinking": "own", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
        {"type": "thinking", "thinking": "t", "signature": "s2"},
        {"type": "text", "text": "no"},
    ]


SCHEMA = {
    "$defs": {"a": {"type": "string", "format": "x"}},
    "anyOf": [{"required": ["p"]}, {"required": ["q"]}],
    "properties": {
        "p": {"type": "array", "prefixItems": [{"type": "integer", "minimum": 1}], "items": False},
        "q": {"$ref": "#/$defs/a"},
        "r": {"const": 3},
        "s": {"type": ["object", "null"], "properties": {}},
        "t": {},
    },
}


def test_a_tools_schema_survives_untouched_but_for_its_type() -> None:
    tools = [Tool("f", schema=SCHEMA), Tool("g"), Tool("h", schema={"type": "object"})]
    f, g, h = body(replace(ASKED, tools=tools))["tools"]
    assert f["input_schema"] == {**SCHEMA, "type": "object"}
    assert g["input_schema"] == {"type": "object", "properties": {}}
    assert h["input_schema"] == {"type": "object"}
    assert "type" not in SCHEMA


def test_strict_goes_along_where_the_schema_can_be_enforced() -> None:
    fits = {
        "type": "object",
        "properties": {"minimum": {"type": "string"}},
        "additionalProperties": False,
    }
    bound = {**fits, "properties": {"a": {"type": "integer", "minimum": 1}}}
    tools = [Tool("f", schema=fits, strict=True), Tool("g", schema=bound, strict=True)]
    written = write_chat(replace(ASKED, tools=tools), BUDGETED, stream=False)
    assert [tool.get("strict") for tool in written.body["tools"]] == [True, None]
    assert written.dropped == ["tools[1].strict"]
    assert len(write_chat(replace(ASKED, tools=tools), OLD, stream=False).dropped) == 2


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("named", ("f",)), None, {"type": "tool", "name": "f"}),
        (ToolChoice("required", ("f",)), None, {"type": "any"}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:
    chat = replace(ASKED, tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body(chat).get("tool_choice") == expected
    assert "tool_choice" not in body(replace(chat, tools=[]))


def test_of_the_tools_only_those_allowed_are_told() -> None:
    chat = replace(ASKED, tools=[TOOL, Tool("g")], tool_choice=ToolChoice("auto", ("g",)))
    assert [tool["name"] for tool in body(chat)["tools"]] == ["g"]


def test_another_vendors_hosted_tool_is_left_out_by_name() -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    tools = [TOOL, Tool("web_search", hosted={"type": "web_search"}), Tool("w", hosted=own)]
    written = write_chat(replace(ASKED, tools=tools), BUDGETED, stream=False)
    assert written.body["tools"][1] == own
    assert written.dropped == ["tools[1]"]


def test_an_answers_schema_is_brought_into_the_subset() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Person",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "In years"},
            "name": {"type": ["string", "null"], "pattern": "^a", "title": "Name"},
            "kind": {"oneOf": [{"const": "a"}, {"$ref": "#/definitions/k"}]},
            "tags": {"type": "array", "items": {"type": "string", "format": "ipv4"}, "minItems": 2},
            "any": True,
        },
        "definitions": {"k": {"type": "string", "format": "colour", "enum": ["b"]}},
        "required": ["age"],
    }
    chat = replace(ASKED, answer_format=Format("json_schema", schema, name="p", strict=True))
    written = body(chat)["output_config"]["format"]
    assert written["type"] == "json_schema"
    anything = {"anyOf": [{"type": name} for name in ("string", "number", "boolean", "null")]}
    assert written["schema"] == {
        "definitions": {"k": {"type": "string", "enum": ["b"], "description": "{format: colour}"}},
        "title": "Person",
        "type": "object",
        "properties": {
            "age": {"description": "In years\n\n{minimum: 0}", "type": "integer"},
            "name": {
                "title": "Name",
                "anyOf": [{"type": "string", "description": "{pattern: ^a}"}, {"type": "null"}],
            },
            "kind": {"anyOf": [{"const": "a"}, {"$ref": "#/definitions/k"}]},
            "tags": {
                "type": "array",
                "items": {"type": "string", "format": "ipv4"},
                "description": "{minItems: 2}",
            },
            "any": anything,
        },
        "additionalProperties": False,
        "required": ["age"],
    }
    again = replace(ASKED, answer_format=Format("json_schema", written["schema"]))
    assert body(again)["output_config"]["format"] == written


def test_a_format_that_cannot_be_enforced_is_asked_for_in_words() -> None:
    loose = replace(ASKED, system=[Text("Be brief.")], answer_format=Format("json_object"))
    first, second = body(loose)["system"]
    assert first["text"] == "Be brief."
    assert "JSON object" in second["text"]
    assert "output_config" not in body(loose)
    fitting = replace(ASKED, answer_format=Format("json_schema", {"type": "object"}))
    assert '{"type":"object"}' in body(fitting, OLD)["system"]
    assert "output_config" not in body(fitting, OLD)


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        (ADAPTIVE, Reasoning("minimal"), {"type": "adaptive"}, "low"),
        (ADAPTIVE, Reasoning("xhigh"), {"type": "adaptive"}, "xhigh"),
        (ADAPTIVE, Reasoning(budget=10000), {"type": "adaptive"}, "medium"),
        (ADAPTIVE, Reasoning(budget=-1), {"type": "adaptive"}, None),
        (ADAPTIVE, Reasoning("none"), {"type": "disabled"}, None),
        (ADAPTIVE, Reasoning("max", 0), {"type": "disabled"}, "high"),
        (ADAPTIVE, Reasoning("low", show=False), {"type": "adaptive", "display": "omitted"}, "low"),
        (EITHER, Reasoning("xhigh"), {"type": "adaptive"}, "high"),
        (EITHER, Reasoning(budget=2000), {"type": "enabled", "budget_tokens": 2000}, None),
        (BUDGETED, Reasoning("low"), {"type": "enabled", "budget_tokens": 1024}, None),
        (BUDGETED, Reasoning("medium"), {"type": "enabled", "budget_tokens": 8192}, None),
        (BUDGETED, Reasoning(budget=-1), {"type": "enabled", "budget_tokens": 8192}, None),
        (BUDGETED, Reasoning(budget=5), {"type": "enabled", "budget_tokens": 1024}, None),
        (
            "claude-opus-4-5",
            Reasoning("max", 2048),
            {"type": "enabled", "budget_tokens": 2048},
            "high",
        ),
        (OLD, Reasoning("none"), None, None),
        (BUDGETED, Reasoning(show=False), None, None),
        (ADAPTIVE, Reasoning(native={"openai": {}}), None, None),
    ],
)
def test_reasoning(model: str, reasoning: Reasoning, thinking: Any, effort: str | None) -> None:
    written = write_chat(replace(ASKED, reasoning=reasoning), model, stream=False)
    assert written.body.get("thinking") == thinking
    assert written.body.get("output_config", {}).get("effort") == effort
    assert written.dropped == []
    assert written.body["max_tokens"] > written.body.get("thinking", {}).get("budget_tokens", 0)


@pytest.mark.parametrize(
    ("model", "chat"),
    [
        (OLD, replace(ASKED, reasoning=Reasoning("high"))),
        (ALWAYS, replace(ASKED, reasoning=Reasoning("none"))),
        (BUDGETED, replace(ASKED, reasoning=Reasoning("low"), max_tokens=1024)),
        (
            BUDGETED,
            replace(
                ASKED, reasoning=Reasoning("low"), tools=[TOOL], tool_choice=ToolChoice("required")
            ),
        ),
        (
            BUDGETED,
            Chat(
                [
                    Message("user", [Text("q")]),
                    Message("assistant", [ToolCall("a", "f", "{}")]),
                    Message("user", [ToolResult("a", "f", [Text("r")])]),
                ],
                tools=[TOOL],
                reasoning=Reasoning("low"),
            ),
        ),
    ],
    ids=["cannot", "must", "no room", "forced tool", "thoughts lost"],
)
def test_thinking_that_cannot_be_had_is_left_out_by_name(model: str, chat: Chat) -> None:
    written = write_chat(chat, model, stream=False)
    assert "thinking" not in written.body
    assert written.dropped == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("reasoning", "max_tokens", "budget"),
    [
        (Reasoning("high"), 4000, 2000),
        (Reasoning("high"), 1500, 1024),
        (Reasoning(budget=3000), 4000, 3000),
        (Reasoning(budget=9000), 4000, 2000),
    ],
)
def test_a_budget_leaves_room_for_the_answer(
    reasoning: Reasoning, max_tokens: int, budget: int
) -> None:
    written = body(replace(ASKED, reasoning=reasoning, max_tokens=max_tokens))
    assert written["max_tokens"] == max_tokens
    assert written["thinking"]["budget_tokens"] == budget


@pytest.mark.parametrize("model", ["claude-opus-4-1", BUDGETED, "claude-3-7-sonnet", "glm-5"])
@pytest.mark.parametrize("reasoning", [Reasoning("max"), Reasoning(budget=10**6)])
def test_the_largest_budget_stays_below_what_the_model_can_say(
    model: str, reasoning: Reasoning
) -> None:
    written = body(replace(ASKED, reasoning=reasoning), model)
    assert 1024 <= written["thinking"]["budget_tokens"] < written["max_tokens"] <= 64_000


@pytest.mark.parametrize(
    ("model", "more", "kept", "dropped"),
    [
        (OLD, {}, {"temperature": 1, "top_p": 0.5, "top_k": 4}, []),
        (BUDGETED, {}, {"temperature": 1, "top_k": 4}, ["top_p"]),
        (BUDGETED, {"temperature": None}, {"top_p": 0.5, "top_k": 4}, []),
        (ADAPTIVE, {}, {}, ["temperature", "top_p", "top_k"]),
        (BUDGETED, {"reasoning": Reasoning("low")}, {}, ["temperature", "top_p", "top_k"]),
        (
            BUDGETED,
            {"reasoning": Reasoning("low"), "top_p": 0.99},
            {"top_p": 0.99},
            ["temperature", "top_k"],
        ),
    ],
)
def test_sampling(model: str, more: dict[str, Any], kept: Any, dropped: list[str]) -> None:
    chat = replace(ASKED, **{"temperature": 1.7, "top_p": 0.5, "top_k": 4, **more})
    written = write_chat(chat, model, stream=False)
    sampling = ("temperature", "top_p", "top_k")
    assert {name: written.body[name] for name in sampling if name in written.body} == kept
    assert written.dropped == dropped


def test_hints_are_left_out_by_name_and_the_rest_finds_its_place() -> None:
    chat = replace(
        ASKED,
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        top_logprobs=2,
        logprobs=False,
        n=1,
        user="u",
        stop=["\n", "END"],
        extra={
            "logit_bias": {},
            "store": True,
            "service_tier": "default",
            "metadata": {"a": "b"},
            "stream_options": {"include_usage": True},
            "modalities": ["text"],
            "verbosity": None,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "speed": "fast",
            "safety_identifier": "v",
        },
    )
    written = write_chat(chat, BUDGETED, stream=False)
    assert sorted(written.dropped) == [
        "frequency_penalty",
        "logit_bias",
        "metadata",
        "presence_penalty",
        "safety_identifier",
        "seed",
        "stop",
        "store",
        "top_logprobs",
    ]
    del written.body["messages"]
    assert written.body == {
        "model": BUDGETED,
        "service_tier": "standard_only",
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "speed": "fast",
        "max_tokens": 10192,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }


def test_a_safety_identifier_is_a_user_too() -> None:
    assert body(replace(ASKED, extra={"safety_identifier": "v"}))["metadata"] == {"user_id": "v"}


@pytest.mark.parametrize("odd", [[], {}, 3, "x", True, {"budget_tokens": "many"}])
def test_odd_values_in_the_rest_do_no_harm(odd: Any) -> None:
    names = ("service_tier", "modalities", "thinking", "output_config", "safety_identifier")
    write_chat(replace(ASKED, extra=dict.fromkeys(names, odd)), BUDGETED, stream=False)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"extra": {"modalities": ["text", "audio"]}}, "modalities"),
        ({"extra": {"audio": {"voice": "v", "format": "mp3"}}}, "modalities"),
        ({"tools": [TOOL, Tool("c", custom={"name": "c"})]}, "tools[1]"),
    ],
)
def test_what_changes_the_meaning_is_refused(more: dict[str, Any], param: str) -> None:
    assert refusal(replace(ASKED, **more)).param == param


def test_models_that_cannot_be_made_to_call_a_tool_are_not_asked_to() -> None:
    chat = replace(ASKED, tools=[TOOL], tool_choice=ToolChoice("named", ("f",)))
    for model in ("claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-1"):
        assert refusal(chat, model).param == "tool_choice"
    assert body(chat, "claude-haiku-5-5")["tool_choice"]["type"] == "tool"


def test_a_question_that_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(3000):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(BadRequest):
        write_chat(
            replace(ASKED, answer_format=Format("json_schema", deep)), BUDGETED, stream=False
        )


def test_what_is_said_in_mid_conversation_keeps_its_place_where_it_may() -> None:
    asked = {
        "system": "S",
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "system", "content": "From now on"},
            {"role": "user", "content": "two"},
            {"role": "system", "content": [{"type": "tool_addition", "tool": {"name": "f"}}]},
        ],
    }
    chat = read_chat(asked)
    assert [text.text for text in chat.system] == ["S", "From now on"]
    newest = body(chat, ADAPTIVE)
    assert [message["role"] for message in newest["messages"]] == [
        "user",
        "system",
        "user",
        "system",
    ]
    assert newest["system"] == "S"
    assert [block["text"] for block in body(chat)["system"]] == ["S", "From now on"]


def test_blocks_of_its_own_are_read_as_others_may_say_them() -> None:
    file = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    search = {
        "type": "search_result",
        "source": "https://x",
        "title": "T",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    }
    pieces = {"type": "document", "source": {"type": "content", "content": "c"}, "context": "d"}
    unknown = {"type": "hologram", "depth": 3}
    chat = read_chat({"messages": [{"role": "user", "content": [file, search, pieces, unknown]}]})
    of_file, of_search, of_pieces, of_unknown = chat.messages[0].parts
    assert isinstance(of_file, Document) and of_file.file_id == "file_1"
    assert isinstance(of_search, Document) and (of_search.text, of_search.name) == ("a\nb", "T")
    assert isinstance(of_pieces, Document) and of_pieces.text == "c"
    assert isinstance(of_unknown, Text) and of_unknown.text == ""
    assert body(chat)["messages"][0]["content"] == [file, search, pieces, unknown]
