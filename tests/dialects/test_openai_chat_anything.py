"""Whatever comes in: a question keeps its meaning both ways, nonsense raises BadRequest alone."""

import base64
import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from gateway.dialects.openai_chat import (
    Accepts,
    StreamReader,
    read_answer,
    read_chat,
    write_answer,
    write_chat,
)
from gateway.dialects.openai_chat.request_out import IN_JSON
from gateway.errors import BadRequest
from tests.dialects.openai_chat_sdk import accumulated, chunks, completion, written

# Time is not judged here.
calm = settings(deadline=None, max_examples=150)
EVERYTHING = Accepts(cache_marks="cache_control", top_k=True)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)  # JSON text with others is read as fractions
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
names_of_members = st.sampled_from(
    ["type", "role", "content", "text", "id", "index", "function", "name", "arguments", "x"]
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names_of_members | st.text(), inner)
    ),
    max_leaves=8,
)
whole_numbers = st.integers(-(2**53), 2**53)  # what JSON text holds in every language
objects = st.dictionaries(st.text(max_size=6), whole_numbers | st.text(max_size=6), max_size=3)
words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
signatures = names
data = st.binary(min_size=1, max_size=20).map(lambda found: base64.b64encode(found).decode())
caches = st.none() | st.just({"type": "ephemeral"}) | st.just({"type": "ephemeral", "ttl": "1h"})

texts = st.builds(Text, words, cache=caches)
images = st.builds(
    Image, data, st.sampled_from(["image/png", "image/webp"]), cache=caches
) | st.builds(
    Image, url=st.just("https://x.test/a.png"), detail=st.sampled_from([None, "low"]), cache=caches
)
documents = st.one_of(
    st.builds(
        Document, data, media_type=st.just("application/pdf"), name=st.just("a.pdf"), cache=caches
    ),
    st.builds(Document, file_id=names, name=st.none() | names, cache=caches),
    st.builds(
        Document,
        url=st.just("https://x.test/a.pdf"),
        media_type=st.just("application/pdf"),
        name=st.just("a.pdf"),
        cache=caches,
    ),
)
audio = st.builds(Audio, data, st.sampled_from(["wav", "mp3"]))
spoken: st.SearchStrategy[list[Part]] = st.lists(
    texts | images | documents | audio, min_size=1, max_size=3
)
details: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    type=st.just("reasoning.encrypted"),
    data=names.map("sealed {}".format),
    format=st.just("openai-responses-v1"),
)


@st.composite
def thoughts(draw: st.DrawFn) -> list[Part]:
    """In the order in which the dialect can tell them: unsealed, sealed by Anthropic, others."""
    unsealed = draw(st.lists(st.builds(Thinking, words), max_size=1))
    sealed = draw(
        st.lists(
            st.builds(Thinking, words, signature=signatures)
            | st.builds(Thinking, redacted=signatures),
            max_size=2,
            unique_by=lambda thought: thought.signature or thought.redacted,
        )
    )
    return [*unsealed, *sealed, *draw(st.lists(st.builds(Thinking, details=details), max_size=1))]


@st.composite
def assistants(draw: st.DrawFn) -> Message:
    parts = draw(thoughts())
    said = draw(st.lists(texts, max_size=2))
    if said:
        said[-1].signature = draw(st.none() | signatures)
    parts += said
    parts += draw(st.lists(st.builds(Refusal, words), max_size=1))
    number = draw(st.integers(0, 2))
    if not parts and not number:
        parts.append(Text(draw(words)))
    signed = st.none() | signatures if said else st.none()
    for _ in range(number):
        call_id = f"call_{draw(st.uuids(version=4)).hex}"
        custom = draw(st.booleans())
        arguments = draw(words if custom else objects.map(json.dumps))
        call = ToolCall(call_id, draw(names), arguments, custom)
        if not custom:
            call.signature, call.cache = draw(signed), draw(caches)
        parts.append(call)
    return Message("assistant", parts, draw(st.none() | names))


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    messages = [Message("user", draw(spoken), draw(st.none() | names))]
    for _ in range(draw(st.integers(0, 2))):
        assistant = draw(assistants())
        results: list[Part] = [
            ToolResult(call.id, call.name, draw(st.lists(texts, min_size=1, max_size=2)))
            for call in assistant.parts
            if isinstance(call, ToolCall)
        ]
        user = Message("user", results + draw(spoken), draw(st.none() | names))
        messages += [assistant, user]
    return messages


