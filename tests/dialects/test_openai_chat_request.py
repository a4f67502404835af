"""Questions: what each field becomes, and what becomes of it for vendors of different taste."""

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
from gateway.dialects.openai_chat import OPENAI, Accepts, read_chat, write_chat
from gateway.errors import BadRequest

PDF = "JVBERi0xLjc="
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "q"}
MARK = {"type": "ephemeral"}


def ask(*messages: dict[str, Any], **fields: Any) -> Chat:
    return read_chat({"model": "m", "messages": list(messages or (USER,)), **fields})


def said(*content: dict[str, Any]) -> list[Part]:
    """The parts of a user's message with this content."""
    return ask({"role": "user", "content": list(content)}).messages[0].parts


def asked(chat: Chat, accepts: Accepts = OPENAI) -> dict[str, Any]:
    return write_chat(chat, "m", stream=False, accepts=accepts).body


def user(*parts: Part) -> Chat:
    return Chat([Message("user", list(parts))])


def assistant(*parts: Part) -> Chat:
    return Chat([Message("user", [Text("q")]), Message("assistant", list(parts))])


def remembered(message: dict[str, Any]) -> list[Part]:
    """The parts of an assistant's earlier message."""
    return ask(USER, {"role": "assistant", **message}).messages[1].parts


# ---- messages


def test_system_and_developer_messages_are_joined_in_order() -> None:
    chat = ask(
        {"role": "system", "content": "a"},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "r"},
        {"role": "system", "content": ""},
    )
    assert chat.system == [Text("a"), Text("b")]
    assert [message.role for message in chat.messages] == ["user", "assistant"]


def test_results_of_tools_belong_to_the_user_and_come_first() -> None:
    two = [CALL, {**CALL, "id": "call_2", "function": {"name": "g", "arguments": ""}}]
    chat = ask(
        USER,
        {"role": "assistant", "content": None, "tool_calls": two},
        {"role": "tool", "tool_call_id": "call_2", "content": "b"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a"}]},
        {"role": "user", "content": "and?", "name": "ann"},
        {"role": "user", "content": "hello?"},
    )
    assert chat.messages[1] == Message(
        "assistant", [ToolCall("call_1", "f", "{}"), ToolCall("call_2", "g", "")]
    )
    results: list[Part] = [
        ToolResult("call_2", "g", [Text("b")]),
        ToolResult("call_1", "f", [Text("a")]),
    ]
    assert chat.messages[2] == Message("user", [*results, Text("and?")], "ann")
    assert chat.messages[3] == Message("user", [Text("hello?")])


def test_the_older_form_of_functions_is_read() -> None:
    chat = ask(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    call = chat.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert call.name == "f"
    assert chat.messages[2].parts == [ToolResult(call.id, "f", [Text("r")])]
    assert chat.tools == [Tool("f", schema={"type": "object"})]
    assert chat.tool_choice == ToolChoice("named", ("f",))
    again = ask(USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}})
    assert again.messages[1].parts == [call]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "text", "text": "t"}, Text("t")),
        ({"text": "t"}, Text("t")),
        ({"type": "text", "text": "t", "cache_control": MARK}, Text("t", MARK)),
        (
            {"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("t", MARK),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}},
            Image("AAEC", "image/png"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.test/a", "detail": "low"}},
            Image(url="https://x.test/a", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://x.test/a"}, Image(url="https://x.test/a")),
        (
            {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}},
            Audio("AAEC", "wav"),
        ),
        ({"type": "input_audio", "input_audio": "AAEC"}, Audio("AAEC", "mp3")),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}},
            Document(PDF, media_type="application/pdf"),
        ),
        (
            {"type": "file", "file": {"file_data": PDF, "filename": "a"}},
            Document(PDF, media_type="application/pdf", name="a"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Document(file_id="file-1")),
        (
            {"type": "file", "file": {"file_data": "https://x.test/a.pdf"}},
            Document(url="https://x.test/a.pdf", media_type="application/pdf"),
        ),
        (
            {"type": "document_url", "document_url": "https://x.test/a"},
            Document(url="https://x.test/a", media_type="application/pdf"),
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://x.test/a.webm"}},
            Document(url="https://x.test/a.webm", media_type="video/webm"),
        ),
    ],
)
def test_a_part_of_a_users_content_is_read(content: dict[str, Any], part: Part) -> None:
    assert said(content) == [part]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"content": "t"}, [Text("t")]),
        ({"content": "", "tool_calls": None}, [Text("")]),
        ({"content": [], "refusal": "no"}, [Refusal("no")]),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, [Refusal("no")]),
        ({"content": "t", "reasoning_content": "h"}, [Thinking("h"), Text("t")]),
        ({"content": "t", "reasoning": "h"}, [Thinking("h"), Text("t")]),
        (
            {"content": "t", "reasoning": "h", "reasoning_content": "h"},
            [Thinking("h"), Text("t")],
        ),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]},
                    {"type": "text", "text": "t"},
                ]
            },
            [Thinking("h"), Text("t")],
        ),
        (
            {
                "content": "t",
                "reasoning_content": "first h",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "h", "signature": "s"},
                    {"type": "redacted_thinking", "data": "d"},
                ],
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "h", "signature": "s"},
                    {"type": "reasoning.encrypted", "data": "e", "format": "openai-responses-v1"},
                ],
            },
            [
                Thinking("first "),
                Thinking("h", "s"),
                Thinking(redacted="d"),
                Thinking(
                    details={
                        "type": "reasoning.encrypted",
                        "data": "e",
                        "format": "openai-responses-v1",
                    }
                ),
                Text("t"),
            ],
        ),
        (
            {"content": "t", "extra_content": {"google": {"thought_signature": "g"}}},
            [Text("t", signature="g")],
        ),
        (
            {
                "tool_calls": [CALL],
                "extra_content": {"google": {"thought_signature": "g"}},
            },
            [ToolCall("call_1", "f", "{}", signature="g")],
        ),
        (
            {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "g"}}}]},
            [ToolCall("call_1", "f", "{}", signature="g")],
        ),
        (
            {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "c", "input": "i"}}]},
            [ToolCall("1", "c", "i", custom=True)],
        ),
        (
            {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
            [ToolCall("1", "f", '{"a":1}')],
        ),
        ({"content": "t", "cache_control": MARK}, [Text("t", MARK)]),
    ],
)
def test_an_assistants_message_is_read(message: dict[str, Any], parts: list[Part]) -> None:
    assert remembered(message) == parts


