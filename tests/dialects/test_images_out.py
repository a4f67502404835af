"""Images that a model made: from Gemini's words into OpenRouter's, which OpenAI's clients know."""

from typing import Any

import orjson
import pytest

from gateway.conversation import Event, Image, TextPiece
from gateway.dialects import anthropic, gemini, openai_chat

PIXEL = "iVBORw0KGgo="
PART = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
SHOWN = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
    "index": 0,
}


def answer(*parts: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}


def images(events: list[Event]) -> list[Image]:
    return [event.image for event in events if isinstance(event, TextPiece) and event.image]


def test_a_whole_answer_of_geminis_shows_them() -> None:
    events = gemini.read_answer(answer({"text": "Here"}, PART))
    message = openai_chat.write_answer(events, "m")["choices"][0]["message"]
    assert (message["content"], message["images"]) == ("Here", [SHOWN])


def test_a_stream_of_geminis_shows_them() -> None:
    reader = gemini.StreamReader()
    writer = openai_chat.StreamWriter("m")
    events = [*reader.feed(orjson.dumps(answer(PART))), *reader.finish()]
    sent = b"".join(writer.write(event) for event in events) + writer.end()
    chunks = [orjson.loads(line[6:]) for line in sent.splitlines() if line.startswith(b"data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert [delta["images"] for delta in deltas if "images" in delta] == [[SHOWN]]


def test_an_answer_of_openrouters_is_read_and_written_for_gemini() -> None:
    message = {"role": "assistant", "content": "Here", "images": [SHOWN, {"image_url": 5}, "odd"]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    events = openai_chat.read_answer(body)
    assert images(events) == [Image(PIXEL, "image/png")]
    parts = gemini.write_answer(events, "m")["candidates"][0]["content"]["parts"]
    assert parts == [{"text": "Here"}, PART]
    assert anthropic.write_answer(events, "m")["content"][0]["text"] == "Here"


def test_an_earlier_one_goes_back() -> None:
    messages = [
        {"role": "user", "content": "Draw"},
        {"role": "assistant", "content": "Here", "images": [SHOWN]},
        {"role": "user", "content": "Bigger"},
    ]
    chat = openai_chat.read_chat({"messages": messages})
    contents = gemini.write_chat(chat, "gemini-2.5-flash", stream=False).body["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[1]["parts"] == [{"text": "Here"}, PART]


@pytest.mark.parametrize("kinds", [["image"], ["text", "image"], ["text", "audio"]])
def test_anthropics_models_make_none(kinds: list[str]) -> None:
    chat = openai_chat.read_chat(
        {"messages": [{"role": "user", "content": "Draw"}], "modalities": kinds}
    )
    with pytest.raises(Exception, match="text alone"):
        anthropic.write_chat(chat, "claude-sonnet-5", stream=False)