function_tools = st.builds(
    Tool,
    names,
    st.none() | words,
    st.none() | objects,
    st.none() | st.booleans(),
    cache=caches,
)
tool_lists = st.lists(
    function_tools | names.map(lambda name: Tool(name, custom={"name": name})),
    max_size=3,
    unique_by=lambda tool: tool.name,
)
formats = st.just(Format("json_object")) | st.builds(
    Format,
    st.just("json_schema"),
    objects,
    names,
    st.none() | st.booleans(),
    st.none() | words,
)
fractions = st.none() | st.floats(0, 2)
counts = st.none() | st.integers(1, 100)
efforts: Any = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    tools = draw(tool_lists)
    choice = None
    if tools:
        one = (tools[0].name,)
        choices = [ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")]
        choices += [ToolChoice("named", one), ToolChoice("required", one), ToolChoice("auto", one)]
        choice = draw(st.none() | st.sampled_from(choices))
    effort = draw(st.none() | efforts)
    return Chat(
        messages=draw(conversations()),
        system=draw(st.lists(texts, max_size=2)),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=draw(st.none() | st.booleans()) if tools else None,
        answer_format=draw(st.none() | formats),
        reasoning=Reasoning(effort) if effort else None,
        max_tokens=draw(counts),
        temperature=draw(fractions),
        top_p=draw(fractions),
        top_k=draw(counts),
        stop=draw(st.lists(words, max_size=3)),
        seed=draw(counts),
        n=draw(counts),
        presence_penalty=draw(fractions),
        frequency_penalty=draw(fractions),
        logprobs=draw(st.none() | st.booleans()),
        top_logprobs=draw(counts),
        user=draw(st.none() | words),
        extra=draw(
            st.dictionaries(
                st.sampled_from(["metadata", "store", "min_p", "prompt_cache_key"]),
                objects,
                max_size=2,
            )
        ),
    )


@calm
@given(chats(), st.booleans())
def test_a_question_comes_back_as_it_was(chat: Chat, stream: bool) -> None:
    written = write_chat(chat, "m", stream=stream, accepts=EVERYTHING)
    assert written.dropped == []
    again = read_chat(orjson.loads(orjson.dumps(written.body)))
    if again.reasoning is not None:
        again.reasoning.native = None
    if again.system and again.system[-1].text == IN_JSON:  # who wants JSON has to say so
        again.system.pop()
    assert again == chat


@calm
@given(chats(), st.booleans(), st.booleans())
def test_a_picky_vendor_is_asked_the_same_in_plainer_words(
    chat: Chat, text_parts: bool, allowed_tools: bool
) -> None:
    """Marks and thoughts fall away, texts are joined; who said what, with which calls, stays."""
    picky = Accepts("max_tokens", None, None, text_parts, allowed_tools)
    written = write_chat(replace(chat, n=None), "m", stream=False, accepts=picky)
    assert set(written.dropped) <= {"top_k", "cache_control"}
    again = read_chat(written.body)
    assert calls_and_results(again) == calls_and_results(chat)
    assert again.max_tokens == chat.max_tokens
    if not text_parts:
        assert [message.role for message in again.messages] == [m.role for m in chat.messages]
        assert len(again.system) <= 1


def calls_and_results(chat: Chat) -> list[Any]:
    found: list[Any] = []
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                found.append((part.id, part.name, part.arguments))
            elif isinstance(part, ToolResult):
                found.append((part.call_id, part.name))
    return found


QUESTION: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "name": "n",
            "content": [
                {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_data": "data:text/plain,x", "filename": "f"}},
                {"type": "video_url", "video_url": {"url": "https://x.test/v"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "r"}],
            "reasoning_content": "h",
            "reasoning_details": [{"type": "reasoning.text", "text": "h", "signature": "s"}],
            "thinking_blocks": [{"type": "thinking", "thinking": "h", "signature": "s"}],
            "extra_content": {"google": {"thought_signature": "g"}},
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "2", "type": "custom", "custom": {"name": "c", "input": "i"}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "r"}]},
        {"role": "tool", "tool_call_id": "2", "content": "r"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}},
        {"type": "custom", "custom": {"name": "c"}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    },
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "reasoning": {"effort": "low", "max_tokens": 5, "exclude": True, "enabled": True},
    "thinking": {"type": "enabled", "budget_tokens": 5},
    "stop": ["a"],
    "top_k": 3,
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "service_tier": "auto",
}
ANSWER: dict[str, Any] = {
    "id": "i",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}, "t"],
                "refusal": "r",
                "reasoning": "h",
                "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}],
                "thinking_blocks": [{"type": "thinking", "thinking": "h", "signature": "s"}],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                "extra_content": {"google": {"thought_signature": "g"}},
                "function_call": {"name": "f", "arguments": "{}"},
                "tool_calls": [
                    {"id": "1", "index": 0, "function": {"name": "f", "arguments": {"a": 1}}},
                    {"id": "2", "custom": {"name": "c", "input": "i"}},
                ],
            },
        }
    ],
    "citations": ["https://x.test"],
    "search_results": [{"url": "https://y.test", "title": "y"}],
    "usage": {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 5,
        "reasoning_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 1},
    },
    "x_groq": {"id": "g", "usage": {"prompt_tokens": 1}},
}


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [way, *(place for key, item in inner for place in places(item, (*way, key)))]