@pytest.mark.parametrize(
    ("sealed_by", "signature"), [("anthropic-claude-v1", "s"), ("google-gemini-v1", None)]
)
def test_a_seal_is_anthropics_own_only_if_its_format_says_so(
    sealed_by: str, signature: str | None
) -> None:
    item = {"type": "reasoning.text", "text": "h", "signature": "s", "format": sealed_by}
    thought, _ = remembered({"content": "t", "reasoning_details": [item]})
    assert thought == Thinking("h", signature, details=item)


# ---- settings


def test_what_has_the_same_name_is_taken_over() -> None:
    fields = {
        "temperature": 0.5,
        "top_p": 1,
        "seed": 7,
        "n": 2,
        "presence_penalty": 0.1,
        "frequency_penalty": -0.1,
        "logprobs": True,
        "top_logprobs": 3,
        "user": "u",
    }
    chat = ask(**fields)
    assert {name: getattr(chat, name) for name in fields} == fields
    assert asked(chat).items() >= fields.items()


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
        ({"max_tokens": None}, None),
    ],
)
def test_the_cap_has_two_names(fields: dict[str, Any], cap: int | None) -> None:
    chat = ask(**fields)
    assert chat.max_tokens == cap
    assert asked(chat).get("max_completion_tokens") == cap
    assert asked(chat, Accepts(cap_field="max_tokens")).get("max_tokens") == cap


@pytest.mark.parametrize(("stop", "read"), [("a", ["a"]), (["a", "b"], ["a", "b"]), (None, [])])
def test_stop_is_a_text_or_several(stop: Any, read: list[str]) -> None:
    assert ask(stop=stop).stop == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Format("json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
            Format("json_schema", {}, "n", True),
        ),
    ],
)
def test_the_answers_format_is_read(given: dict[str, Any], read: Format | None) -> None:
    chat = ask(response_format=given)
    assert (chat.answer_format, chat.extra) == (read, {})


