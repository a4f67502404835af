"""A question of this dialect in the canonical words."""

from typing import Any

import pytest

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Format,
    Image,
    Message,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects import anthropic, gemini, openai_chat
from gateway.dialects.responses import read_chat, stored_items
from gateway.errors import BadRequest
from tests.dialects.responses_sdk import RECORDINGS

PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def chat(*items: dict[str, Any], **fields: Any) -> Chat:
    return read_chat({"model": "m", "input": list(items), **fields})


def asked(**fields: Any) -> Chat:
    return read_chat({"model": "m", "input": "Hi", **fields})


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def parts(*given: dict[str, Any]) -> list[Any]:
    return chat(user(list(given))).messages[0].parts


def call(call_id: str = "c1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    members = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"type": "function_call", "id": f"fc_{call_id}", "status": "completed", **members}


def result(output: Any, call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


# ---- recorded questions


REFUSED = {
    "background": 4,
    "previous_response_id": 1,
    "input[6].type": 1,  # a compaction: OpenAI alone can read what it sealed
}


def test_recorded_questions_are_read_117_of_123() -> None:
    refused: dict[str, int] = {}
    for recording in RECORDINGS:
        try:
            assert read_chat(recording.request).messages
        except BadRequest as error:
            refused[str(error.param)] = refused.get(str(error.param), 0) + 1
    assert refused == REFUSED


def test_nothing_that_recorded_questions_say_is_lost() -> None:
    """All texts, calls and results of the items are found again, in their order."""
    for recording in RECORDINGS:
        given = recording.request["input"]
        try:
            found = read_chat(recording.request)
        except BadRequest:
            continue
        items = [user(given)] if isinstance(given, str) else given
        told = [part for message in found.messages for part in message.parts]
        calls = [item for item in items if item.get("type") == "function_call"]
        assert [part.id for part in told if isinstance(part, ToolCall) and not part.native] == [
            item["call_id"] for item in calls
        ]
        results = [item for item in items if item.get("type") == "function_call_output"]
        assert [
            part.call_id for part in told if isinstance(part, ToolResult) and not part.native
        ] == [item["call_id"] for item in results]
        thoughts = [item for item in items if item.get("type") == "reasoning"]
        assert [part.details for part in told if isinstance(part, Thinking)] == thoughts
        instructions = recording.request.get("instructions")
        systems = [item for item in items if item.get("role") == "system"]
        others = [item for item in items if item.get("role") != "system"]
        texts = [text for item in systems + others for text in texts_of(item) if text]
        assert [text.text for text in texts_in(found)] == [
            *([instructions] if instructions else []),
            *texts,
        ]


def texts_of(item: dict[str, Any]) -> list[str]:
    content = item.get("content")
    if item.get("type", "message") != "message" or content is None:
        return []
    return [content] if isinstance(content, str) else [p["text"] for p in content if "text" in p]


def texts_in(found: Chat) -> list[Text]:
    said = [part for message in found.messages for part in message.parts]
    return [*found.system, *(p for p in said if isinstance(p, Text) and p.text and not p.native)]


OTHERS: dict[str, Any] = {
    "gpt-4o": openai_chat.write_chat,
    "claude-sonnet-4-5": anthropic.write_chat,
    "gemini-2.5-flash": gemini.write_chat,
}
# Why another vendor cannot be asked: files and tools that only OpenAI has, log probabilities.
REASONS = ("file_id", "file's id", "of its own", "log probabilities")


@pytest.mark.parametrize(
    ("model", "least"), [("gpt-4o", 106), ("claude-sonnet-4-5", 102), ("gemini-2.5-flash", 103)]
)
def test_recorded_questions_can_be_asked_of_other_vendors(model: str, least: int) -> None:
    asked_of = 0
    for recording in RECORDINGS:
        try:
            question = read_chat(recording.request)
        except BadRequest:
            continue
        try:
            assert OTHERS[model](question, model, stream=False).body
            asked_of += 1
        except BadRequest as error:
            assert any(why in error.message for why in REASONS)
    assert asked_of >= least


# ---- what is said


def test_a_text_is_a_users_message() -> None:
    assert asked().messages == [Message("user", [Text("Hi")])]


def test_instructions_and_what_the_system_says_come_first() -> None:
    found = chat(
        {"role": "developer", "content": "Be kind."},
        user("Hi"),
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Now."}]},
        instructions="Be brief.",
    )
    assert found.system == [Text("Be brief."), Text("Be kind."), Text("Now.")]
    assert found.messages == [Message("user", [Text("Hi")])]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ({"type": "input_text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "input_image", "image_url": "http://a/b.png", "detail": "low"},
            Image(url="http://a/b.png", detail="low"),
        ),
        (
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            Image(PNG, "image/png"),
        ),
        ({"type": "input_image", "file_id": "file-1"}, Document(file_id="file-1")),
        (
            {
                "type": "input_file",
                "filename": "a.pdf",
                "file_data": "data:application/pdf;base64,JVBERi0=",
            },
            Document("JVBERi0=", media_type="application/pdf", name="a.pdf"),
        ),
        (
            {"type": "input_file", "filename": "a.txt", "file_data": "aGk="},
            Document("aGk=", media_type="text/plain", name="a.txt"),
        ),
        (
            {"type": "input_file", "file_url": "http://a/b.pdf"},
            Document(url="http://a/b.pdf", media_type="application/pdf"),
        ),
        ({"type": "input_file", "file_id": "file-1"}, Document(file_id="file-1")),
        (
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
            Audio("aGk=", "wav"),
        ),
        (
            {"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text("Hi", {"type": "ephemeral"}),
        ),
    ],
)
def test_parts_of_content(part: dict[str, Any], wanted: Any) -> None:
    assert parts(part) == [wanted]


def test_the_models_items_are_one_message() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    found = chat(
        user("Hi"),
        thought,
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "Hello", "annotations": []},
                {"type": "refusal", "refusal": "No."},
            ],
        },
        call("c1"),
        call("c2", "g", '{"a": 1}'),
        result("one", "c2"),
        result("two", "c1"),
        user("Go on."),
    )
    assert found.messages[1:] == [
        Message(
            "assistant",
            [
                Thinking(details=thought),
                Text("Hello"),
                Refusal("No."),
                ToolCall("c1", "f", "{}"),
                ToolCall("c2", "g", '{"a": 1}'),
            ],
        ),
        Message(
            "user",
            [
                ToolResult("c2", "g", [Text("one")]),
                ToolResult("c1", "f", [Text("two")]),
                Text("Go on."),
            ],
        ),
    ]


