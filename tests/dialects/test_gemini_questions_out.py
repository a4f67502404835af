"""Questions as they are put to Gemini models: what is said, what is left out, what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Effort,
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
from gateway.dialects.gemini import read_chat, write_chat
from gateway.errors import BadRequest

OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
QUESTION = Message("user", [Text("q")])
DATA = "8PHy8/T19vf4+fr7/P3+/w=="


def asked(*messages: Message, **more: Any) -> Chat:
    return Chat([QUESTION, *messages], **more)


def contents(chat: Chat, model: str = OLD) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = write_chat(chat, model, stream=True).body["contents"]
    return written


def test_a_question_with_all_that_gemini_has_words_for() -> None:
    chat = asked(
        system=[Text("Be"), Text("brief")],
        tools=[Tool("f", "F", {"type": "object", "additionalProperties": False}), Tool("g")],
        tool_choice=ToolChoice("named", ("f",)),
        answer_format=Format("json_schema", {"$ref": "#/x"}, name="n", strict=True),
        reasoning=Reasoning("low"),
        max_tokens=9,
        temperature=0.1,
        top_p=0.2,
        top_k=3,
        stop=["x"],
        seed=4,
        n=2,
        presence_penalty=0.5,
        frequency_penalty=0.6,
    )
    written = write_chat(chat, OLD, stream=False)
    assert written.dropped == []
    assert written.body == {
        "systemInstruction": {"parts": [{"text": "Be"}, {"text": "brief"}]},
        "contents": [{"role": "user", "parts": [{"text": "q"}]}],
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "f",
                        "description": "F",
                        "parametersJsonSchema": {"type": "object", "additionalProperties": False},
                    },
                    {"name": "g"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {
            "maxOutputTokens": 9,
            "temperature": 0.1,
            "topP": 0.2,
            "topK": 3,
            "stopSequences": ["x"],
            "seed": 4,
            "candidateCount": 2,
            "presencePenalty": 0.5,
            "frequencyPenalty": 0.6,
            "responseMimeType": "application/json",
            "responseJsonSchema": {"$ref": "#/x"},
            "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
        },
    }


CALLS = Message("assistant", [Text("I look"), ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "")])


def test_all_results_of_a_step_stand_in_one_content_in_the_order_of_its_calls() -> None:
    chat = asked(
        CALLS,
        Message("user", [ToolResult("c2", None, [Text("2")])]),
        Message("user", [ToolResult("c1", None, [Text('{"a":1}')]), Text("go on")]),
    )
    assert contents(chat)[1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "I look"},
                {"functionCall": {"id": "c1", "name": "f", "args": {}}},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"a": 1}}},
                {"functionResponse": {"id": "c2", "name": "g", "response": {"output": "2"}}},
                {"text": "go on"},
            ],
        },
    ]


def test_ids_that_the_gateway_made_are_left_out() -> None:
    body = {
        "contents": [
            {"parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
            {"parts": [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]},
        ]
    }
    _, call, result = contents(read_chat(body))
    assert call["parts"] == [{"functionCall": {"name": "f", "args": {}}}]
    assert result["parts"] == [{"functionResponse": {"name": "f", "response": {"output": "x"}}}]


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("c", "f", [Text("x"), Text("y")]), {"output": "x\ny"}),
        (ToolResult("c", "f", [Text("[1]")]), {"output": "[1]"}),
        (ToolResult("c", "f", [Text("{broken")]), {"output": "{broken"}),
        (ToolResult("c", "f", [Text("")]), {"output": ""}),
        (ToolResult("c", "f", []), {}),
        (ToolResult("c", "f", [Text("x")], is_error=True), {"error": "x"}),
        (ToolResult("c", "f", [Text('{"a":1}')], is_error=True), {"error": '{"a":1}'}),
        (ToolResult("c", "f", [Text('{"error":1}')], is_error=True), {"error": 1}),
        (ToolResult("c", "f", [], is_error=True), {"error": ""}),
        (ToolResult("c", "f", [Document(text="doc")]), {"output": "doc"}),
    ],
)
def test_a_result_is_always_an_object(result: ToolResult, response: dict[str, Any]) -> None:
    chat = asked(Message("assistant", [ToolCall("c", "f")]), Message("user", [result]))
    assert contents(chat)[2]["parts"][0]["functionResponse"]["response"] == response


def test_images_in_results_go_inside_for_gemini_3_and_beside_before_it() -> None:
    image = Image(DATA, "image/png")
    blob = {"inlineData": {"mimeType": "image/png", "data": DATA}}
    chat = asked(CALLS, Message("user", [ToolResult("c1", "f", [Text("see"), image]), Text("?")]))
    inside = contents(chat, NEW)[2]["parts"]
    beside = contents(chat, OLD)[2]["parts"]
    assert inside[0]["functionResponse"]["parts"] == [blob]
    assert inside[1:] == [{"text": "?"}]
    assert "parts" not in beside[0]["functionResponse"]
    assert beside[1:] == [blob, {"text": "?"}]


def test_a_result_without_its_call_is_refused() -> None:
    with pytest.raises(BadRequest):
        contents(asked(Message("user", [ToolResult("c9")])))


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("", {}),
        ("  ", {}),
        ('{"a": [1.5, null]}', {"a": [1.5, None]}),
        ("[1]", {"arguments": [1]}),
        ("{broken", {"arguments": "{broken"}),
    ],
)
def test_arguments_are_always_an_object(arguments: str, args: dict[str, Any]) -> None:
    chat = asked(Message("assistant", [ToolCall("c", "f", arguments)]))
    assert contents(chat)[1]["parts"][0]["functionCall"]["args"] == args


def signatures(model: str, *calls: ToolCall) -> list[str | None]:
    parts = contents(asked(Message("assistant", [Text("t"), *calls])), model)[1]["parts"]
    return [part.get("thoughtSignature") for part in parts[1:]]


def test_the_first_call_of_a_step_has_a_signature_for_gemini_3() -> None:
    calls = [ToolCall("a", "f"), ToolCall("b", "f")]
    signed = [ToolCall("a", "f", signature=DATA), ToolCall("b", "f")]
    assert signatures(NEW, *calls) == ["skip_thought_signature_validator", None]
    assert signatures(NEW, *signed) == [DATA, None]
    assert signatures(OLD, *calls) == [None, None]
    assert signatures(OLD, *signed) == [DATA, None]


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Text("t", signature=DATA), {"text": "t", "thoughtSignature": DATA}),
        (Text("", signature=DATA), {"text": "", "thoughtSignature": DATA}),
        (
            Text("shown", native={"gemini": {"executableCode": {"code": "1"}}}),
            {"executableCode": {"code": "1"}},
        ),
        (Text("shown", native={"anthropic": {"type": "x"}}), {"text": "shown"}),
        (Refusal("no"), {"text": "no"}),
        (Thinking("hm", signature="another vendor's"), {"text": "hm", "thought": True}),
        (Thinking(redacted="x"), None),
        (Text("", native={"anthropic": {"type": "x"}}), None),
    ],
)
def test_parts_of_an_answer_come_back(part: Any, written: dict[str, Any] | None) -> None:
    parts = contents(asked(Message("assistant", [Text("a", signature="c2ln"), part])))[1]["parts"]
    assert parts[1:] == ([written] if written else [])


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Audio(DATA, "mp3"), {"inlineData": {"mimeType": "audio/mp3", "data": DATA}}),
        (
            Document(data=DATA, media_type="application/pdf", name="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": DATA}},
        ),
        (
            Document(data=DATA, name="a.pdf"),
            {"inlineData": {"mimeType": "application/pdf", "data": DATA}},
        ),
        (Document(text="plain"), {"text": "plain"}),
        (
            Image(url="https://x/a.JPG?size=1"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x/a.JPG?size=1"}},
        ),
        (Image(url="https://x/a"), {"fileData": {"fileUri": "https://x/a"}}),
        (
            Document(
                url="https://youtu.be/x",
                media_type="video/mp4",
                native={"gemini": {"videoMetadata": {"fps": 1}}},
            ),
            {
                "fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"},
                "videoMetadata": {"fps": 1},
            },
        ),
    ],
)
def test_media(part: Any, written: dict[str, Any]) -> None:
    assert contents(Chat([Message("user", [part])]))[0]["parts"] == [written]


def test_a_system_text_alone_is_the_question() -> None:
    body = write_chat(Chat([], system=[Text("s")]), OLD, stream=False).body
    assert body == {"contents": [{"role": "user", "parts": [{"text": "s"}]}]}


def test_the_user_has_the_first_turn() -> None:
    chat = Chat([Message("assistant", [Text("Hello")]), QUESTION])
    assert [turn["role"] for turn in contents(chat)] == ["user", "model", "user"]
    assert contents(Chat([])) == [{"role": "user", "parts": [{"text": " "}]}]


def test_an_empty_turn_stays_and_a_turn_that_cannot_be_told_goes() -> None:
    empty = asked(Message("assistant", [Text("")]), QUESTION)
    hidden = asked(Message("assistant", [Thinking(redacted="x")]), QUESTION)
    assert [turn["parts"] for turn in contents(empty)][1] == [{"text": ""}]
    assert len(contents(hidden)) == 2


@pytest.mark.parametrize(
    ("model", "reasoning", "wanted"),
    [
        ("gemini-3-pro-preview", Reasoning("minimal"), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", Reasoning("medium"), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", Reasoning("max"), {"thinkingLevel": "HIGH"}),
        ("gemini-3.1-pro-preview", Reasoning("medium"), {"thinkingLevel": "MEDIUM"}),
        ("gemini-3-flash-preview", Reasoning("minimal"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", Reasoning("minimal"), {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", Reasoning("high"), {"thinkingLevel": "HIGH"}),
        ("gemini-4-pro", Reasoning("xhigh"), {"thinkingLevel": "XHIGH"}),
        ("gemini-4-pro", Reasoning("max"), {"thinkingLevel": "XHIGH"}),
        ("gemini-3-flash", Reasoning(budget=9000), {"thinkingLevel": "MEDIUM"}),
        ("models/gemini-2.5-flash", Reasoning("high"), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Reasoning("max"), {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", Reasoning(budget=-1), {"thinkingBudget": -1}),
        ("gemini-2.5-pro", Reasoning("max"), {"thinkingBudget": 32768}),
        ("gemini-2.5-pro", Reasoning(budget=99999), {"thinkingBudget": 32768}),
        ("gemini-2.5-flash-lite", Reasoning(budget=100), {"thinkingBudget": 512}),
    ],
)
def test_how_much_to_think(model: str, reasoning: Reasoning, wanted: dict[str, Any]) -> None:
    config = write_chat(asked(reasoning=reasoning), model, stream=False).body["generationConfig"]
    assert config["thinkingConfig"] == wanted | {"includeThoughts": True}


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro", {"thinkingLevel": "LOW"}),
    ],
)
@pytest.mark.parametrize("reasoning", [Reasoning("none"), Reasoning(budget=0)])
def test_not_to_think(model: str, reasoning: Reasoning, wanted: dict[str, Any]) -> None:
    config = write_chat(asked(reasoning=reasoning), model, stream=False).body["generationConfig"]
    assert config["thinkingConfig"] == wanted


@pytest.mark.parametrize(
    ("reasoning", "dropped"),
    [
        (Reasoning("high"), ["reasoning_effort"]),
        (Reasoning(budget=1024), ["reasoning_effort"]),
        (Reasoning("none"), []),
        (Reasoning(budget=-1), []),
        (Reasoning(show=True), []),
    ],
)
@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemma-3-27b-it"])
def test_a_model_that_does_not_think(model: str, reasoning: Reasoning, dropped: list[str]) -> None:
    written = write_chat(asked(reasoning=reasoning), model, stream=False)
    assert "generationConfig" not in written.body
    assert written.dropped == dropped


def test_thoughts_are_shown_unless_they_were_not_wanted() -> None:
    def shown(effort: Effort | None, show: bool | None) -> dict[str, Any]:
        chat = asked(reasoning=Reasoning(effort, show=show))
        body = write_chat(chat, OLD, stream=False).body
        found: dict[str, Any] = body.get("generationConfig", {}).get("thinkingConfig", {})
        return found

    assert shown(None, True) == {"includeThoughts": True}
    assert shown("low", False) == {"thinkingBudget": 1024}
    assert shown(None, False) == {}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", ("f", "g")), {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
    ],
)
def test_which_tool_to_call(choice: ToolChoice, config: dict[str, Any]) -> None:
    body = write_chat(asked(tools=[Tool("f")], tool_choice=choice), OLD, stream=False).body
    assert body["toolConfig"] == {"functionCallingConfig": config}


def test_tools_that_are_not_allowed_are_not_shown() -> None:
    chat = asked(tools=[Tool("f"), Tool("g")], tool_choice=ToolChoice("auto", ("g",)))
    body = write_chat(chat, OLD, stream=False).body
    assert body["tools"] == [{"functionDeclarations": [{"name": "g"}]}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


def test_tools_that_gemini_runs_itself_have_entries_of_their_own() -> None:
    tools = [Tool("googleSearch", hosted={"googleSearch": {}}), Tool("f")]
    body = write_chat(asked(tools=tools), OLD, stream=False).body
    assert body["tools"] == [{"googleSearch": {}}, {"functionDeclarations": [{"name": "f"}]}]


def test_what_a_function_gives_stays_in_its_declaration() -> None:
    declared = {"name": "f", "responseJsonSchema": {"type": "string"}}
    body = {
        "contents": [{"parts": [{"text": "q"}]}],
        "tools": [{"functionDeclarations": [declared]}],
    }
    assert write_chat(read_chat(body), OLD, stream=False).body["tools"] == body["tools"]


def test_hints_without_a_word_are_named() -> None:
    chat = asked(
        Message("user", [Image(DATA, "image/png", detail="low", cache={"type": "ephemeral"})]),
        Message("user", [Text("a")], name="Ann"),
        tools=[Tool("f", strict=True)],
        user="u",
        parallel_tool_calls=True,
        extra={"logit_bias": {"1": 2}, "store": True, "metadata": {}, "service_tier": "scale"},
    )
    written = write_chat(chat, OLD, stream=False)
    assert sorted(written.dropped) == [
        "cache_control",
        "detail",
        "logit_bias",
        "metadata",
        "name",
        "service_tier",
        "store",
        "strict",
        "user",
    ]


@pytest.mark.parametrize(
    ("model", "dropped"),
    [
        ("gemini-3.5-flash", []),
        ("gemini-3.5-flash-lite", ["presence_penalty", "frequency_penalty"]),
        ("gemini-3.6-flash", ["presence_penalty", "frequency_penalty"]),
    ],
)
def test_penalties_are_left_out_where_they_are_an_error(model: str, dropped: list[str]) -> None:
    chat = asked(presence_penalty=1.0, frequency_penalty=0.5)
    written = write_chat(chat, model, stream=False)
    assert written.dropped == dropped
    assert ("generationConfig" in written.body) is not bool(dropped)


def test_fields_that_only_gemini_has_go_back_to_it() -> None:
    extra = {
        "safetySettings": [{"category": "c"}],
        "cachedContent": "c",
        "generationConfig.mediaResolution": "LOW",
        "toolConfig.includeServerSideToolInvocations": True,
        "toolConfig.functionCallingConfig.mode": "VALIDATED",
        "modalities": ["text", "image"],
        "service_tier": "priority",
    }
    chat = asked(tools=[Tool("f")], tool_choice=ToolChoice("auto"), extra=extra)
    written = write_chat(chat, OLD, stream=False)
    assert written.dropped == []
    body = written.body
    assert body["safetySettings"] == [{"category": "c"}]
    assert body["cachedContent"] == "c"
    assert body["serviceTier"] == "priority"
    assert body["generationConfig"] == {
        "mediaResolution": "LOW",
        "responseModalities": ["TEXT", "IMAGE"],
    }
    assert body["toolConfig"] == {
        "functionCallingConfig": {"mode": "VALIDATED"},
        "includeServerSideToolInvocations": True,
    }


@pytest.mark.parametrize("tier", [{}, [], 1, None])
def test_a_service_tier_that_is_no_word_is_dropped(tier: Any) -> None:
    written = write_chat(asked(extra={"service_tier": tier}), OLD, stream=False)
    assert "serviceTier" not in written.body
    assert written.dropped == ["service_tier"]


def test_the_usual_service_tier_goes_without_saying() -> None:
    written = write_chat(asked(extra={"service_tier": "auto"}), OLD, stream=False)
    assert written.dropped == [] and "serviceTier" not in written.body


@pytest.mark.parametrize(
    ("chat", "param"),
    [
        (lambda: asked(tools=[Tool("f", custom={"name": "f"})]), "tools"),
        (lambda: asked(tools=[Tool("w", hosted={"type": "web_search"})]), "tools[0]"),
        (lambda: asked(extra={"modalities": ["text", "audio"]}), "modalities"),
        (lambda: asked(Message("user", [Document(file_id="file-1")])), "file_id"),
    ],
)
def test_what_changes_the_meaning_is_refused(chat: Callable[[], Chat], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        write_chat(chat(), OLD, stream=False)
    assert (refused.value.param, refused.value.code) == (param, "unsupported_parameter")


def test_one_call_at_a_time_is_no_matter_without_tools() -> None:
    written = write_chat(asked(parallel_tool_calls=False), OLD, stream=False)
    assert written.dropped == []


def test_log_probabilities_are_asked_for() -> None:
    body = write_chat(asked(logprobs=True, top_logprobs=2), OLD, stream=False)
    assert body.body["generationConfig"] == {"responseLogprobs": True, "logprobs": 2}
    silent = write_chat(asked(logprobs=False), OLD, stream=False)
    assert "generationConfig" not in silent.body