def test_a_vendors_own_format_passes() -> None:
    given = {"type": "regex", "regex": {"regex": "a+"}}
    chat = ask(response_format=given)
    assert chat.answer_format is None
    assert asked(chat)["response_format"] == given


def test_a_format_without_a_name_gets_one() -> None:
    chat = user(Text("q"))
    chat.answer_format = Format("json_schema", {"type": "object"})
    assert asked(chat)["response_format"]["json_schema"]["name"] == "output"


@pytest.mark.parametrize(
    ("hints", "read"),
    [
        ({"reasoning_effort": "high"}, Reasoning("high")),
        ({"reasoning_effort": "default"}, Reasoning()),
        ({"reasoning": {"effort": "low", "exclude": True}}, Reasoning("low", show=False)),
        ({"reasoning": {"max_tokens": 2000}}, Reasoning(budget=2000)),
        ({"reasoning": {"enabled": True}}, Reasoning(budget=-1)),
        ({"reasoning": {"enabled": False}}, Reasoning("none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, Reasoning(budget=4096)),
        ({"thinking": {"type": "enabled"}}, Reasoning(budget=-1)),
        ({"thinking": {"type": "disabled"}}, Reasoning("none")),
        ({"thinking": {"clear_thinking": False}}, Reasoning()),
        ({"enable_thinking": False}, Reasoning("none")),
        ({"enable_thinking": True, "thinking_budget": 50}, Reasoning(budget=50)),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, Reasoning("max")),
        ({"thinking": True, "reasoning": "high"}, Reasoning()),
    ],
)
def test_hints_on_thinking_are_understood_and_pass(hints: dict[str, Any], read: Reasoning) -> None:
    chat = ask(**hints)
    assert chat.reasoning is not None
    assert asked(chat).items() >= hints.items()
    chat.reasoning.native = None
    assert chat.reasoning == read


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning("xhigh"), "xhigh"),
        (Reasoning("low", 30_000), "low"),
        (Reasoning(budget=30_000), "high"),
        (Reasoning(budget=0), "none"),
        (Reasoning(budget=-1), None),
        (Reasoning(show=True), None),
        (Reasoning("high", native={"another": {"effort": 1}}), "high"),
    ],
)
def test_how_much_to_think_is_said_by_a_word(reasoning: Reasoning, effort: str | None) -> None:
    chat = user(Text("q"))
    chat.reasoning = reasoning
    assert asked(chat).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("any", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ("f",))),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "custom": {"name": "c"}}, ToolChoice("named", ("c",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
            ToolChoice("required", ("f", "c")),
        ),
    ],
)
def test_a_tool_choice_is_read_in_every_form(given: Any, read: ToolChoice) -> None:
    assert ask(tool_choice=given).tool_choice == read


def test_tools_are_read_and_written() -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "description": "d", "strict": False}},
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
        {"type": "openrouter:web_search", "parameters": {"max_uses": 1}},
        {"type": "web_search", "web_search": {"enable": True}},
    ]
    chat = ask(tools=tools)
    assert [tool.name for tool in chat.tools] == [
        *("f", "g", "c"),
        *("openrouter:web_search", "web_search"),
    ]
    assert asked(chat)["tools"] == tools


def test_what_is_unknown_passes_and_null_does_not() -> None:
    given = {"metadata": {"a": "b"}, "store": True, "min_p": 0.1, "prediction": {"type": "content"}}
    chat = ask(**given, verbosity=None, stream=True, stream_options={"include_usage": False})
    assert chat.extra == given
    assert asked(chat).items() >= given.items()


def test_a_stream_asks_for_its_usage() -> None:
    body = write_chat(ask(), "other", stream=True).body
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["model"] == "other"


# ---- what other dialects say, for vendors of this one


def test_one_message_with_results_becomes_several() -> None:
    call = ToolCall("1", "f", "")
    result = ToolResult("1", "f", [Text("r")])
    chat = assistant(Text("t"), call)
    chat.messages.append(Message("user", [Text("and?"), result]))
    assert asked(chat)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "t",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "user", "content": "and?"},
    ]


def test_an_image_that_a_tool_gave_is_shown_by_the_user() -> None:
    chat = assistant(ToolCall("1", "f"), ToolCall("2", "f"))
    image = Image("AAEC", "image/png")
    chat.messages.append(
        Message(
            "user",
            [ToolResult("1", "f", [Text("r"), image]), ToolResult("2", "f", [image]), Text("so?")],
        )
    )
    *_, first, second, shown = asked(chat)["messages"]
    assert first["content"] == "r"
    assert second["content"] == "(The result is attached to the next message.)"
    assert [part["type"] for part in shown["content"]] == ["image_url", "image_url", "text"]


