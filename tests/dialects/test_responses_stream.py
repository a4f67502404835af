"""How any vendor's answer is streamed to a client of this dialect, and a vendor of it is heard."""

import json
from typing import Any

import openai
import pytest

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
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects import responses
from gateway.dialects.responses import StreamReader, StreamWriter, error_event, write_answer
from gateway.errors import BadRequest, UpstreamRateLimited, UpstreamTimeout
from tests.dialects.responses_sdk import (
    accumulated,
    client_of,
    feed,
    read,
    said,
    strict,
    written,
)
from tests.upstream import Upstream

USAGE = Counted(Usage(30, 20, 10, 5, 7))
DONE = Finished("stop")


def steps(*events: Event, **about: Any) -> list[dict[str, Any]]:
    return said(written([Began("msg_1", "m", 1_700_000_000), *events], **about))


def kinds(*events: Event) -> list[str]:
    """The types of the events but for those in which a response begins."""
    found = [step["type"] for step in steps(*events)]
    assert found[:2] == ["response.created", "response.in_progress"]
    return [kind.removeprefix("response.") for kind in found[2:]]


def output(*events: Event, **about: Any) -> list[dict[str, Any]]:
    """The items of a whole answer; a stream ends with the same, but for their ids."""
    whole = write_answer(events, "m", **about)
    strict(whole)
    streamed = steps(*events, **about)[-1]["response"]["output"]
    assert list(map(bare, streamed)) == list(map(bare, whole["output"]))
    return list(map(bare, whole["output"]))


def bare(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}


def text_item(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part | more],
    }


def call_item(call_id: str, name: str, arguments: str, **more: Any) -> dict[str, Any]:
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return item | {"status": "completed"} | more


MESSAGE = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]
CALL = [
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
]
THOUGHT = [
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
]


def test_the_events_come_in_openais_order() -> None:
    events: list[Event] = [
        ThinkingPiece("Hm."),
        ThinkingSealed(signature="s"),
        TextPiece("Hel"),
        TextPiece("lo"),
        CallBegan(0, "call_1", "f"),
        CallPiece(0, '{"a":1}'),
        CallBegan(1, "call_2", "g"),
        CallPiece(1, "{}"),
        Finished("tool_calls"),
        USAGE,
    ]
    assert kinds(*events) == [*THOUGHT, *MESSAGE, *CALL, *CALL, "completed"]


def test_each_item_has_its_place_and_its_own_id() -> None:
    found = steps(ThinkingPiece("Hm."), TextPiece("Hi"), CallBegan(0, "c", "f"), DONE)
    done = [step for step in found if step["type"] == "response.output_item.done"]
    assert [step["output_index"] for step in done] == [0, 1, 2]
    ids = [step["item"]["id"] for step in done]
    assert [name.partition("_")[0] for name in ids] == ["rs", "msg", "fc"]
    assert len(set(ids)) == 3
    for step in found:
        if "item_id" in step:
            assert step["item_id"] == ids[step["output_index"]]
    assert [item["id"] for item in found[-1]["response"]["output"]] == ids


def test_an_item_begins_empty_and_ends_whole() -> None:
    found = steps(TextPiece("Hel"), TextPiece("lo"), DONE)
    items = [step["item"] for step in found if "item" in step]
    assert [item["status"] for item in items] == ["in_progress", "completed"]
    assert items[0]["content"] == []
    assert items[1]["content"][0]["text"] == "Hello"


def test_a_response_begins_empty_and_repeats_what_was_asked() -> None:
    request = {
        "model": "m",
        "instructions": "Be brief.",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "temperature": 0.5,
        "store": False,
        "previous_response_id": "resp_0",
    }
    first, *_, last = steps(TextPiece("Hi"), DONE, USAGE, request=request, response_id="resp_7")
    for response in (first["response"], last["response"]):
        for name in request.keys() - {"reasoning", "text"}:
            assert response[name] == request[name]
        assert response["reasoning"] == {"effort": "low", "summary": None}
        assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
        assert response["id"] == "resp_7"
        assert response["created_at"] == 1_700_000_000
    assert first["response"]["status"] == "in_progress"
    assert first["response"]["output"] == []
    assert first["response"]["usage"] is None
    assert last["response"]["status"] == "completed"