def test_what_the_user_said_between_comes_after_the_results() -> None:
    found = chat(call("c1"), call("c2"), result("a", "c1"), user("Stop!"), result("b", "c2"))
    assert [type(part) for part in found.messages[1].parts] == [ToolResult, ToolResult, Text]
    assert len(found.messages) == 2


def test_results_of_one_call_are_one() -> None:
    first, last = result("Half", "c1"), result("Done", "c1")
    parts = chat(call("c1", "f"), call("c2", "f"), first, result("x", "c2"), last).messages[1].parts
    assert parts == [
        ToolResult("c1", "f", [Text("Half"), Text("Done")]),
        ToolResult("c2", "f", [Text("x")]),
    ]
    twice = chat(call("c1", "f"), call("c1", "f"), first, last).messages[1].parts
    assert twice == [ToolResult("c1", "f", [Text("Half")]), ToolResult("c1", "f", [Text("Done")])]


def test_a_result_may_hold_images_and_files() -> None:
    given = [
        {"type": "input_text", "text": "Look:"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
        {"type": "input_file", "file_url": "http://a/b.pdf"},
    ]
    found = chat(call(), result(given)).messages[1].parts[0]
    assert isinstance(found, ToolResult)
    assert [type(part) for part in found.parts] == [Text, Image, Document]


def test_the_thoughts_of_a_reasoning_item_are_read() -> None:
    def thought(**members: Any) -> Any:
        item = {"type": "reasoning", "id": "rs_1", "summary": [], **members}
        return chat(user("Hi"), item).messages[1].parts[0]

    summary = [{"type": "summary_text", "text": text} for text in ("a", "b")]
    content = [{"type": "reasoning_text", "text": "c"}]
    assert thought(summary=summary, content=content).text == "a\n\nb"
    assert thought(content=content).text == "c"
    assert thought(content=None, encrypted_content="gAAA").text == ""


def test_custom_tools_are_called_with_text() -> None:
    found = chat(
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done"},
    )
    assert found.messages == [
        Message("assistant", [ToolCall("c1", "patch", "*** Begin", custom=True)]),
        Message("user", [ToolResult("c1", "patch", [Text("Done")])]),
    ]


def test_openais_own_local_tools_are_calls_too() -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    item = {"type": "local_shell_call", "id": "ls_1", "call_id": "c1", "action": action}
    output = {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"}
    said, given = chat(item, output).messages
    assert isinstance(said.parts[0], ToolCall) and isinstance(given.parts[0], ToolResult)
    assert (said.parts[0].name, said.parts[0].id) == ("local_shell", "c1")
    assert '"command":["ls"]' in said.parts[0].arguments
    assert given.parts[0].parts == [Text("a.txt")]


def test_a_screenshot_is_an_image() -> None:
    shot = {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"}
    found = chat(
        {"type": "computer_call", "call_id": "c1", "action": {"type": "screenshot"}},
        {"type": "computer_call_output", "call_id": "c1", "output": shot},
    )
    given = found.messages[1].parts[0]
    assert isinstance(given, ToolResult) and given.parts == [Image(PNG, "image/png")]


def test_what_openai_did_by_itself_says_nothing_to_others() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    (part,) = chat(user("Hi"), item).messages[1].parts
    assert part == Text("", native={"responses": {"item": item}})


def test_tools_that_were_found_are_offered() -> None:
    tool = {"type": "function", "name": "rate", "parameters": SCHEMA}
    search = {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {}}
    output = {"type": "tool_search_output", "call_id": "c1", "tools": [tool]}
    more = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    for items in ([search, output], [more], [search, output, more]):
        assert chat(user("Hi"), *items).tools == [Tool("rate", schema=SCHEMA)]


# ---- earlier responses


def test_a_question_goes_on_from_an_earlier_response() -> None:
    first = {"model": "m", "input": "Hi", "instructions": "Be brief."}
    response = {"output": [call("c1")]}
    earlier = stored_items(first, response)
    body = {"input": [result("42")], "previous_response_id": "resp_1", "instructions": "Be kind."}
    found = read_chat(body, earlier)
    assert found.system == [Text("Be kind.")]
    assert found.messages == [
        Message("user", [Text("Hi")]),
        Message("assistant", [ToolCall("c1", "f", "{}")]),
        Message("user", [ToolResult("c1", "f", [Text("42")])]),
    ]


def test_an_item_that_is_kept_may_be_referred_to() -> None:
    earlier = stored_items({"input": "Hi"}, {"output": [call("c1")]})
    reference = {"type": "item_reference", "id": "fc_c1"}
    body = {"input": [reference, result("42")], "previous_response_id": "resp_1"}
    found = read_chat(body, earlier)
    assert len(found.messages) == 3
    assert stored_items(body, {"output": []}) == [result("42")]


def test_nothing_new_need_be_said() -> None:
    earlier = stored_items({"input": [user("Hi")]}, {})
    assert read_chat({"previous_response_id": "resp_1"}, earlier).messages == [
        Message("user", [Text("Hi")])
    ]


def test_a_fault_in_an_earlier_item_names_where_it_comes_from() -> None:
    with pytest.raises(BadRequest) as caught:
        read_chat({"input": "Hi", "previous_response_id": "resp_1"}, [{"type": "new"}])
    assert caught.value.param == "previous_response_id[0].type"


# ---- tools


def test_tools_of_each_kind() -> None:
    search = {"type": "web_search", "search_context_size": "low"}
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
    found = asked(
        tools=[
            {"type": "function", "name": "f", "description": "F.", "parameters": SCHEMA},
            {"type": "function", "name": "g", "parameters": None, "strict": True},
            {"type": "custom", "name": "patch", "description": "P.", "format": grammar},
            search,
            {"type": "tool_search"},
            {
                "type": "namespace",
                "name": "mcp__git",
                "description": "Git.",
                "tools": [{"type": "function", "name": "log"}, {"type": "custom", "name": "x"}],
            },
        ]
    )
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}
    definition = {"name": "patch", "description": "P.", "format": nested}
    assert found.tools == [
        Tool("f", "F.", SCHEMA),
        Tool("g", strict=True),
        Tool("patch", "P.", custom=definition),
        Tool("web_search", hosted=search),
        Tool("mcp__git__log"),
        Tool("mcp__git__x", custom={"name": "mcp__git__x"}),
    ]


def test_a_call_of_a_namespaces_tool_has_the_name_under_which_it_is_offered() -> None:
    tool = {"type": "function", "name": "log"}
    space = {"type": "namespace", "name": "mcp__git__", "description": "Git.", "tools": [tool]}
    item = {**call("c1", "log"), "namespace": "mcp__git__"}
    found = chat(item, tools=[space]).messages[0].parts[0]
    assert isinstance(found, ToolCall) and found.name == "mcp__git__log"
    found = chat({**item, "namespace": "log"}, tools=[tool]).messages[0].parts[0]
    assert isinstance(found, ToolCall) and found.name == "log"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "web_search"}, ToolChoice("named", ("web_search",))),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            ToolChoice("required", ("f", "web_search")),
        ),
    ],
)
def test_tool_choices(given: Any, wanted: ToolChoice) -> None:
    assert asked(tool_choice=given).tool_choice == wanted