def test_an_image_that_a_model_made_is_shown_by_the_user_after_it() -> None:
    chat = assistant(Text("here"), Image("AAEC", "image/png"))
    *_, said_by_model, shown = asked(chat)["messages"]
    assert said_by_model == {"role": "assistant", "content": "here"}
    assert shown["role"] == "user"
    chat.messages.append(Message("user", [Text("nice")]))
    assert [part["type"] for part in asked(chat)["messages"][-1]["content"]] == [
        "image_url",
        "text",
    ]


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([Text("no such file")], "Error: no such file"),
        ([Text("Error 404")], "Error 404"),
        ([], "Error"),
    ],
)
def test_a_failed_tool_says_so_in_its_text(parts: list[Any], content: str) -> None:
    chat = assistant(ToolCall("1", "f"))
    chat.messages.append(Message("user", [ToolResult("1", "f", parts, is_error=True)]))
    assert asked(chat)["messages"][-1]["content"] == content


def test_documents_become_files_and_plain_ones_text() -> None:
    chat = user(
        Document(PDF, media_type="application/pdf"),
        Document(text="words", name="notes.txt"),
        Document(url="https://x.test/a.mp4", media_type="video/mp4"),
        Document("AAEC", media_type="audio/flac"),
        Document(native={"another": {}}),
    )
    assert asked(chat)["messages"][0]["content"] == [
        {
            "type": "file",
            "file": {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        },
        {"type": "text", "text": "notes.txt:\nwords"},
        {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "data:audio/flac;base64,AAEC"}},
    ]


def test_a_file_of_another_vendor_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        asked(user(Document(file_id="file_011abc")))
    assert refused.value.code == "unsupported_parameter"


def test_thoughts_go_back_in_every_form_in_which_they_are_understood() -> None:
    details = {"type": "reasoning.summary", "summary": "c"}
    chat = assistant(
        Thinking("a", "s"),
        Thinking(redacted="d"),
        Thinking("c", details=details),
        Thinking(details={"type": "reasoning", "id": "rs_1"}),
        Text("t", signature="g"),
        ToolCall("1", "f", "{}", signature="h"),
    )
    google = {"google": {"thought_signature": "g"}}
    message = asked(chat)["messages"][1]
    assert message["reasoning_content"] == "ac"
    assert message["thinking_blocks"] == [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
    ]
    assert [item["type"] for item in message["reasoning_details"]] == [
        "reasoning.text",
        "reasoning.encrypted",
        "reasoning.summary",
    ]
    assert message["extra_content"] == google
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "h"}}


def test_thoughts_go_back_under_the_vendors_name_or_not_at_all() -> None:
    chat = assistant(Thinking("a", "s"), Text("t"), ToolCall("1", "f", signature="h"))
    assert asked(chat, Accepts(thoughts="reasoning"))["messages"][1]["reasoning"] == "a"
    chunked = asked(chat, Accepts(thoughts="chunks"))["messages"][1]
    assert chunked["content"][0] == {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "a"}],
    }
    bare = asked(chat, Accepts(thoughts=None))["messages"][1]
    assert bare.keys() == {"role", "content", "tool_calls"}
    assert bare["tool_calls"][0].keys() == {"id", "type", "function"}