def test_ids_are_openais_or_new() -> None:
    assert write_answer([Began("resp_9")], "m")["id"] == "resp_9"
    made = {write_answer([Began("chatcmpl-9")], "m")["id"] for _ in range(2)}
    assert len(made) == 2 and all(name.startswith("resp_") for name in made)


def test_usage_has_every_figure() -> None:
    assert write_answer([TextPiece("Hi"), USAGE], "m")["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 50,
    }
    usage = write_answer([Counted(Usage(1, 2))], "m")["usage"]
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}


def test_nothing_is_sent_before_there_is_something_to_say() -> None:
    """So that another vendor can still be asked."""
    assert StreamWriter("m").write(Began("x")) == b""


def test_an_empty_answer_is_a_response_without_items() -> None:
    assert [step["type"] for step in steps(DONE)] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]


def test_arguments_in_turns_find_their_calls(upstream: Upstream) -> None:
    events: list[Event] = [
        CallBegan(0, "call_1", "f"),
        CallPiece(0, '{"a":'),
        CallBegan(1, "call_2", "g"),
        CallPiece(1, '{"b":'),
        CallPiece(0, "1}"),
        CallPiece(1, "2}"),
        Finished("tool_calls"),
    ]
    wanted = [call_item("call_1", "f", '{"a":1}'), call_item("call_2", "g", '{"b":2}')]
    assert output(*events) == wanted
    answer = accumulated(upstream, written(list(events)))
    assert read(answer).tools == [("f", {"a": 1}), ("g", {"b": 2})]


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    assert output(CallBegan(0, "call_1", "f"), DONE) == [call_item("call_1", "f", "{}")]
    assert kinds(CallBegan(0, "call_1", "f"), DONE) == [*CALL, "completed"]


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    events: list[Event] = [
        TextPiece("a"),
        CallBegan(0, "c", "f"),
        CallPiece(0, "{}"),
        TextPiece("b"),
        DONE,
    ]
    assert output(*events) == [text_item("a"), call_item("c", "f", "{}"), text_item("b")]


def test_custom_tools_are_called_with_text() -> None:
    events: list[Event] = [
        CallBegan(0, "call_1", "patch", custom=True),
        CallPiece(0, "*** Begin"),
        DONE,
    ]
    assert kinds(*events) == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "completed",
    ]
    (item,) = output(*events)
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", "*** Begin")


def test_a_tool_of_a_namespace_is_called_by_its_own_name() -> None:
    inner = [{"type": "function", "name": "log"}]
    tools = [{"type": "namespace", "name": "mcp__git", "description": "Git.", "tools": inner}]
    events: list[Event] = [CallBegan(0, "c", "mcp__git__log"), CallPiece(0, "{}"), DONE]
    for request in ({"tools": tools}, {"input": [{"type": "additional_tools", "tools": tools}]}):
        (item,) = output(*events, request=request)
        assert (item["namespace"], item["name"]) == ("mcp__git", "log")


def test_a_refusal_is_a_part_of_its_own() -> None:
    (item,) = output(TextPiece("Well, "), RefusalPiece("I can"), RefusalPiece("not."), DONE)
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert item["content"][1]["refusal"] == "I cannot."


def test_text_after_a_refusal_is_counted_on() -> None:
    found = steps(TextPiece("a"), RefusalPiece("b"), TextPiece("c"), TextPiece("d"), DONE)
    deltas = [(s["content_index"], s["delta"]) for s in found if s["type"].endswith(".delta")]
    assert deltas == [(0, "a"), (1, "b"), (2, "c"), (2, "d")]


def test_an_answer_that_is_cut_is_incomplete() -> None:
    last = steps(TextPiece("Once upon"), Finished("length"))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"
    (item,) = output(CallBegan(0, "c", "f"), CallPiece(0, '{"a'), Finished("length"))
    assert (item["status"], item["arguments"]) == ("incomplete", '{"a')


