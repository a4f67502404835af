"""What vendors of OpenAI's dialect take, where a question is translated for them."""

from typing import Any

import pytest

from gateway.conversation import (
    Audio,
    Chat,
    Document,
    Format,
    Image,
    Message,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
)
from gateway.dialects.openai_chat import write_chat
from gateway.errors import BadRequest
from gateway.providers import PROVIDERS

SPEAKERS = [row for row in PROVIDERS.values() if "openai" in row.speaks]
PDF = Document(data="JVBERi0=", media_type="application/pdf", name="a.pdf")
ADDRESS = "data:application/pdf;base64,JVBERi0="


def written(provider: str, chat: Chat) -> Any:
    return write_chat(chat, "m", stream=False, accepts=PROVIDERS[provider].accepts)


def content_of(provider: str, *parts: Any) -> Any:
    return written(provider, Chat([Message("user", list(parts))])).body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("provider", "part", "arrives"),
    [
        ("openai", PDF, {"type": "file", "file": {"filename": "a.pdf", "file_data": ADDRESS}}),
        (
            "mistral",
            PDF,
            {"type": "document_url", "document_url": ADDRESS, "document_name": "a.pdf"},
        ),
        (
            "openai",
            Audio("AAAA", "wav"),
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ),
        ("mistral", Audio("AAAA", "wav"), {"type": "input_audio", "input_audio": "AAAA"}),
    ],
)
def test_each_in_its_own_form(provider: str, part: Any, arrives: Any) -> None:
    assert content_of(provider, part) == [arrives]


@pytest.mark.parametrize(
    ("provider", "part"),
    [
        ("ollama", PDF),
        ("ollama", Document(file_id="x")),
        ("ollama", Audio("AAAA", "wav")),
        ("ollama", Document(data="AAAA", media_type="video/mp4")),
        ("deepseek", Image("AAAA", "image/png")),
    ],
)
def test_what_a_vendor_cannot_take_is_refused(provider: str, part: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        content_of(provider, part)
    assert (caught.value.param, caught.value.code) == ("messages", "unsupported_parameter")


@pytest.mark.parametrize("row", SPEAKERS, ids=lambda row: row.id)
def test_a_plain_text_every_vendor_takes(row: Any) -> None:
    assert content_of(row.id, Document(text="Hello", name="a.txt")) == "a.txt:\nHello"


@pytest.mark.parametrize("row", SPEAKERS, ids=lambda row: row.id)
def test_the_cap_has_the_vendors_name(row: Any) -> None:
    body = written(row.id, Chat([Message("user", [Text("Hello")])], max_tokens=9)).body
    caps = {name for name in body if name.startswith("max_")}
    assert caps == {row.accepts.cap_field}
    assert not caps & row.quirks.rename.keys()


THOUGHT = Thinking("Hm", signature="sig")
CALL = ToolCall("call_1", "f", "{}", signature="seal")


@pytest.mark.parametrize(
    ("provider", "members"),
    [
        ("openai", set()),
        ("azure-openai", set()),
        ("perplexity", set()),
        ("cohere", set()),
        ("mistral", set()),
        ("ollama", {"reasoning"}),
        ("groq", {"reasoning"}),
        ("deepseek", {"reasoning_content"}),
        ("xai", {"reasoning_content"}),
        ("vllm", {"reasoning", "reasoning_details", "thinking_blocks"}),
        ("openrouter", {"reasoning", "reasoning_details", "thinking_blocks"}),
        ("openai-compatible", {"reasoning_content", "reasoning_details", "thinking_blocks"}),
    ],
)
def test_thoughts_go_back_where_they_are_wanted(provider: str, members: set[str]) -> None:
    chat = Chat(
        [Message("user", [Text("Hello")]), Message("assistant", [THOUGHT, Text("Hi"), CALL])]
    )
    message = written(provider, chat).body["messages"][1]
    assert message.keys() - {"role", "content", "tool_calls"} == members
    sealed = "extra_content" in message["tool_calls"][0]
    assert sealed == (len(members) > 1)
    if provider == "mistral":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
        assert message["content"] == [thinking, {"type": "text", "text": "Hi"}]
    else:
        assert message["content"] == "Hi"


@pytest.mark.parametrize(
    ("provider", "choice", "tools"),
    [
        ("openai", "allowed_tools", ["f", "g"]),
        ("groq", "required", ["f"]),
        ("vllm", "required", ["f"]),
    ],
)
def test_some_tools_that_are_allowed(provider: str, choice: str, tools: list[str]) -> None:
    chat = Chat(
        [Message("user", [Text("Hello")])],
        tools=[Tool("f"), Tool("g")],
        tool_choice=ToolChoice("required", ("f",)),
    )
    body = written(provider, chat).body
    said = body["tool_choice"]
    assert (said["type"] if isinstance(said, dict) else said) == choice
    assert [tool["function"]["name"] for tool in body["tools"]] == tools


@pytest.mark.parametrize(
    ("provider", "named"), [("openai", True), ("groq", False), ("mistral", False)]
)
def test_names_are_left_out_and_told(provider: str, named: bool) -> None:
    said = written(provider, Chat([Message("user", [Text("Hello")], name="Ann")]))
    assert ("name" in said.body["messages"][0]) == named
    assert said.dropped == ([] if named else ["messages[].name"])


@pytest.mark.parametrize(("provider", "kind"), [("openai", "refusal"), ("mistral", "text")])
def test_an_earlier_refusal(provider: str, kind: str) -> None:
    earlier = Message("assistant", [Text("Hi"), Refusal("No")])
    chat = Chat([Message("user", [Text("Hello")]), earlier])
    content = written(provider, chat).body["messages"][1]["content"]
    assert content == [{"type": "text", "text": "Hi"}, {"type": kind, kind: "No"}]


@pytest.mark.parametrize(
    ("text", "added"),
    [("Hello", ["system"]), ("Answer in JSON", []), ("as json, please", [])],
)
def test_who_asks_for_json_says_so(text: str, added: list[str]) -> None:
    """OpenAI, DeepSeek, Groq and xAI refuse `json_object` where no message names it."""
    chat = Chat([Message("user", [Text(text)])], answer_format=Format("json_object"))
    messages = written("openai", chat).body["messages"]
    assert [message["role"] for message in messages] == [*added, "user"]
    assert all("JSON" in message["content"] for message in messages[:-1])