def test_marks_for_the_cache_are_written_where_they_are_known_and_named_where_not() -> None:
    chat = user(Text("q", MARK))
    chat.system = [Text("s", MARK)]
    chat.tools = [Tool("f", cache=MARK)]
    known = write_chat(chat, "m", stream=False, accepts=Accepts(cache_marks="cache_control"))
    assert known.dropped == []
    assert known.body["messages"][1]["content"] == [
        {"type": "text", "text": "q", "cache_control": MARK}
    ]
    assert known.body["tools"][0]["cache_control"] == MARK
    own = Accepts(cache_marks="prompt_cache_breakpoint")
    assert asked(chat, own)["messages"][0]["content"] == [
        {"type": "text", "text": "s", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    unknown = write_chat(chat, "m", stream=False)
    assert unknown.dropped == ["cache_control"]
    assert unknown.body["messages"][1]["content"] == "q"


def test_texts_are_joined_for_a_vendor_that_takes_no_arrays() -> None:
    chat = user(Text("a"), Text(""), Text("b"))
    assert len(asked(chat)["messages"][0]["content"]) == 2
    assert asked(chat, Accepts(text_parts=False))["messages"][0]["content"] == "a\n\nb"
    refusal = assistant(Text("a"), Refusal("no"))
    assert asked(refusal, Accepts(text_parts=False))["messages"][1]["content"] == "a\n\nno"


def test_hints_that_cannot_be_said_are_named() -> None:
    chat = user(Text("q"))
    chat.top_k = 5
    chat.extra = {"context_management": {}, "cachedContent": "x", "a.b": 1, "verbosity": "low"}
    written = write_chat(chat, "m", stream=False)
    assert written.dropped == ["top_k", "context_management", "cachedContent", "a.b"]
    assert written.body["verbosity"] == "low"
    assert asked(chat, Accepts(top_k=True))["top_k"] == 5


def test_another_vendors_service_tier_is_translated() -> None:
    chat = user(Text("q"))
    chat.extra = {"service_tier": "standard_only"}
    assert asked(chat)["service_tier"] == "default"


def test_a_custom_tool_of_responses_is_worded_for_chats() -> None:
    chat = user(Text("q"))
    grammar = {"syntax": "lark", "definition": "start: /a+/"}
    flat = {"type": "custom", "name": "c", "format": {"type": "grammar", **grammar}}
    chat.tools = [Tool("c", custom=flat)]
    nested = {"name": "c", "format": {"type": "grammar", "grammar": grammar}}
    assert asked(chat)["tools"] == [{"type": "custom", "custom": nested}]


def test_tools_that_another_vendor_runs_are_left_out_and_named() -> None:
    chat = user(Text("q"))
    chat.tools = [
        Tool("web_search", hosted={"type": "web_search_20250305", "name": "web_search"}),
        Tool("f"),
        Tool("googleSearch", hosted={"googleSearch": {}}),
        Tool("web_search", hosted={"type": "web_search"}),
    ]
    written = write_chat(chat, "m", stream=False)
    assert written.dropped == ["tools[0]", "tools[2]", "tools[3]"]
    assert written.body["tools"] == [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    "choice", [ToolChoice("named", ("web_search",)), ToolChoice("required", ("web_search",))]
)
def test_a_choice_of_a_tool_that_is_left_out_is_refused(choice: ToolChoice) -> None:
    chat = user(Text("q"))
    chat.tools = [Tool("web_search", hosted={"type": "web_search_20250305"}), Tool("f")]
    chat.tool_choice = choice
    with pytest.raises(BadRequest) as refused:
        asked(chat)
    assert refused.value.param == "tool_choice"
    assert refused.value.code == "unsupported_parameter"


def test_a_choice_among_no_tools_is_left_out_or_refused() -> None:
    chat = user(Text("q"))
    chat.tool_choice, chat.parallel_tool_calls = ToolChoice("auto"), False
    assert asked(chat).keys() == {"model", "messages"}
    chat.tool_choice = ToolChoice("required")
    with pytest.raises(BadRequest):
        asked(chat)


def test_some_tools_are_allowed_by_the_choice_or_by_what_is_offered() -> None:
    chat = user(Text("q"))
    chat.tools = [Tool("f"), Tool("g"), Tool("c", custom={"name": "c"})]
    chat.tool_choice = ToolChoice("auto", ("f", "c"))
    body = asked(chat)
    assert len(body["tools"]) == 3
    assert body["tool_choice"]["allowed_tools"]["tools"] == [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "c"}},
    ]
    plain = asked(chat, Accepts(allowed_tools=False))
    assert [tool["type"] for tool in plain["tools"]] == ["function", "custom"]
    assert plain["tool_choice"] == "auto"


def test_an_answer_in_anything_but_text_is_refused() -> None:
    chat = ask(modalities=["text", "audio"], audio={"voice": "x"})
    with pytest.raises(BadRequest) as refused:
        asked(chat)
    assert refused.value.param == "modalities"
    assert "modalities" not in asked(ask(modalities=["text"]))