def test_why_content_was_withheld_is_a_refusal() -> None:
    answer = write_answer([Finished("content_filter", explanation="blocked: SAFETY")], "m")
    assert answer["incomplete_details"] == {"reason": "content_filter"}
    assert read(strict(answer)).refusal == "blocked: SAFETY"
    refused: list[Event] = [RefusalPiece("No."), Finished("content_filter", explanation="blocked")]
    assert read(strict(write_answer(refused, "m"))).refusal == "No."


def test_only_the_first_choice_is_told() -> None:
    assert output(TextPiece("a"), TextPiece("b", choice=1), DONE) == [text_item("a")]


@pytest.mark.parametrize(
    "citation",
    [
        {"type": "url_citation", "url_citation": {"url": "http://a", "title": "A"}},
        {"type": "web_search_result_location", "url": "http://a", "title": "A"},
        {"groundingMetadata": {"groundingChunks": [{"web": {"uri": "http://a", "title": "A"}}]}},
    ],
)
def test_sources_are_annotations(citation: dict[str, Any]) -> None:
    (item,) = output(TextPiece("Look: a"), Cited(citation), Cited(citation), DONE)
    (annotation,) = item["content"][0]["annotations"]
    place = {"start_index": 7, "end_index": 7}
    assert annotation == {"type": "url_citation", "url": "http://a", "title": "A", **place}


def test_a_source_may_come_early_or_late() -> None:
    source = Cited({"url": "http://a"})
    call: list[Event] = [CallBegan(0, "c", "f"), CallPiece(0, "{}")]
    answers: list[list[Event]] = [[source, TextPiece("Hi")], [TextPiece("Hi"), *call, source]]
    for events in answers:
        item = next(i for i in output(*events, DONE) if i["type"] == "message")
        assert item["content"][0]["annotations"][0]["url"] == "http://a"


def test_sources_come_before_their_text_ends() -> None:
    found = kinds(TextPiece("a"), TextPiece("b"), Cited({"url": "http://a"}), DONE)
    assert found.index("output_text.annotation.added") < found.index("output_text.done")


def test_log_probabilities_go_with_the_text() -> None:
    entry = {"token": "Hi", "logprob": -0.5, "bytes": None}
    told = {"openai_chat": {"logprobs": {"content": [{**entry, "top_logprobs": [entry]}]}}}
    (item,) = output(TextPiece("Hi"), Finished("stop", native=told))
    (written_entry,) = item["content"][0]["logprobs"]
    assert written_entry["bytes"] == [72, 105]
    assert written_entry["top_logprobs"] == [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}]


def test_items_of_openais_own_tools_pass() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    native = {"responses": {"item": item}}
    assert output(TextPiece("", native=native), TextPiece("Found."), DONE) == [
        {"type": "web_search_call", "status": "completed"},
        text_item("Found."),
    ]


# ---- failures


def test_the_sdk_raises_a_failure_in_mid_stream(upstream: Upstream) -> None:
    begun = StreamWriter("m").write(TextPiece("Hel"))
    stream = begun + error_event(UpstreamTimeout("Too slow."))
    with client_of(upstream, stream) as client:
        found = client.responses.create(model="m", input="?", stream=True)
        with pytest.raises(openai.APIError, match=r"Too slow\.") as caught, found:
            list(found)
    assert caught.value.code == "upstream_timeout"


def test_a_failure_is_an_error_and_a_failed_response() -> None:
    error, failed = said(error_event(BadRequest("No.", param="input")))
    assert (error["type"], failed["type"]) == ("error", "response.failed")
    assert (error["message"], error["param"]) == ("No.", "input")
    assert error["error"]["type"] == "invalid_request_error"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "invalid_prompt", "message": "No."}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamRateLimited("Slower."), "rate_limit_exceeded"),
        (UpstreamTimeout("Too slow."), "server_error"),
        (BadRequest("Too long.", code="context_length_exceeded"), "context_length_exceeded"),
    ],
)
def test_codex_is_told_by_code_what_to_do(error: Any, code: str) -> None:
    for stream in (error_event(error), StreamWriter("m").fail(error)):
        last = [json.loads(line[6:]) for line in stream.splitlines() if line[:6] == b"data: "][-1]
        assert last["response"]["error"]["code"] == code


