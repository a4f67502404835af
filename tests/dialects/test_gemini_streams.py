"""Streams of the Gemini dialect, byte for byte, and as Google's SDK reads them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
from google.genai import errors
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.chat import Usage
from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    Thinking,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.gemini import (
    KEEP_ALIVE,
    ArrayWriter,
    StreamReader,
    StreamWriter,
    error_event,
    read_answer,
    read_chat,
    write_answer,
)
from gateway.errors import UpstreamOverloaded
from gateway.sse import Cutter, data_of, events
from tests.dialects.gemini_sdk import STREAMS, Sdk, sdk, view

DATA = "8PHy8/T19vf4+fr7/P3+/w=="
ANSWER: list[Event] = [
    Began("r1", "vendors-model"),
    ThinkingPiece("I "),
    ThinkingPiece("think"),
    ThinkingSealed(signature=DATA),
    TextPiece("Hé"),
    TextPiece('"llo"\n'),
    TextPiece(""),
    CallBegan(0, "c1", "f"),
    CallBegan(1, "c2", "g"),
    CallPiece(0, '{"a":'),
    CallPiece(1, ""),
    CallPiece(0, "[1]}"),
    Finished("tool_calls"),
    Counted(Usage(10, 5, cached_tokens=4, reasoning_tokens=2)),
]
USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "totalTokenCount": 15,
    "cachedContentTokenCount": 4,
    "thoughtsTokenCount": 2,
}


@pytest.fixture(scope="module")
def google() -> Iterator[Sdk]:
    with sdk() as running:
        yield running


def written(answer: list[Event], writer: StreamWriter | None = None) -> list[bytes]:
    writer = writer or StreamWriter("m")
    return [piece for event in answer if (piece := writer.write(event))] + [writer.end()]


def element(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"content": {"parts": list(parts), "role": "model"}, "index": 0} | more


def test_each_event_is_an_answer_of_its_own() -> None:
    pieces = written(ANSWER)
    assert all(piece.startswith(b"data: {") and piece.endswith(b"}\r\n\r\n") for piece in pieces)
    chunks = [orjson.loads(piece[6:]) for piece in pieces]
    assert all(
        (chunk.pop("modelVersion"), chunk.pop("responseId")) == ("m", "r1") for chunk in chunks
    )
    assert chunks == [
        {"candidates": [element({"text": "I ", "thought": True})]},
        {"candidates": [element({"text": "think", "thought": True})]},
        {"candidates": [element({"text": "", "thought": True, "thoughtSignature": DATA})]},
        {"candidates": [element({"text": "Hé"})]},
        {"candidates": [element({"text": '"llo"\n'})]},
        {
            "candidates": [
                element(
                    {"functionCall": {"id": "c1", "name": "f", "args": {"a": [1]}}},
                    {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                )
            ]
        },
        {"candidates": [element({"text": ""}, finishReason="STOP")], "usageMetadata": USAGE},
    ]


def test_a_whole_answer_has_the_same_parts() -> None:
    assert write_answer(ANSWER, "m") == {
        "candidates": [
            element(
                {"text": "I think", "thought": True, "thoughtSignature": DATA},
                {"text": 'Hé"llo"\n'},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": [1]}}},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                finishReason="STOP",
            )
        ],
        "usageMetadata": USAGE,
        "modelVersion": "m",
        "responseId": "r1",
    }


def test_the_sdk_reads_the_same_from_a_stream_as_from_a_whole_answer(google: Sdk) -> None:
    streamed = view(google.stream(written(ANSWER)))
    whole = view(google.whole(orjson.dumps(write_answer(ANSWER, "m"))))
    # A thought that is streamed has gone before its signature is known.
    signed = streamed["candidates"][0]["parts"].pop(1)
    streamed["candidates"][0]["parts"][0] |= {"thought_signature": signed["thought_signature"]}
    assert streamed == whole


def test_the_sdk_sees_an_error_in_mid_stream(google: Sdk) -> None:
    failed = error_event(UpstreamOverloaded("too much"))
    assert failed.startswith(b'data: {"error":{"code":503,')
    with pytest.raises(errors.ServerError, match="too much") as raised:
        google.stream([*written(ANSWER)[:2], failed])
    assert raised.value.code == 503 and raised.value.status == "UNAVAILABLE"


def test_nothing_keeps_a_stream_alive() -> None:
    assert KEEP_ALIVE is None


def test_the_array_holds_the_same_answers() -> None:
    pieces = written(ANSWER, ArrayWriter("m"))
    assert orjson.loads(b"".join(pieces)) == [orjson.loads(piece[6:]) for piece in written(ANSWER)]
    assert pieces[0].startswith(b"[{") and all(p.startswith(b",\r\n{") for p in pieces[1:])


def test_an_array_is_closed_whatever_happens() -> None:
    assert ArrayWriter("m").end() == b"[]"
    error = UpstreamOverloaded("too much")
    alone = orjson.loads(ArrayWriter("m").fail(error))
    writer = ArrayWriter("m")
    begun = writer.write(TextPiece("a")) + writer.fail(error)
    assert [list(item) for item in alone] == [["error"]]
    assert [list(item)[0] for item in orjson.loads(begun)] == ["candidates", "error"]


def test_usage_can_be_left_out() -> None:
    last = written(ANSWER, StreamWriter("m", include_usage=False))[-1]
    assert b"finishReason" in last and b"usageMetadata" not in last


def test_an_answer_without_an_id_has_one_throughout() -> None:
    chunks = [orjson.loads(piece[6:]) for piece in written([TextPiece("a"), Finished("stop")])]
    assert all(chunk["responseId"] for chunk in chunks)
    assert len({chunk["responseId"] for chunk in chunks}) == 1


def test_several_choices_keep_apart() -> None:
    answer: list[Event] = [
        TextPiece("a", 0),
        TextPiece("b", 1),
        CallBegan(0, "c", "f", 1),
        Finished("stop", 0),
        Finished("tool_calls", 1),
    ]
    wanted = [["a"], ["b"]]
    whole = write_answer(answer, "m")["candidates"]
    assert [[part["text"] for part in one["content"]["parts"][:1]] for one in whole] == wanted
    chunks = [orjson.loads(piece[6:]) for piece in written(answer)]
    assert [chunk["candidates"][0]["index"] for chunk in chunks[:3]] == [0, 1, 1]
    assert [one["finishReason"] for one in chunks[-1]["candidates"]] == ["STOP", "STOP"]


@pytest.mark.parametrize(
    ("finished", "wanted"),
    [
        (Finished("stop"), {"finishReason": "STOP"}),
        (Finished("tool_calls"), {"finishReason": "STOP"}),
        (Finished("length"), {"finishReason": "MAX_TOKENS"}),
        (Finished("content_filter"), {"finishReason": "SAFETY"}),
        (
            Finished("content_filter", explanation="about harm"),
            {"finishReason": "SAFETY", "finishMessage": "about harm"},
        ),
        (
            Finished("content_filter", native={"gemini": {"finishReason": "RECITATION"}}),
            {"finishReason": "RECITATION"},
        ),
        (Finished("stop", native={"anthropic": {"x": 1}}), {"finishReason": "STOP"}),
    ],
)
def test_how_an_answer_ended(finished: Finished, wanted: dict[str, Any]) -> None:
    ending = write_answer([TextPiece("a"), finished], "m")["candidates"][0]
    last = orjson.loads(written([TextPiece("a"), finished])[-1][6:])["candidates"][0]
    for found in (ending, last):
        assert {name: item for name, item in found.items() if name.startswith("finish")} == wanted


def test_a_refused_question_has_no_candidates(google: Sdk) -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
        "modelVersion": "m",
        "responseId": "r",
    }
    read = read_answer(blocked)
    assert [event for event in read if isinstance(event, RefusalPiece | Finished)] == [
        RefusalPiece("blocked: PROHIBITED_CONTENT"),
        Finished(
            "content_filter",
            explanation="blocked: PROHIBITED_CONTENT",
            native={"gemini": {"promptFeedback": blocked["promptFeedback"]}},
        ),
    ]
    assert write_answer(read, "m") == blocked
    assert view(google.stream(written(read))) == view(google.whole(orjson.dumps(blocked)))


def test_another_vendors_refusal_is_text() -> None:
    answer: list[Event] = [RefusalPiece("I "), RefusalPiece("won't"), Finished("content_filter")]
    body = write_answer(answer, "m")
    assert body["candidates"][0]["content"]["parts"] == [{"text": "I won't"}]
    chunks = [orjson.loads(piece[6:]) for piece in written(answer)]
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks]
    assert texts == ["I ", "won't", ""]


def test_other_vendors_sources_are_pages() -> None:
    answer: list[Event] = [
        TextPiece("a"),
        Cited({"type": "url_citation", "url_citation": {"url": "https://x", "title": "X"}}),
        Cited({"type": "web_search_result_location", "url": "https://y", "cited_text": "t"}),
        Cited({"type": "char_location", "document_index": 0}),
        Finished("stop"),
    ]
    chunks = [{"web": {"uri": "https://x", "title": "X"}}, {"web": {"uri": "https://y"}}]
    wanted = {"groundingChunks": chunks}
    assert write_answer(answer, "m")["candidates"][0]["groundingMetadata"] == wanted
    last = orjson.loads(written(answer)[-1][6:])
    assert last["candidates"][0]["groundingMetadata"] == wanted


@pytest.mark.parametrize(
    "sealed",
    [
        ThinkingSealed(signature=DATA),
        ThinkingSealed(signature="not base64!"),
        ThinkingSealed(redacted="opaque"),
        ThinkingSealed(signature="s", details={"type": "reasoning.text", "id": "é"}),
    ],
)
def test_the_state_of_others_reasoning_survives_a_gemini_client(
    google: Sdk, sealed: ThinkingSealed
) -> None:
    answers = google.stream(
        written([ThinkingPiece("hm"), sealed, TextPiece("a"), Finished("stop")])
    )
    contents = [
        candidate.content.model_dump(mode="json", exclude_none=True)
        for answer in answers
        for candidate in answer.candidates or []
        if candidate.content is not None
    ]
    chat = read_chat({"contents": [{"role": "user", "parts": [{"text": "q"}]}, *contents]})
    assert chat.messages[1].parts[0] == Thinking(
        "hm", signature=sealed.signature, redacted=sealed.redacted, details=sealed.details
    )


def test_a_mark_without_its_state_is_a_signature_like_others() -> None:
    signature = "Z2F0ZXdheS1yZWFzb25pbmc6e30h"  # the mark, and then no JSON
    part = {"text": "hm", "thought": True, "thoughtSignature": signature}
    chat = read_chat({"contents": [{"role": "model", "parts": [part]}]})
    assert chat.messages[0].parts == [Thinking("hm", signature=signature)]


def fed(*chunks: Any) -> StreamReader:
    reader = StreamReader()
    for chunk in chunks:
        reader.feed(chunk if isinstance(chunk, bytes) else orjson.dumps(chunk))
    return reader


def test_an_error_in_a_stream_is_upstreams_own() -> None:
    error = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}
    text = {"candidates": [element({"text": "a"})]}
    reader = fed(text, error, {"candidates": [element({"text": "b"}, finishReason="STOP")]})
    assert reader.failure == error and not reader.ended
    assert fed([error]).failure == error
    assert fed(b"<html>").failure == "<html>"


def test_a_stream_that_is_cut_has_not_ended() -> None:
    usage = {"promptTokenCount": 3, "totalTokenCount": 3}
    reader = fed({"candidates": [element({"text": "a"})], "usageMetadata": usage})
    assert not reader.ended and reader.failure is None
    assert reader.finish() == [Counted(Usage(3, 0), {"gemini": usage})]


def test_what_comes_behind_a_finish_reason_comes_before_the_finish() -> None:
    reader = StreamReader()
    chunks = [
        {"candidates": [element({"text": "a"}, finishReason="STOP")]},
        {"candidates": [element({"functionCall": {"name": "f"}}, finishReason="STOP")]},
        {"usageMetadata": {"promptTokenCount": 1}},
    ]
    read = [event for chunk in chunks for event in reader.feed(orjson.dumps(chunk))]
    kinds = [type(event) for event in [*read, *reader.finish()]]
    assert kinds == [Began, TextPiece, CallBegan, CallPiece, Finished, Counted]
    assert reader.ended


def test_calls_are_numbered_and_have_ids_of_their_own() -> None:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": DATA},
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "f", "id": "x"}},
        {"functionCall": {"name": "f", "id": "x"}},
    ]
    read = read_answer({"candidates": [element(*parts, finishReason="STOP")]})
    calls = [event for event in read if isinstance(event, CallBegan)]
    assert [call.call for call in calls] == [0, 1, 2, 3]
    assert calls[2].id == "x" and len({call.id for call in calls}) == 4
    assert [call.id.startswith("call_gw") for call in calls] == [True, True, False, True]
    assert [call.signature for call in calls] == [DATA, None, None, None]
    texts = [event.arguments for event in read if isinstance(event, CallPiece)]
    assert texts == ['{"a":1}', "{}", "{}", "{}"]
    assert [event.reason for event in read if isinstance(event, Finished)] == ["tool_calls"]


@pytest.mark.parametrize(
    ("word", "reason", "explanation"),
    [
        ("STOP", "stop", None),
        ("MAX_TOKENS", "length", None),
        ("CONTINUATION", "length", None),
        ("SAFETY", "content_filter", "SAFETY: why"),
        ("NO_IMAGE", "content_filter", "NO_IMAGE: why"),
        ("MALFORMED_FUNCTION_CALL", "stop", "MALFORMED_FUNCTION_CALL: why"),
        ("SOMETHING_NEW", "stop", "SOMETHING_NEW: why"),
    ],
)
def test_finish_reasons(word: str, reason: str, explanation: str | None) -> None:
    candidate = element(finishReason=word, finishMessage="why")
    (finished,) = [
        event for event in read_answer({"candidates": [candidate]}) if isinstance(event, Finished)
    ]
    assert (finished.reason, finished.explanation) == (reason, explanation)


def test_a_whole_answer_ends_whether_it_says_so_or_not() -> None:
    bodies: list[dict[str, Any]] = [{}, {"candidates": []}, {"candidates": [element()]}]
    for body in bodies:
        ends = [event.reason for event in read_answer(body) if isinstance(event, Finished)]
        assert ends == ["stop"]


def test_images_that_a_model_makes_stay_with_gemini_clients() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": DATA}}
    body = {"candidates": [element({"text": "see"}, image, finishReason="STOP")]}
    written_again = write_answer(read_answer(body), "m")
    assert written_again["candidates"] == body["candidates"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STREAMS), st.data())
def test_a_recorded_stream_is_read_the_same_however_it_is_cut(
    recording: Any, data: st.DataObject
) -> None:
    raw = recording.body()
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=30))
    places = [0, *sorted(cuts), len(raw)]
    cutter, reader = Cutter(1 << 20), StreamReader()
    read: list[Event] = []
    for start, end in pairwise(places):
        for event in events(cutter.feed(raw[start:end])):
            read += reader.feed(data_of(event))
    assert not cutter.rest().strip()
    whole = StreamReader()
    wanted = [event for one in events(raw) for event in whole.feed(data_of(one))]
    assert without_ids([*read, *reader.finish()]) == without_ids([*wanted, *whole.finish()])
    assert reader.ended


def without_ids(read: list[Event]) -> list[str]:
    """Made ids differ from one reading to the next."""
    return [
        f"call {event.call} {event.name} {event.signature}"
        if isinstance(event, CallBegan)
        else repr(event)
        for event in read
    ]
