"""What holds for every question and every answer of the Gemini dialect."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

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
from gateway.dialects.gemini import (
    StreamReader,
    StreamWriter,
    read_answer,
    read_chat,
    write_answer,
    write_chat,
)
from gateway.errors import BadRequest
from tests.dialects.gemini_sdk import CHATS, WHOLE
from tests.upstream import Recording

MODEL = "gemini-3-flash-preview"

text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
word = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
base64 = st.binary(min_size=1, max_size=20).map(lambda data: b64encode(data).decode())
signature = st.none() | base64
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=3),
    max_leaves=8,
)
json_object = st.dictionaries(word, json_value, max_size=3)


texts = st.builds(Text, text, signature=signature)
images = st.one_of(
    st.builds(Image, data=base64, media_type=st.sampled_from(["image/png", "image/webp"])),
    st.builds(
        Image,
        url=word.map(lambda name: f"https://x/{name}"),
        media_type=st.just("image/jpeg"),
        signature=signature,
    ),
)
documents = st.one_of(
    st.builds(Document, data=base64, media_type=st.just("application/pdf")),
    st.builds(
        Document,
        url=word.map(lambda name: f"gs://{name}"),
        media_type=st.just("video/mp4"),
        native=st.none() | st.just({"gemini": {"videoMetadata": {"fps": 1}}}),
    ),
)
said: st.SearchStrategy[list[Any]] = st.lists(
    texts | images | documents | st.builds(Audio, base64, st.sampled_from(["wav", "mp3"])),
    min_size=1,
    max_size=3,
)
result_parts = st.tuples(
    st.one_of(
        st.just([]),
        st.builds(Text, text.filter(lambda said: not said.lstrip().startswith("{"))).map(
            lambda part: [part]
        ),
        json_object.filter(lambda found: found and not {"error", "output"} & found.keys()).map(
            lambda found: [Text(orjson.dumps(found).decode())]
        ),
    ),
    st.lists(images | documents, max_size=2),
).map(lambda both: [*both[0], *both[1]])


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """As Gemini can say them: turns alternate, and calls have their results next."""
    messages = [Message("user", draw(said))]
    for step in range(draw(st.integers(0, 3))):
        calls = [
            ToolCall(f"c{step}_{number}", draw(word), orjson.dumps(draw(json_object)).decode())
            for number in range(draw(st.integers(0, 2)))
        ]
        if calls:
            calls[0].signature = draw(base64)
        spoken: list[Any] = draw(st.sampled_from([[], [Thinking("hm")]]))
        spoken = spoken + ([draw(texts)] if draw(st.booleans()) or not calls else [])
        messages.append(Message("assistant", [*spoken, *calls]))
        results = [ToolResult(call.id, call.name, draw(result_parts)) for call in calls]
        others = draw(said) if not results or draw(st.booleans()) else []
        messages.append(Message("user", [*results, *others]))
    return messages


functions = st.lists(
    st.builds(Tool, word, st.none() | text, st.none() | json_object),
    max_size=3,
    unique_by=lambda tool: tool.name,
)


@st.composite
def questions(draw: st.DrawFn) -> Chat:
    tools = draw(functions)
    chat = Chat(
        draw(conversations()),
        system=draw(st.lists(st.builds(Text, text), max_size=2)),
        tools=[*tools, *draw(st.sampled_from([[], [Tool("x", hosted={"x": {}})]]))],
        answer_format=draw(
            st.none()
            | st.just(Format("json_object"))
            | st.builds(Format, st.just("json_schema"), json_object)
        ),
        reasoning=draw(
            st.none()
            | st.just(Reasoning(show=True))
            | st.builds(
                Reasoning, st.sampled_from(["minimal", "low", "medium", "high"]), show=st.just(True)
            )
        ),
        max_tokens=draw(st.none() | st.integers(1, 10**6)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(1, 100)),
        stop=draw(st.lists(text, max_size=2)),
        seed=draw(st.none() | st.integers(0, 2**31)),
        n=draw(st.none() | st.integers(1, 4)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        extra=draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "safetySettings": st.lists(json_object, max_size=2),
                    "cachedContent": text,
                    "service_tier": st.sampled_from(["flex", "default", "priority"]),
                    "modalities": st.just(["text"]),
                    "generationConfig.mediaResolution": text,
                    "toolConfig.includeServerSideToolInvocations": st.booleans(),
                },
            )
        ),
    )
    if tools:
        names = tuple(tool.name for tool in tools)
        choices = [ToolChoice("none"), ToolChoice("auto"), ToolChoice("required")]
        choices.append(ToolChoice("named" if len(names) == 1 else "required", names))
        chat.tool_choice = draw(st.none() | st.sampled_from(choices))
    return chat


@settings(max_examples=150, deadline=None)
@given(questions())
def test_what_gemini_can_say_is_read_as_it_was_written(chat: Chat) -> None:
    written = write_chat(chat, MODEL, stream=False)
    assert written.dropped == []
    assert read_chat(orjson.loads(orjson.dumps(written.body))) == chat


NAMES = [
    *("contents", "role", "parts", "text", "thought", "thoughtSignature", "thought_signature"),
    *("inlineData", "inline_data", "mimeType", "data", "fileData", "fileUri", "functionCall"),
    *("functionResponse", "function_response", "name", "id", "args", "response", "output"),
    *("executableCode", "code", "language", "tools", "functionDeclarations", "parameters"),
    *("type", "properties", "items", "anyOf", "nullable", "enum", "minItems", "toolConfig"),
    *("functionCallingConfig", "mode", "allowedFunctionNames", "generationConfig", "topK"),
    *("thinkingConfig", "thinkingLevel", "thinkingBudget", "responseSchema", "serviceTier"),
    *("responseMimeType", "responseModalities", "systemInstruction", "safetySettings"),
    *("candidates", "content", "index", "finishReason", "finishMessage", "usageMetadata"),
    *("promptTokenCount", "promptTokensDetails", "modality", "tokenCount", "error", "modelVersion"),
    *("groundingMetadata", "promptFeedback", "blockReason", "responseId", "codeExecutionResult"),
]
WORDS = ["user", "model", "function", "STOP", "SAFETY", "ANY", "OBJECT", "AAAA", "image/png", "f"]
leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | text
)
anything = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
        | st.dictionaries(text, inner, max_size=2)
    ),
    max_leaves=25,
)
part = st.dictionaries(st.sampled_from(NAMES), anything, max_size=3)
content = st.fixed_dictionaries(
    {"parts": st.lists(part, max_size=3)}, optional={"role": st.sampled_from(WORDS[:3])}
)
plausible = st.fixed_dictionaries(
    {"contents": st.lists(content, max_size=3)},
    optional={name: anything for name in ("tools", "generationConfig", "toolConfig", "labels")},
)


@settings(max_examples=200, deadline=None)
@given(anything | plausible)
def test_any_json_is_a_question_or_refused(body: Any) -> None:
    ask(body)


def ask(body: Any) -> None:
    try:
        assert orjson.dumps(write_chat(read_chat(body), MODEL, stream=True).body)
    except BadRequest as refused:
        assert refused.param


answers = st.fixed_dictionaries(
    {
        "candidates": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "content": st.fixed_dictionaries({"parts": st.lists(part | anything)}),
                    "finishReason": anything,
                    "index": anything,
                    "groundingMetadata": anything,
                },
            )
            | anything,
            max_size=3,
        )
    },
    optional={name: anything for name in ("usageMetadata", "promptFeedback", "responseId")},
)


@settings(max_examples=200, deadline=None)
@given(anything | answers)
def test_any_json_is_read_as_an_answer_and_can_be_written(found: Any) -> None:
    answer(found)


def answer(found: Any) -> None:
    reader, writer = StreamReader(), StreamWriter("m")
    streamed = [*reader.feed(orjson.dumps(found)), *reader.finish()]
    for piece in [*map(writer.write, streamed), writer.end()]:
        assert not piece or orjson.loads(piece[6:])
    if isinstance(found, dict):
        assert orjson.dumps(write_answer(read_answer(found), "m"))


def altered(data: st.DataObject, value: Any) -> Any:
    """A copy in which something, anywhere, is something else."""
    copy = orjson.loads(orjson.dumps(value))
    places = list(places_in(copy))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(anything)
    return copy


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield value, key
        yield from places_in(item)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CHATS), st.data())
def test_a_recorded_request_that_was_altered_is_a_question_or_refused(
    recording: Recording, data: st.DataObject
) -> None:
    ask(altered(data, recording.request))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.data())
def test_a_recorded_answer_that_was_altered_can_still_be_read(
    recording: Recording, data: st.DataObject
) -> None:
    answer(altered(data, recording.response))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_are_a_failure(data: bytes) -> None:
    reader = StreamReader()
    reader.feed(data)
    reader.finish()
