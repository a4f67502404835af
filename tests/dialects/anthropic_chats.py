"""Chats that the Messages dialect can say without loss, for hypothesis."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from hypothesis import strategies as st

from gateway.conversation import (
    Chat,
    Document,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

# Takes thinking by budget as well as adaptive, and temperature.
MODEL = "claude-opus-4-6"

T = TypeVar("T")

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda text: bool(text.strip()))
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,12}", fullmatch=True)
caches = st.none() | st.just({"type": "ephemeral"})
base64_texts = st.sampled_from(["", "QQ==", "QUI=", "QUJD", "+/+/"])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
schemas = st.builds(
    lambda properties, more: {"type": "object", "properties": properties, **more},
    st.dictionaries(
        names,
        st.sampled_from(
            [
                {"type": ["string", "null"], "format": "uuid"},
                {"type": "array", "prefixItems": [{"type": "string"}, {"const": 3}]},
                {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]},
                {"type": "object"},
                {},
            ]
        ),
        max_size=3,
    ),
    st.just({}) | st.just({"additionalProperties": {"type": "integer"}, "minProperties": 1}),
)


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


text_parts = st.builds(
    Text, texts, cache=caches, citations=st.lists(st.just({"type": "char_location"}), max_size=1)
)
image_parts = st.builds(
    Image,
    data=base64_texts,
    media_type=st.sampled_from(["image/png", "image/jpeg"]),
    cache=caches,
) | st.builds(Image, url=texts, cache=caches)
document_parts = st.one_of(
    st.builds(
        Document,
        data=base64_texts,
        media_type=st.just("application/pdf"),
        name=maybe(texts),
        cache=caches,
    ),
    st.builds(Document, text=texts, media_type=st.just("text/plain"), name=maybe(texts)),
    st.builds(Document, url=texts, media_type=st.just("application/pdf"), cache=caches),
    st.builds(Document, file_id=names.map("file_{}".format)),
    st.builds(
        Document,
        text=texts,
        media_type=st.just("text/plain"),
        native=st.just(
            {"anthropic": {"citations": {"enabled": True}, "context": "where it is from"}}
        ),
    ),
)
own_parts = st.just(
    Text("", native={"anthropic": {"type": "container_upload", "file_id": "file_1"}})
)
said: st.SearchStrategy[list[Part]] = st.lists(
    st.one_of(text_parts, image_parts, document_parts, own_parts), min_size=1, max_size=3
)
thoughts = st.builds(Thinking, texts, signature=texts) | st.builds(Thinking, redacted=texts)


@st.composite
def turns(draw: st.DrawFn) -> list[Message]:
    """A user's message; then answers, each with the results of its calls."""
    messages = [Message("user", draw(said))]
    for number in range(draw(st.integers(0, 3))):
        answer: list[Part] = [*draw(st.lists(thoughts, max_size=2))]
        answer += draw(st.lists(text_parts, min_size=1, max_size=2))
        calls = [draw(_calls(f"call_{number}_{at}")) for at in range(draw(st.integers(0, 2)))]
        messages.append(Message("assistant", [*answer, *calls]))
        results: list[Part] = [draw(_results(call)) for call in calls]
        messages.append(Message("user", results + draw(said)))
    return messages


def _calls(own: str) -> st.SearchStrategy[ToolCall]:
    arguments = objects.map(lambda value: orjson.dumps(value).decode())
    native = maybe(st.just({"anthropic": {"caller": {"type": "code_execution_20260120"}}}))
    return st.builds(ToolCall, st.just(own), names, arguments, cache=caches, native=native)


def _results(call: ToolCall) -> st.SearchStrategy[ToolResult]:
    return st.builds(
        ToolResult,
        st.just(call.id),
        st.just(call.name),
        st.lists(st.one_of(text_parts, image_parts, document_parts), max_size=2),
        is_error=st.booleans(),
        cache=caches,
    )


tools = st.builds(
    Tool,
    names,
    description=maybe(texts),
    schema=schemas,
    cache=caches,
    native=maybe(st.just({"anthropic": {"defer_loading": True}})),
) | st.just(
    Tool("web_search", hosted={"type": "web_search_20250305", "name": "web_search", "max_uses": 2})
)

efforts = st.sampled_from(["low", "medium", "high", "max"])
shows = st.sampled_from([None, True, False])
no_thinking: Any = {"anthropic": {"thinking": None}}
reasonings = st.one_of(
    st.builds(Reasoning, effort=maybe(efforts), budget=st.just(-1), show=shows),
    st.builds(Reasoning, effort=maybe(efforts), budget=st.integers(1024, 4000), show=shows),
    st.builds(Reasoning, effort=maybe(efforts.filter("max".__ne__)), budget=st.just(0)),
    st.builds(Reasoning, effort=efforts, native=st.just(no_thinking)),
    st.just(Reasoning(native={"anthropic": {"thinking": {"type": "between_tools"}}})),
)
formats = st.builds(
    Format,
    st.just("json_schema"),
    st.just(
        {
            "type": "object",
            "properties": {"a": {"type": "string", "enum": ["x"]}, "b": {"$ref": "#/$defs/b"}},
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"b": {"type": "array", "items": {"type": "integer"}, "minItems": 1}},
        }
    ),
    name=st.just("output"),
)


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    reasoning = draw(maybe(reasonings))
    budgeted = reasoning is not None and (reasoning.budget or 0) > 0
    chat = Chat(
        messages=draw(turns()),
        system=draw(st.lists(st.builds(Text, texts, cache=caches), max_size=2)),
        tools=draw(st.lists(tools, max_size=3)),
        reasoning=reasoning,
        answer_format=draw(maybe(formats)),
        max_tokens=draw(st.integers(4001, 9000)),
        stop=draw(st.lists(texts, max_size=2)),
        user=draw(maybe(texts)),
        extra=draw(st.sampled_from([{}, {"container": "c", "output_config": {"task_budget": {}}}])),
    )
    if chat.tools:
        modes = ["auto", "none"] if budgeted else ["auto", "none", "required", "named"]
        _choose(chat, draw, modes)
    if reasoning is None:
        _sample(chat, draw)
    if budgeted and chat.messages[-1].role == "user":
        chat.messages[-1] = Message("user", draw(said))
    return chat


def _choose(chat: Chat, draw: Callable[..., Any], modes: list[str]) -> None:
    mode = draw(maybe(st.sampled_from(modes)))
    if mode is not None:
        chat.tool_choice = ToolChoice(mode, (draw(names),) if mode == "named" else ())
        chat.parallel_tool_calls = None if mode == "none" else draw(st.sampled_from([None, False]))


def _sample(chat: Chat, draw: Callable[..., Any]) -> None:
    shares = st.floats(0, 1)
    if draw(st.booleans()):
        chat.temperature = draw(maybe(shares))
    else:
        chat.top_p = draw(maybe(shares))
    chat.top_k = draw(maybe(st.integers(0, 500)))
