"""What clients of the Gemini dialect send, read as questions; and what of it is refused."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Format,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects.gemini import read_chat, read_count
from gateway.errors import BadRequest
from tests.upstream import Json, Upstream

Ask = Callable[[genai.Client], object]
BYTES = bytes(range(240, 256))  # in URL-safe base64 they need both of its own letters
DATA = "8PHy8/T19vf4+fr7/P3+/w=="


@pytest.fixture(scope="module")
def sent() -> Iterator[Callable[[Ask], dict[str, Any]]]:
    """The body that the SDK sends for a question."""
    answer = {"candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}}]}
    with Upstream() as upstream:
        options = types.HttpOptions(base_url=upstream.origin)
        upstream.always(Json(answer))
        with genai.Client(api_key="k", http_options=options) as client:

            def send(ask: Ask) -> dict[str, Any]:
                ask(client)
                body: dict[str, Any] = upstream.requests[-1].json
                return body

            yield send


def asks(contents: Any, **config: Any) -> Ask:
    def ask(client: genai.Client) -> object:
        settings = types.GenerateContentConfig(**config)
        return client.models.generate_content(model="m", contents=contents, config=settings)

    return ask


def test_a_question_of_the_sdk_with_all_its_settings(sent: Callable[[Ask], dict[str, Any]]) -> None:
    body = sent(
        asks(
            ["Look", types.Part.from_bytes(data=BYTES, mime_type="image/png")],
            system_instruction="Be brief",
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            max_output_tokens=99,
            stop_sequences=["END"],
            seed=7,
            candidate_count=2,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            response_mime_type="application/json",
            response_json_schema={"type": "object", "properties": {"a_b": {"type": "string"}}},
            thinking_config=types.ThinkingConfig(thinking_budget=1024, include_thoughts=True),
            safety_settings=[
                types.SafetySetting(
                    category=types.HarmCategory.HARM_CATEGORY_HATE_SPEECH,
                    threshold=types.HarmBlockThreshold.BLOCK_NONE,
                )
            ],
        )
    )
    assert read_chat(body) == Chat(
        [Message("user", [Text("Look"), Image(data=DATA, media_type="image/png")])],
        system=[Text("Be brief")],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=99,
        stop=["END"],
        seed=7,
        n=2,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        answer_format=Format(
            "json_schema", {"type": "object", "properties": {"a_b": {"type": "string"}}}
        ),
        reasoning=Reasoning(budget=1024, show=True),
        extra={
            "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
        },
    )


def test_tools_of_the_sdk_keep_their_parameters(sent: Callable[[Ask], dict[str, Any]]) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    either = types.Tool(
        function_declarations=[
            types.FunctionDeclaration(name="f", description="F", parameters_json_schema=schema),
            types.FunctionDeclaration(
                name="g",
                parameters=types.Schema(
                    type=types.Type.OBJECT,
                    properties={
                        "x": types.Schema(type=types.Type.INTEGER),
                        "y": types.Schema(
                            type=types.Type.ARRAY,
                            min_items=1,
                            items=types.Schema(type=types.Type.STRING, nullable=True, enum=["a"]),
                        ),
                        "z": types.Schema(
                            any_of=[types.Schema(type=types.Type.STRING)], nullable=True
                        ),
                    },
                    required=["x"],
                ),
            ),
            types.FunctionDeclaration(name="h"),
        ]
    )
    config = types.FunctionCallingConfig(
        mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["f", "g"]
    )
    hosted = types.Tool(google_search=types.GoogleSearch())
    body = sent(
        asks(
            "q",
            tools=[either, hosted],
            tool_config=types.ToolConfig(function_calling_config=config),
        )
    )
    chat = read_chat(body)
    assert chat.tools == [
        Tool("googleSearch", hosted={"googleSearch": {}}),
        Tool("f", "F", schema),
        Tool(
            "g",
            schema={
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "y": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": ["string", "null"], "enum": ["a", None]},
                    },
                    "z": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["x"],
            },
        ),
        Tool("h"),
    ]
    assert chat.tool_choice == ToolChoice("required", ("f", "g"))


def test_a_conversation_of_the_sdk_with_calls_and_their_results(
    sent: Callable[[Ask], dict[str, Any]],
) -> None:
    call = types.FunctionCall(name="f", args={"x": 1})
    body = sent(
        asks(
            [
                types.UserContent(parts=[types.Part(text="q")]),
                types.ModelContent(
                    parts=[
                        types.Part(text="I see", thought=True),
                        types.Part(function_call=call, thought_signature=BYTES),
                        types.Part(function_call=types.FunctionCall(id="c1", name="g")),
                    ]
                ),
                types.Content(
                    role="tool",
                    parts=[
                        types.Part.from_function_response(name="f", response={"output": "sun"}),
                        types.Part(
                            function_response=types.FunctionResponse(
                                id="c1",
                                name="g",
                                response={"a": [1]},
                                parts=[
                                    types.FunctionResponsePart.from_bytes(
                                        data=BYTES, mime_type="image/png"
                                    )
                                ],
                            )
                        ),
                        types.Part.from_bytes(data=BYTES, mime_type="image/jpeg"),
                    ],
                ),
            ]
        )
    )
    assert read_chat(body).messages == [
        Message("user", [Text("q")]),
        Message(
            "assistant",
            [
                Thinking("I see"),
                ToolCall("call_gw_0", "f", '{"x":1}', signature=DATA),
                ToolCall("c1", "g", "{}"),
            ],
        ),
        Message(
            "user",
            [
                ToolResult("call_gw_0", "f", [Text("sun")]),
                ToolResult("c1", "g", [Text('{"a":[1]}'), Image(DATA, "image/png")]),
                Image(DATA, "image/jpeg"),
            ],
        ),
    ]


def said(*parts: dict[str, Any], role: str | None = "user") -> dict[str, Any]:
    return {"parts": list(parts)} | ({"role": role} if role else {})


def question(*contents: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"contents": list(contents)} | more


def test_snake_case_says_the_same_as_camel_case() -> None:
    camel = {
        "contents": [said({"inlineData": {"mimeType": "image/png", "data": DATA}})],
        "systemInstruction": {"parts": [{"text": "s"}]},
        "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"thinkingLevel": "low"}},
        "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"], "mode": "any"}},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"a_b": 1}}]}],
        "cachedContent": "c",
    }
    snake = {
        "contents": [said({"inline_data": {"mime_type": "image/png", "data": DATA}})],
        "system_instruction": {"parts": [{"text": "s"}]},
        "generation_config": {
            "max_output_tokens": 5,
            "thinking_config": {"thinking_level": "low"},
        },
        "tool_config": {
            "function_calling_config": {"allowed_function_names": ["f"], "mode": "any"}
        },
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"a_b": 1}}]}],
        "cached_content": "c",
    }
    chat = read_chat(camel)
    assert read_chat(snake) == chat
    assert chat.tools[0].schema == {"a_b": 1}
    assert chat.tool_choice == ToolChoice("named", ("f",))
    assert chat.reasoning == Reasoning(effort="low", show=False)


def test_contents_may_be_one_object_without_a_role() -> None:
    chat = read_chat({"contents": {"parts": {"text": "q"}}})
    assert chat.messages == [Message("user", [Text("q")])]


def test_a_system_text_may_be_a_string_or_parts() -> None:
    assert read_chat(question(said({"text": "q"}), systemInstruction="s")).system == [Text("s")]
    assert read_chat(question(said({"text": "q"}), systemInstruction="")).system == []
    parts = {"role": "user", "parts": [{"text": "s"}, {"text": "t"}]}
    chat = read_chat(question(said({"text": "q"}), systemInstruction=parts))
    assert chat.system == [Text("s"), Text("t")]


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name} | more}


def result(name: str, output: str, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": output}} | more}


def results_of(*contents: dict[str, Any]) -> list[tuple[str, Any]]:
    chat = read_chat(question(said({"text": "q"}), *contents))
    return [
        (part.call_id, part.parts[0])
        for message in chat.messages
        for part in message.parts
        if isinstance(part, ToolResult)
    ]


def test_results_without_ids_are_matched_by_name_in_order() -> None:
    calls = said(call("f"), call("g"), call("f"), role="model")
    answers = said(result("g", "1"), result("f", "2"), result("f", "3"), role="function")
    assert results_of(calls, answers) == [
        ("call_gw_1", Text("1")),
        ("call_gw_0", Text("2")),
        ("call_gw_2", Text("3")),
    ]


def test_results_belong_to_the_last_step() -> None:
    calls = said(call("f"), role="model")
    answers = said(result("f", "1"))
    assert results_of(calls, answers, calls, answers) == [
        ("call_gw_0", Text("1")),
        ("call_gw_1", Text("1")),
    ]


def test_an_unknown_id_is_matched_by_name() -> None:
    calls = said(call("f"), role="model")
    assert results_of(calls, said(result("f", "1", id="x"))) == [("call_gw_0", Text("1"))]


def test_a_result_needs_no_name_if_it_has_an_id() -> None:
    calls = said(call("f", id="a"), call("g", id="b"), role="model")
    answer = {"functionResponse": {"id": "b", "response": {"output": "1"}}}
    assert results_of(calls, said(answer)) == [("b", Text("1"))]


def test_an_id_that_comes_again_is_made_unique() -> None:
    calls = said(call("f", id="a"), call("f", id="a"), role="model")
    answers = said(result("f", "1", id="a"), result("f", "2", id="a"))
    found = results_of(calls, answers, calls, answers)
    assert [id for id, _ in found] == ["a", "call_gw_1", "call_gw_2", "call_gw_3"]


def test_results_in_several_contents_become_one_message() -> None:
    chat = read_chat(
        question(
            said({"text": "q"}),
            said(call("f"), role="model"),
            said(call("g"), role="model"),
            said(result("g", "1"), role="function"),
            said({"text": "and"}, result("f", "2")),
        )
    )
    assert [type(part) for part in chat.messages[2].parts] == [ToolResult, ToolResult, Text]
    assert len(chat.messages) == 3 and len(chat.messages[1].parts) == 2


@pytest.mark.parametrize(
    ("response", "parts", "is_error"),
    [
        ({"output": "x"}, [Text("x")], False),
        ({"error": "x"}, [Text("x")], True),
        ({"result": "x"}, [Text('{"result":"x"}')], False),
        ({"output": {"a": 1}}, [Text('{"output":{"a":1}}')], False),
        ({"error": {"a": 1}}, [Text('{"error":{"a":1}}')], True),
        ({"error": None, "output": "x"}, [Text('{"error":null,"output":"x"}')], False),
        ({}, [], False),
        (None, [], False),
    ],
)
def test_what_a_function_gave(response: Any, parts: list[Any], is_error: bool) -> None:
    answer = {"functionResponse": {"name": "f", "response": response}}
    body = question(said({"text": "q"}), said(call("f"), role="model"), said(answer))
    assert read_chat(body).messages[2].parts == [
        ToolResult("call_gw_0", "f", parts, is_error=is_error)
    ]


def test_a_streamed_answer_that_comes_back_in_pieces_is_one_message() -> None:
    body = question(
        said({"text": "q"}),
        said({"text": "I th", "thought": True}, role="model"),
        said({"text": "ink", "thought": True}, role="model"),
        said({"text": "so"}, role="model"),
        said({"text": " it is"}, {"text": "", "thoughtSignature": DATA}, role="model"),
    )
    assert read_chat(body).messages[1:] == [
        Message("assistant", [Thinking("I think"), Text("so it is"), Text("", signature=DATA)])
    ]


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"inlineData": {"mimeType": "audio/wav", "data": DATA}}, Audio(DATA, "wav")),
        ({"inlineData": {"mimeType": "audio/mpeg", "data": DATA}}, Audio(DATA, "mp3")),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": DATA, "displayName": "a.pdf"}},
            Document(data=DATA, media_type="application/pdf", name="a.pdf"),
        ),
        (
            {"fileData": {"fileUri": "https://x/a.png", "mimeType": "image/png"}},
            Image(url="https://x/a.png", media_type="image/png"),
        ),
        (
            {
                "fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"},
                "videoMetadata": {"fps": 0.2},
            },
            Document(
                url="https://youtu.be/x",
                media_type="video/mp4",
                native={"gemini": {"videoMetadata": {"fps": 0.2}}},
            ),
        ),
        (
            {"inlineData": {"mimeType": "image/png", "data": "8PHy\n8/T19vf4-fr7_P3-_w"}},
            Image(DATA, "image/png"),
        ),
    ],
)
def test_media_are_known_by_their_type(part: dict[str, Any], read: Any) -> None:
    assert read_chat(question(said(part))).messages[0].parts == [read]


def test_code_that_gemini_ran_is_shown_as_text_and_kept_as_it_was() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1", "id": "x"}}
    ran = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2\n"}}
    body = question(said({"text": "q"}), said(code | {"thoughtSignature": DATA}, ran, role="model"))
    assert read_chat(body).messages[1].parts == [
        Text("\n```python\n1+1\n```\n", signature=DATA, native={"gemini": code}),
        Text("\n```\n2\n```\n", native={"gemini": ran}),
    ]


@pytest.mark.parametrize(
    "stand_in",
    [
        "skip_thought_signature_validator",
        urlsafe_b64encode(b"skip_thought_signature_validator").decode(),
    ],
)
def test_the_stand_in_for_a_signature_is_none(stand_in: str) -> None:
    part = call("f") | {"thoughtSignature": stand_in}
    body = question(said({"text": "q"}), said(part, role="model"))
    assert read_chat(body).messages[1].parts == [ToolCall("call_gw_0", "f", "{}")]


def test_what_has_no_word_of_its_own_is_kept_by_its_path() -> None:
    body = question(
        said({"text": "q"}),
        generationConfig={"responseModalities": ["TEXT"], "mediaResolution": "LOW", "a.b": 1},
        toolConfig={
            "functionCallingConfig": {"mode": "VALIDATED"},
            "includeServerSideToolInvocations": True,
        },
        serviceTier="standard",
        labels={"a": "b"},
        somethingNew=[1],
    )
    chat = read_chat(body)
    assert chat.tool_choice == ToolChoice("auto")
    assert chat.extra == {
        "modalities": ["text"],
        "generationConfig.mediaResolution": "LOW",
        "generationConfig.a.b": 1,
        "toolConfig.functionCallingConfig.mode": "VALIDATED",
        "toolConfig.includeServerSideToolInvocations": True,
        "service_tier": "default",
        "labels": {"a": "b"},
        "somethingNew": [1],
    }


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, None),
        ({"responseMimeType": "text/plain"}, None),
        ({"responseMimeType": "application/json"}, Format("json_object")),
        (
            {"responseSchema": {"type": "STRING", "enum": ["a"]}},
            Format("json_schema", {"type": "string", "enum": ["a"]}),
        ),
    ],
)
def test_the_form_of_the_answer(config: dict[str, Any], wanted: Format | None) -> None:
    assert read_chat(question(said({"text": "q"}), generationConfig=config)).answer_format == wanted


def test_another_form_of_answer_is_kept_as_it_was() -> None:
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}
    chat = read_chat(question(said({"text": "q"}), generationConfig=config))
    assert chat.answer_format is None
    assert chat.extra == {f"generationConfig.{name}": value for name, value in config.items()}


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"generateContentRequest": body}])
def test_tokens_are_counted_of_contents_or_of_a_whole_request(wrap: Any) -> None:
    body = question(said({"text": "q"}), systemInstruction="s", model="models/x")
    chat = read_count(wrap(body))
    assert (chat.messages, chat.system) == ([Message("user", [Text("q")])], [Text("s")])


TEXT = said({"text": "q"})
CALL = said(call("f"), role="model")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "q"}, "contents"),
        ({"contents": [1]}, "contents[0]"),
        (question({}), "contents[0].parts"),
        (question({"parts": []}), "contents[0].parts"),
        (question({"parts": "q"}), "contents[0].parts"),
        (question(said({"text": "q"}, role="assistant")), "contents[0].role"),
        (question({"role": 1, "parts": [{"text": "q"}]}), "contents[0].role"),
        (question(said({})), "contents[0].parts[0]"),
        (question(said({"tex": "q"})), "contents[0].parts[0]"),
        (question(said({"text": 1})), "contents[0].parts[0].text"),
        (
            question(said({"inlineData": {"data": DATA}})),
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            question(said({"inline_data": {"mime_type": "image/png", "data": "a"}})),
            "contents[0].parts[0].inlineData.data",
        ),
        (
            question(said({"inlineData": {"mimeType": "image/png", "data": "äöü="}})),
            "contents[0].parts[0].inlineData.data",
        ),
        (question(said({"fileData": {}})), "contents[0].parts[0].fileData.fileUri"),
        (
            question(said({"text": "q", "thoughtSignature": "a"})),
            "contents[0].parts[0].thoughtSignature",
        ),
        (question(said(call("f"))), "contents[0].parts[0].functionCall"),
        (
            question(TEXT, said({"functionCall": {}}, role="model")),
            "contents[1].parts[0].functionCall.name",
        ),
        (
            question(TEXT, said(call("f", args=[]), role="model")),
            "contents[1].parts[0].functionCall.args",
        ),
        (
            question(TEXT, said(result("f", "1"), role="model")),
            "contents[1].parts[0].functionResponse",
        ),
        (question(TEXT, said(result("f", "1"))), "contents[1].parts[0].functionResponse"),
        (
            question(TEXT, CALL, said(result("g", "1"))),
            "contents[2].parts[0].functionResponse",
        ),
        (
            question(TEXT, CALL, said(result("f", "1"), result("f", "2"))),
            "contents[2].parts[1].functionResponse",
        ),
        (
            question(TEXT, CALL, said({"functionResponse": {"response": {}}})),
            "contents[2].parts[0].functionResponse.name",
        ),
        (
            question(TEXT, CALL, said({"functionResponse": {"name": "f", "response": "x"}})),
            "contents[2].parts[0].functionResponse.response",
        ),
        (question(TEXT, systemInstruction=1), "systemInstruction"),
        (
            question(TEXT, systemInstruction={"parts": [{"inlineData": {}}]}),
            "systemInstruction.parts[0].text",
        ),
        (question(TEXT, tools=1), "tools"),
        (
            question(TEXT, tools=[{"functionDeclarations": [{}]}]),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            question(
                TEXT,
                tools=[
                    {
                        "functionDeclarations": [
                            {"name": "f", "parameters": {"properties": {"a": {"type": 1}}}}
                        ]
                    }
                ],
            ),
            "tools[0].functionDeclarations[0].parameters.properties.a.type",
        ),
        (
            question(TEXT, toolConfig={"functionCallingConfig": {"mode": "SOME"}}),
            "toolConfig.functionCallingConfig.mode",
        ),
        (question(TEXT, generationConfig=[]), "generationConfig"),
        (
            question(TEXT, generation_config={"temperature": "1"}),
            "generationConfig.temperature",
        ),
        (
            question(TEXT, generationConfig={"temperature": True}),
            "generationConfig.temperature",
        ),
        (question(TEXT, generationConfig={"topK": 1.5}), "generationConfig.topK"),
        (
            question(TEXT, generationConfig={"stopSequences": "x"}),
            "generationConfig.stopSequences",
        ),
        (
            question(TEXT, generationConfig={"thinkingConfig": {"thinkingLevel": "SOME"}}),
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(body: dict[str, Any], path: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat(body)
    assert refused.value.param == path
    assert f"`{path}`" in refused.value.message


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(900):
        schema = {"type": "ARRAY", "items": schema}
    body = question(TEXT, tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}])
    with pytest.raises(BadRequest):
        read_chat(body)


def test_arguments_nested_without_end_are_refused() -> None:
    arguments: dict[str, Any] = {}
    for _ in range(900):
        arguments = {"a": arguments}
    with pytest.raises(BadRequest) as refused:
        read_chat(question(TEXT, said(call("f", args=arguments), role="model")))
    assert refused.value.param == "contents[1].parts[0].functionCall.args"