def test_a_writer_ends_its_own_response_with_a_failure() -> None:
    writer = StreamWriter("m", response_id="resp_7")
    stream = writer.write(TextPiece("Hel")) + writer.fail(UpstreamTimeout("Too slow."))
    failed = said(stream)[-1]
    assert failed["response"]["id"] == "resp_7"
    assert writer.response == failed["response"]


# ---- vendors of this dialect


def heard(*steps: dict[str, Any]) -> tuple[StreamReader, list[Event]]:
    reader = StreamReader()
    found = [event for step in steps for event in reader.feed(json.dumps(step).encode())]
    return reader, found


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"type": "error", "code": "x", "message": "Broken."}, "Broken."),
        ({"type": "error", "error": {"code": "x", "message": "Broken."}}, "Broken."),
        ({"error": {"code": "x", "message": "Broken."}}, "Broken."),
        ({"type": "response.failed", "response": {"error": {"message": "Bad."}}}, "Bad."),
        ({"type": "response.failed"}, "The response failed"),
    ],
)
def test_a_failure_is_heard(step: dict[str, Any], message: str) -> None:
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    reader, _ = heard(created, step)
    assert reader.failure["error"]["message"] == message
    assert not reader.ended
    assert reader.feed(b'{"type":"response.completed"}') == []


def test_what_is_no_stream_is_a_failure() -> None:
    reader = StreamReader()
    reader.feed(b"<html>")
    assert reader.failure == "<html>"


def test_our_own_failure_is_heard() -> None:
    reader = StreamReader()
    feed(reader, error_event(UpstreamTimeout("Too slow.")))
    assert reader.failure["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize(
    ("why", "reason"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("new", "stop")],
)
def test_an_incomplete_response_is_heard(why: str, reason: str) -> None:
    response = {"status": "incomplete", "incomplete_details": {"reason": why}}
    reader, found = heard({"type": "response.incomplete", "response": response})
    assert reader.ended
    assert [event for event in found if isinstance(event, Finished)] == [Finished(reason)]  # type: ignore[arg-type]


def test_a_summary_and_the_thought_itself_are_not_both_told() -> None:
    deltas = [
        {"type": "response.reasoning_text.delta", "content_index": 0, "delta": "long"},
        {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "short"},
    ]
    _, found = heard(*deltas)
    assert found == [ThinkingPiece("long")]


def test_parts_of_a_summary_are_apart() -> None:
    step = {"type": "response.reasoning_summary_text.delta"}
    _, found = heard(
        {**step, "summary_index": 0, "delta": "a"},
        {**step, "summary_index": 1, "delta": "b"},
        {**step, "summary_index": 1, "delta": "c"},
    )
    assert [event.text for event in found if isinstance(event, ThinkingPiece)] == [
        "a",
        "\n\nb",
        "c",
    ]


def test_ids_of_calls_are_unique() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    done = [{"type": "response.output_item.done", "output_index": n, "item": item} for n in (0, 1)]
    _, found = heard(*done)
    began = [event for event in found if isinstance(event, CallBegan)]
    assert [event.call for event in began] == [0, 1]
    assert len({event.id for event in began}) == 2


@pytest.mark.parametrize(
    "events",
    [
        [TextPiece("Hi"), DONE],
        [ThinkingPiece("Hm."), TextPiece("Hi"), DONE],
        [CallBegan(0, "c", "f"), CallPiece(0, '{"a":1}'), Finished("tool_calls")],
        [CallBegan(0, "c", "f", custom=True), CallPiece(0, "text"), Finished("tool_calls")],
        [RefusalPiece("No."), Finished("content_filter")],
        [TextPiece("Hi"), Finished("length")],
    ],
)
def test_what_is_written_is_heard_again(events: list[Event]) -> None:
    reader = StreamReader()
    found = feed(reader, written([Began("resp_1", "m", 5), *events]))
    assert reader.ended
    wanted = [Began("resp_1", "m", 5), *events]
    assert [event for event in found if not isinstance(event, ThinkingSealed)] == wanted


def test_the_stream_is_declared_as_other_doors_declare_it() -> None:
    assert responses.STREAM_TYPE == "text/event-stream; charset=utf-8"
    assert responses.KEEP_ALIVE == b": keep-alive\n\n"
    assert responses.error_body(BadRequest("No."))["error"]["message"] == "No."