# ---- settings


def test_settings() -> None:
    found = asked(
        max_output_tokens=99,
        temperature=0.5,
        top_p=0.9,
        parallel_tool_calls=False,
        user="u",
    )
    assert (found.max_tokens, found.temperature, found.top_p) == (99, 0.5, 0.9)
    assert (found.parallel_tool_calls, found.user) == (False, "u")


def test_formats_of_the_answer() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
    assert asked(text={"format": schema}).answer_format == Format("json_schema", SCHEMA, "n", True)
    assert asked(text={"format": {"type": "json_object"}}).answer_format == Format("json_object")
    plain = asked(text={"format": {"type": "text"}, "verbosity": "low"})
    assert plain.answer_format is None
    assert plain.extra == {"verbosity": "low"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"effort": "low"}, Reasoning("low")),
        ({"effort": "high", "summary": "auto"}, Reasoning("high", show=True)),
        ({"effort": None, "summary": None}, Reasoning()),
        ({"generate_summary": "concise"}, Reasoning(show=True)),
    ],
)
def test_reasoning(given: dict[str, Any], wanted: Reasoning) -> None:
    found = asked(reasoning=given).reasoning
    wanted.native = {"responses": given}
    assert found == wanted
    assert asked(reasoning={}).reasoning is None


def test_log_probabilities_are_asked_for_by_name() -> None:
    found = asked(include=["message.output_text.logprobs"], top_logprobs=3)
    assert (found.logprobs, found.top_logprobs) == (True, 3)
    assert asked(top_logprobs=3).top_logprobs is None