def with_another(value: Any, way: tuple[Any, ...], other: Any) -> Any:
    if not way:
        return other
    changed = deepcopy(value)
    holder = changed
    for key in way[:-1]:
        holder = holder[key]
    holder[way[-1]] = other
    return changed


def as_chunk(answer: Any) -> Any:
    """The same as a chunk of a stream."""
    changed = deepcopy(answer)
    choices = changed.get("choices") if isinstance(changed, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and "message" in choice:
            choice["delta"] = choice.pop("message")
    return changed


@calm
@given(anything)
def test_any_value_is_read_as_a_question_or_refused(value: Any) -> None:
    with pytest.raises(BadRequest):
        read_chat(value)


@calm
@given(st.sampled_from(places(QUESTION)), anything)
def test_a_question_with_any_member_of_another_kind_is_read_or_refused(
    way: tuple[Any, ...], other: Any
) -> None:
    body = with_another(QUESTION, way, other)
    try:
        chat = read_chat(body)
        write_chat(chat, "m", stream=True, accepts=EVERYTHING)
    except BadRequest as refusal:
        assert refusal.status == 400
        assert refusal.param


@calm
@given(anything)
def test_any_value_is_read_as_an_answer(value: Any) -> None:
    completion(write_answer(read_answer(value), "m"))


@calm
@given(st.sampled_from(places(ANSWER)), anything)
def test_an_answer_with_any_member_of_another_kind_becomes_a_strict_one(
    way: tuple[Any, ...], other: Any
) -> None:
    found = read_answer(with_another(ANSWER, way, other))
    completion(write_answer(found, "m"))
    for chunk in chunks(written([e for e in found if not getattr(e, "custom", False)])):
        assert chunk.object == "chat.completion.chunk"


@calm
@given(st.lists(st.tuples(st.sampled_from(places(ANSWER)), anything), min_size=1, max_size=4))
def test_a_stream_of_any_chunks_is_read(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    reader = StreamReader()
    found = []
    for way, other in changes:
        found += reader.feed(orjson.dumps(as_chunk(with_another(ANSWER, way, other))))
    found += reader.finish()
    completion(write_answer(found, "m"))
    accumulated(chunks(written([e for e in found if not getattr(e, "custom", False)])))


@calm
@given(st.lists(st.binary(max_size=30), max_size=4), st.none() | st.just("error"))
def test_any_bytes_are_read_as_a_stream(pieces: list[bytes], name: str | None) -> None:
    reader = StreamReader()
    for piece in pieces:
        reader.feed(piece, name)
    reader.finish()