def test_hints_are_kept_by_their_names_and_the_doors_own_are_not() -> None:
    found = asked(
        store=False,
        stream=True,
        stream_options={"include_obfuscation": False},
        metadata={"a": "b"},
        client_metadata={"c": "d"},
        include=["reasoning.encrypted_content", "web_search_call.action.sources"],
        prompt_cache_key="k",
        service_tier="flex",
        truncation="auto",
        context_management=[{"type": "compaction"}],
        background=False,
        conversation=None,
    )
    assert found.extra == {
        "include": ["web_search_call.action.sources"],
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "truncation": "auto",
        "context_management[0]": [{"type": "compaction"}],
    }


def test_what_codex_sends_is_refused_by_no_vendor() -> None:
    question = chat(
        user([{"type": "input_text", "text": "List the files."}]),
        instructions="You are a coding agent.",
        tools=[{"type": "function", "name": "shell", "strict": False, "parameters": SCHEMA}],
        tool_choice="auto",
        parallel_tool_calls=True,
        reasoning={"effort": "medium", "summary": "auto"},
        store=False,
        stream=True,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        text={"verbosity": "medium"},
        client_metadata={"a": "b"},
    )
    written = anthropic.write_chat(question, "claude-sonnet-4-5", stream=True)
    assert set(written.dropped) == {"prompt_cache_key", "verbosity"}
    written = openai_chat.write_chat(question, "m", stream=True)
    assert written.dropped == []
    assert gemini.write_chat(question, "gemini-2.5-flash", stream=True).body["contents"]


# ---- what is wrong


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 5}]}, "tools[0].parameters"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"name": "f"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x"}}, "tool_choice.mode"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}},
            "tool_choice.tools",
        ),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_chat({"model": "m", "input": "Hi", **fields})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "user"}, "input[1].content"),
        ({"role": "tool", "content": "Hi"}, "input[1].role"),
        ({"type": "new_item"}, "input[1].type"),
        ({"type": "compaction", "encrypted_content": "x"}, "input[1].type"),
        ({"type": "item_reference", "id": "rs_1"}, "input[1].id"),
        (user([{"type": "text", "text": "Hi"}]), "input[1].content[0].type"),
        (user([{"type": "input_text"}]), "input[1].content[0].text"),
        (user([{"type": "input_image"}]), "input[1].content[0].file_id"),
        (
            user([{"type": "input_image", "image_url": "data:image/png;base64,%%%"}]),
            "input[1].content[0].image_url",
        ),
        (user([{"type": "input_file", "file_data": "%%%"}]), "input[1].content[0].file_data"),
        ({"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}, "input[1]"),
        (call(arguments="{"), "input[1].arguments"),
        ({**call(), "name": ""}, "input[1].name"),
        ({**call(), "call_id": None}, "input[1].call_id"),
        (result("x", "c9"), "input[1].call_id"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "p"}, "input[1].input"),
        ({"type": "tool_search_output", "tools": 5}, "input[1].tools"),
        ({"type": "additional_tools", "tools": [{}]}, "input[1].tools[0].type"),
    ],
)
def test_the_path_of_what_is_wrong_is_named(item: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        chat(user("Hi"), item)
    assert str(caught.value.param).startswith(param)
