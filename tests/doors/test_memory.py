"""What the gateway keeps for its clients between two calls, with two workers that take turns.

A plain client of OpenAI's dialect drops what that dialect has no member for; the vendor gets it
back all the same. Each turn is answered by another worker: the other one is stopped meanwhile.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.running import Running
from tests.upstream import (
    Answer,
    Json,
    Named,
    Received,
    Recording,
    Sse,
    Upstream,
    chunks,
    failure,
    load,
)
from tests.upstream.recordings import RECORDINGS

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "Go on."}]
SENTINEL = "skip_thought_signature_validator"


class Pair:
    """A gateway of two workers; `on(0)` and `on(1)` let only that one answer."""

    def __init__(self, running: Running) -> None:
        self.running = running

    @contextmanager
    def on(self, number: int) -> Iterator[None]:
        workers = sorted(self.running.worker_pids())
        assert len(workers) == 2
        with self.running.asleep(workers[1 - number]):
            yield

    def client(self, provider: str, upstream: Upstream, **fields: Any) -> str:
        speaks_openai = provider not in ("gemini", "anthropic")
        address = upstream.base_url if speaks_openai else upstream.origin
        return self.running.client(
            provider=provider, provider_base_url=address, provider_api_key="key", **fields
        )

    def ask(self, worker: int, key: str, *, stream: bool = False, **body: Any) -> dict[str, Any]:
        """Asks as a plain client; gives the message as such a one keeps it."""
        with (
            self.on(worker),
            openai.OpenAI(base_url=self.running.base_url, api_key=key, max_retries=0) as sdk,
        ):
            if not stream:
                whole = sdk.chat.completions.create(**body)
                return plain(whole.choices[0].message)
            with sdk.chat.completions.stream(**body) as events:
                return plain(events.get_final_completion().choices[0].message)


def plain(message: Any) -> dict[str, Any]:
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls or ()
    ]
    kept = {"role": "assistant", "content": message.content or None}
    return kept | ({"tool_calls": calls} if calls else {})


def answered(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation so far, with a result for each call."""
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": "done"}
        for call in message["tool_calls"]
    ]
    return [*ASKED, message, *results]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, vendor: Upstream) -> Iterator[Pair]:
    claude = {"api_key": "key", "base_url": vendor.origin}
    settings = {"upstream": {"max_retries": 0}, "providers": {"anthropic": claude}}
    with Running(tmp_path_factory.mktemp("pair"), settings, workers=2) as running:
        running.wait_until(lambda: len(running.worker_pids()) == 2, "both workers")
        yield Pair(running)


@pytest.fixture(autouse=True)
def nothing_is_left_over(vendor: Upstream) -> Iterator[None]:
    yield
    vendor.clear()


def last(vendor: Upstream) -> Any:
    return vendor.requests[-1].json


# Gemini's signatures


def signed(recording: Recording) -> list[dict[str, Any]]:
    """The recorded parts with calls, if one of them is signed."""
    if recording.status != 200 or "GenerateContent" not in recording.path.replace("g", "G"):
        return []
    answers = [recording.response]
    if recording.stream:
        lines = recording.body().decode().splitlines()
        answers = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    parts = [
        part
        for answer in answers
        for candidate in answer.get("candidates", ())
        for part in candidate.get("content", {}).get("parts", ())
        if "functionCall" in part
    ]
    return parts if any("thoughtSignature" in part for part in parts) else []


GEMINI = [each for each in load(RECORDINGS.with_name("gemini.jsonl.gz")) if signed(each)]


def test_there_are_recorded_signatures() -> None:
    assert len(GEMINI) == 53
    assert sum("gemini-3" in each.path for each in GEMINI) == 28
    assert sum(each.stream for each in GEMINI) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("recording", GEMINI, ids=lambda recording: recording.id)
def test_recorded_signatures_of_gemini_come_back(
    pair: Pair, vendor: Upstream, recording: Recording, stream: bool
) -> None:
    if stream == recording.stream:
        vendor.always(recording.answer())
    elif stream:
        vendor.always(Sse([recording.response], done=False))
    else:
        vendor.always(Json(_joined(recording)))
    key = pair.client("gemini", vendor)
    model = recording.path.split("/models/")[1].partition(":")[0]
    names = {part["functionCall"]["name"] for part in signed(recording)}
    tools = [{**TOOL, "function": {"name": name}} for name in sorted(names)]
    asked: Any = {"model": model, "tools": tools, "stream": stream}
    said = pair.ask(0, key, messages=ASKED, **asked)
    pair.ask(1, key, messages=answered(said), **asked)
    sent = [part for turn in last(vendor)["contents"] for part in turn["parts"]]
    calls = [part for part in sent if "functionCall" in part]
    assert [part.get("thoughtSignature") for part in calls] == [
        part.get("thoughtSignature") for part in signed(recording)
    ]


def _joined(recording: Recording) -> Any:
    parts = signed(recording)
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}


def gemini_call(signature: str = "c2lnbmF0dXJl", name: str = "f") -> dict[str, Any]:
    part = {"functionCall": {"name": name, "args": {}}, "thoughtSignature": signature}
    content = {"role": "model", "parts": [part]}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}


def gemini_signatures(received: Received) -> list[Any]:
    parts = [part for turn in received.json["contents"] for part in turn["parts"]]
    return [part.get("thoughtSignature") for part in parts if "functionCall" in part]


def test_signatures_come_back_through_an_anthropic_client(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(gemini_call()))
    key = pair.client("gemini", vendor)
    tools: Any = [{"name": "f", "input_schema": {"type": "object"}}]
    messages: list[Any] = [{"role": "user", "content": "Go on."}]
    asked: Any = {"model": "gemini-3-pro", "max_tokens": 100, "tools": tools}
    for worker in (0, 1):
        with (
            pair.on(worker),
            anthropic.Anthropic(base_url=pair.running.origin, api_key=key) as sdk,
        ):
            said = sdk.messages.create(messages=messages, **asked)
        (use,) = [block for block in said.content if block.type == "tool_use"]
        use = use.to_dict()
        kept = {name: use[name] for name in ("type", "id", "name", "input")}
        result = {"type": "tool_result", "tool_use_id": kept["id"], "content": "done"}
        messages += [
            {"role": "assistant", "content": [kept]},
            {"role": "user", "content": [result]},
        ]
    assert gemini_signatures(vendor.requests[-1]) == ["c2lnbmF0dXJl"]


def test_what_the_client_brings_along_wins(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(gemini_call()))
    key = pair.client("gemini", vendor)
    asked: Any = {"model": "gemini-3-pro", "tools": [TOOL]}
    said = pair.ask(0, key, messages=ASKED, **asked)
    own = {"google": {"thought_signature": "b3duZXI="}}
    said["tool_calls"][0]["extra_content"] = own
    pair.ask(1, key, messages=answered(said), **asked)
    assert gemini_signatures(vendor.requests[-1]) == ["b3duZXI="]


def test_another_model_or_client_gets_the_stand_in(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(gemini_call()))
    key, other = pair.client("gemini", vendor), pair.client("gemini", vendor)
    said = pair.ask(0, key, messages=ASKED, model="gemini-3-pro", tools=[TOOL])
    for asker, model in ((key, "gemini-3-flash"), (other, "gemini-3-pro")):
        pair.ask(1, asker, messages=answered(said), model=model, tools=[TOOL])
        assert gemini_signatures(vendor.requests[-1]) == [SENTINEL]


# Anthropic's thoughts


def _thought() -> dict[str, Any]:
    """A recorded one."""
    return next(
        block
        for recording in load(RECORDINGS.with_name("anthropic.jsonl.gz"))
        if recording.kind == "json" and recording.status == 200
        for block in recording.response.get("content", ())
        if block["type"] == "thinking" and block["thinking"]
    )


THINKING = _thought()
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"}
SAYING = {"type": "text", "text": "Let me look."}
USE = {"type": "tool_use", "id": "toolu_01A09q90qw90lq917835lq9", "name": "f", "input": {"a": 1}}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [THINKING, REDACTED, SAYING, USE],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 20},
}


def anthropic_stream() -> Sse:
    def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": begin},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    text = THINKING["thinking"]
    events = [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": text[:20]},
            {"type": "thinking_delta", "thinking": text[20:]},
            {"type": "signature_delta", "signature": THINKING["signature"]},
        ),
        *block(1, REDACTED),
        *block(2, {"type": "text", "text": ""}, {"type": "text_delta", "text": SAYING["text"]}),
        *block(
            3,
            {**USE, "input": {}},
            {"type": "input_json_delta", "partial_json": '{"a":'},
            {"type": "input_json_delta", "partial_json": " 1}"},
        ),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 20},
        },
        {"type": "message_stop"},
    ]
    return Sse([Named(event["type"], event) for event in events], done=False)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_thoughts_of_anthropic_come_back(pair: Pair, vendor: Upstream, stream: bool) -> None:
    vendor.always(anthropic_stream() if stream else Json(MESSAGE))
    key = pair.client("anthropic", vendor, strict_params=True)
    asked: Any = {"model": "claude-sonnet-4-5", "tools": [TOOL], "reasoning_effort": "high"}
    said = pair.ask(0, key, messages=ASKED, stream=stream, **asked)
    assert said.keys() == {"role", "content", "tool_calls"}
    pair.ask(1, key, messages=answered(said), stream=stream, **asked)
    body = last(vendor)
    assert body["messages"][1]["content"] == [THINKING, REDACTED, SAYING, USE]
    assert body["thinking"]["type"] == "enabled"


def test_plain_text_of_thoughts_gives_way_to_the_sealed_ones(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(MESSAGE))
    key = pair.client("anthropic", vendor)
    said = pair.ask(0, key, messages=ASKED, model="claude-sonnet-4-5", tools=[TOOL])
    said["reasoning_content"] = THINKING["thinking"]
    pair.ask(1, key, messages=answered(said), model="claude-sonnet-4-5", tools=[TOOL])
    assert last(vendor)["messages"][1]["content"] == [THINKING, REDACTED, SAYING, USE]


def test_without_its_thoughts_a_turn_is_asked_without_thinking(
    pair: Pair, vendor: Upstream
) -> None:
    vendor.always(Json(MESSAGE))
    key = pair.client("anthropic", vendor)
    said = plain_call("toolu_01NobodyKnowsThisOne")
    asked: Any = {"model": "claude-sonnet-4-5", "tools": [TOOL], "reasoning_effort": "high"}
    pair.ask(0, key, messages=answered(said), **asked)
    assert "thinking" not in last(vendor)
    assert [block["type"] for block in last(vendor)["messages"][1]["content"]] == ["tool_use"]


def plain_call(id: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": '{"a":1}'}
    call = {"id": id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


# Another vendor


def test_no_vendor_sees_anothers_state(pair: Pair, vendor: Upstream) -> None:
    """The client returns all that it got, and its next question goes to the other one."""
    vendor.script(lambda received: "claude" in (received.model or ""), Json(MESSAGE))
    vendor.script(lambda received: ":generateContent" in received.path, Json(gemini_call()))
    models = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-3-pro"}
    for provider, other in (("anthropic", "gemini"), ("gemini", "anthropic")):
        made = pair.running.new_client(
            provider=provider, provider_base_url=vendor.origin, provider_api_key="key"
        )
        key, path = made["api_key"], f"/clients/{made['client']['id']}"
        for brings_all in (False, True):
            change = {"provider": provider, "provider_base_url": vendor.origin}
            pair.running.admin("PATCH", path, change | {"provider_api_key": "key"})
            settle(pair, key, models, provider)
            said = _asked_whole(pair, key, models[provider])
            message = said if brings_all else plain_of(said)
            change["provider"] = other
            changed = pair.running.admin("PATCH", path, change | {"provider_api_key": "key"})
            assert changed.status == 200, changed.body
            settle(pair, key, models, other)
            pair.ask(1, key, messages=answered(message), model=models[other], tools=[TOOL])
            sent = vendor.requests[-1].body
            foreign = [THINKING["signature"], REDACTED["data"], "c2lnbmF0dXJl"]
            assert [seal for seal in foreign if seal.encode() in sent] == []


def test_a_fallback_gets_no_state_but_its_own(pair: Pair, vendor: Upstream) -> None:
    answers: list[Answer] = [Json(gemini_call()), failure(503), Json(gemini_call("bmV3"))]
    vendor.script("/v1beta/models/gemini-3-pro:generateContent", answers)
    vendor.script("/v1/messages", Json(MESSAGE))
    key = pair.client("gemini", vendor, fallback_models=["anthropic/claude-sonnet-4-5"])
    asked: Any = {"model": "gemini-3-pro", "tools": [TOOL]}
    turns = answered(pair.ask(0, key, messages=ASKED, **asked))
    said = pair.ask(1, key, messages=turns, **asked)
    assert vendor.requests[-1].path == "/v1/messages"
    assert b"c2lnbmF0dXJl" not in vendor.requests[-1].body
    pair.ask(0, key, messages=[*turns, *answered(said)[1:]], **asked)
    assert gemini_signatures(vendor.requests[-1]) == ["c2lnbmF0dXJl", SENTINEL]
    assert THINKING["signature"].encode() not in vendor.requests[-1].body


def settle(pair: Pair, key: str, models: dict[str, str], provider: str) -> None:
    """Waits until both workers know whom the client asks now."""
    body = {"model": models[provider], "messages": ASKED}

    def knows() -> bool:
        said = pair.running.chat(key, body)
        return said.status == 200 and said.headers["x-gateway-provider"] == provider

    for worker in (0, 1):
        with pair.on(worker):
            pair.running.wait_until(knows, f"{provider} to be asked")


def _asked_whole(pair: Pair, key: str, model: str) -> dict[str, Any]:
    with pair.on(0):
        body = {"model": model, "messages": ASKED, "tools": [TOOL]}
        message: dict[str, Any] = pair.running.chat(key, body).json["choices"][0]["message"]
    return message


def plain_of(message: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {name: call[name] for name in ("id", "type", "function")} for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": message["content"], "tool_calls": calls}


# Vendors of OpenAI's dialect, relayed


def told(members: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": members, "finish_reason": finish}
    return chunks()[0] | {"choices": [choice]}


def openai_call(id: str = "call_00_Zk3vB2xQpL9s") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def relayed_answer(members: dict[str, Any], pieces: list[dict[str, Any]], stream: bool) -> Answer:
    if not stream:
        message = {"role": "assistant", "content": "", "tool_calls": [openai_call()], **members}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return Json({**chunks()[0], "object": "chat.completion", "choices": [choice]})
    call = {"index": 0, **openai_call()}
    return Sse([*map(told, pieces), told({"tool_calls": [call]}), told({}, "tool_calls")])


DETAILS: list[dict[str, Any]] = [
    {
        "type": "reasoning.text",
        "text": "I should look it up.",
        "signature": "c2ln",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {
        "type": "reasoning.encrypted",
        "data": "c2VhbGVk",
        "id": "rs_1",
        "format": "openai-responses-v1",
        "index": 1,
    },
]
DETAIL_PIECES: list[dict[str, Any]] = [
    {"reasoning": "I should ", "reasoning_details": [{**DETAILS[0], "text": "I should "}]},
    {"reasoning": "look it up.", "reasoning_details": [{**DETAILS[0], "text": "look it up."}]},
    {"reasoning_details": [DETAILS[1]]},
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_openrouters_details_come_back(pair: Pair, vendor: Upstream, stream: bool) -> None:
    vendor.always(relayed_answer({"reasoning_details": DETAILS}, DETAIL_PIECES, stream))
    key = pair.client("openrouter", vendor)
    asked: Any = {"model": "x-ai/grok-4", "tools": [TOOL], "stream": stream}
    said = pair.ask(0, key, messages=ASKED, **asked)
    pair.ask(1, key, messages=answered(said), **asked)
    assert last(vendor)["messages"][1] == said | {"reasoning_details": DETAILS}
    assert last(vendor)["messages"][2:] == answered(said)[2:]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_deepseeks_thoughts_come_back(pair: Pair, vendor: Upstream, stream: bool) -> None:
    text = 'I should "look" it up.\n'
    pieces = [{"reasoning_content": text[:5]}, {"reasoning_content": text[5:]}]
    vendor.always(relayed_answer({"reasoning_content": text}, pieces, stream))
    key = pair.client("deepseek", vendor)
    asked: Any = {"model": "deepseek-chat", "tools": [TOOL], "stream": stream}
    said = pair.ask(0, key, messages=ASKED, **asked)
    unknown = {"role": "assistant", "content": "Well."}
    pair.ask(1, key, messages=[*answered(said), unknown, *ASKED], **asked)
    sent = last(vendor)["messages"]
    assert sent[1] == said | {"reasoning_content": text}
    assert sent[3] == unknown | {"reasoning_content": ""}
    assert [sent[at] for at in (0, 2, 4)] == [ASKED[0], answered(said)[2], ASKED[0]]


def test_deepseeks_thoughts_come_back_through_an_anthropic_client(
    pair: Pair, vendor: Upstream
) -> None:
    vendor.always(relayed_answer({"reasoning_content": "Hm."}, [], stream=False))
    key = pair.client("deepseek", vendor)
    tools: Any = [{"name": "f", "input_schema": {"type": "object"}}]
    asked: Any = {"model": "deepseek-chat", "max_tokens": 100, "tools": tools}
    kept = {"type": "tool_use", "id": openai_call()["id"], "name": "f", "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": kept["id"], "content": "done"}
    turns: list[Any] = [
        *ASKED,
        {"role": "assistant", "content": [kept]},
        {"role": "user", "content": [result]},
    ]
    for worker, messages in ((0, turns[:1]), (1, turns)):
        with (
            pair.on(worker),
            anthropic.Anthropic(base_url=pair.running.origin, api_key=key) as sdk,
        ):
            sdk.messages.create(messages=messages, **asked)
    assert last(vendor)["messages"][1]["reasoning_content"] == "Hm."


def test_a_relayed_question_is_not_touched_where_nothing_is_wanted_back(
    pair: Pair, vendor: Upstream
) -> None:
    vendor.always(relayed_answer({"reasoning_content": "Hm."}, [], stream=False))
    for provider in ("openai-compatible", "deepseek", "openrouter"):
        key = pair.client(provider, vendor)
        messages = answered(plain_call("call_9"))
        messages[1] |= {"reasoning_content": "mine", "reasoning_details": [{"type": "mine"}]}
        raw = b' { "messages" : %b , "model":"m" } ' % json.dumps(messages, indent=1).encode()
        with pair.on(0):
            assert pair.running.chat(key, raw).status == 200
        assert vendor.requests[-1].body == raw


def test_a_relayed_answer_passes_as_it_came(pair: Pair, vendor: Upstream) -> None:
    answer = relayed_answer({}, DETAIL_PIECES, stream=True)
    for chop in ("whole", "events", "bytes"):
        vendor.always(answer.but(chop=chop))
        key = pair.client("openrouter", vendor)
        body = {"model": "m", "messages": ASKED, "tools": [TOOL], "stream": True}
        with pair.on(0):
            assert pair.running.chat(key, body).body == b"".join(answer.parts())
        message = {"role": "assistant", "tool_calls": [openai_call()]}
        pair.ask(1, key, messages=answered(message), model="m", tools=[TOOL], stream=True)
        assert last(vendor)["messages"][1] == message | {"reasoning_details": DETAILS}


def test_it_is_kept_before_the_client_knows_that_there_is_no_more(
    pair: Pair, vendor: Upstream
) -> None:
    """The next question may come while the last answer is not yet over."""
    answer = relayed_answer({}, DETAIL_PIECES, stream=True)
    vendor.always([answer.but(hang=len(answer.parts()) - 1.0), answer])
    key = pair.client("openrouter", vendor)
    asked: Any = {"model": "m", "messages": ASKED, "tools": [TOOL], "stream": True}
    message = {"role": "assistant", "tool_calls": [openai_call()]}
    with responses_of(pair, key) as sdk:
        with pair.on(0):
            stream = sdk.chat.completions.create(**asked)
            while not next(stream).choices[0].finish_reason:
                pass
        pair.ask(1, key, messages=answered(message), model="m", tools=[TOOL], stream=True)
        assert last(vendor)["messages"][1] == message | {"reasoning_details": DETAILS}
        vendor.release()
        assert list(stream) == []


def test_calls_that_are_counted_anew_in_each_conversation_are_told_apart(
    pair: Pair, vendor: Upstream
) -> None:
    """Kimi's ids are such; what a call asks for is what sets them apart."""
    key = pair.client("openrouter", vendor)
    said = []
    for number in (1, 2):
        call = openai_call("functions.f:0")
        call["function"]["arguments"] = f'{{"a": {number}}}'
        details = [{"type": "reasoning.encrypted", "data": f"sealed {number}", "index": 0}]
        members = {"reasoning_details": details, "tool_calls": [call]}
        vendor.always(relayed_answer(members, [], stream=False))
        said.append(pair.ask(0, key, messages=ASKED, model="m", tools=[TOOL]))
    for number, message in enumerate(said, 1):
        pair.ask(1, key, messages=answered(message), model="m", tools=[TOOL])
        (detail,) = last(vendor)["messages"][1]["reasoning_details"]
        assert detail["data"] == f"sealed {number}"


# Responses


def responses_of(pair: Pair, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=pair.running.base_url, api_key=key, max_retries=0)


RESPONSES_TOOL: Any = {"type": "function", "name": "f", "parameters": {"type": "object"}}
FINAL = {**MESSAGE, "content": [{"type": "text", "text": "It is 42."}], "stop_reason": "end_turn"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_conversation_goes_on_from_its_last_response(
    pair: Pair, vendor: Upstream, stream: bool
) -> None:
    first = anthropic_stream() if stream else Json(MESSAGE)
    vendor.always([first, Json(FINAL), Json(FINAL)])
    key = pair.client("anthropic", vendor)
    asked: Any = {
        "model": "claude-sonnet-4-5",
        "tools": [RESPONSES_TOOL],
        "reasoning": {"effort": "high"},
    }
    with pair.on(0), responses_of(pair, key) as sdk:
        if stream:
            with sdk.responses.stream(input="Go on.", **asked) as events:
                one = events.get_final_response()
        else:
            one = sdk.responses.create(input="Go on.", **asked)
    (call,) = [item for item in one.output if item.type == "function_call"]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    with pair.on(1), responses_of(pair, key) as sdk:
        two = sdk.responses.create(input=[result], previous_response_id=one.id, **asked)
    assert two.previous_response_id == one.id
    with pair.on(0), responses_of(pair, key) as sdk:
        sdk.responses.create(input="Really?", previous_response_id=two.id, **asked)
    sent = last(vendor)["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant"] * 2 + ["user"]
    assert sent[1]["content"] == [THINKING, REDACTED, SAYING, USE]
    assert sent[2]["content"][0]["tool_use_id"] == USE["id"]
    assert "It is 42." in json.dumps(sent[3]) and "Really?" in json.dumps(sent[4])


def test_what_a_question_goes_on_with_counts_as_its_input(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(FINAL))
    key = pair.client("anthropic", vendor, max_input_tokens=600)
    with pair.on(0), responses_of(pair, key) as sdk:
        one = sdk.responses.create(model="m", input="word " * 300)
        assert sdk.responses.create(model="m", input="word " * 100).status == "completed"
        with pytest.raises(openai.BadRequestError, match="max_input_tokens"):
            sdk.responses.create(model="m", input="word " * 100, previous_response_id=one.id)
    assert len(vendor.requests) == 2


def refused(sdk: openai.OpenAI, previous: str) -> Any:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.responses.create(model="m", input="And?", previous_response_id=previous)
    return caught.value


def test_only_ones_own_stored_responses_are_known(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(FINAL))
    key, other = pair.client("anthropic", vendor), pair.client("anthropic", vendor)
    with pair.on(0), responses_of(pair, key) as sdk:
        kept = sdk.responses.create(model="m", input="Hello")
        let_go = sdk.responses.create(model="m", input="Hello", store=False)
    with pair.on(1), responses_of(pair, key) as sdk:
        for id in ("resp_unknown", let_go.id):
            error = refused(sdk, id)
            assert (error.code, error.param) == (
                "previous_response_not_found",
                "previous_response_id",
            )
        assert sdk.responses.retrieve(kept.id).to_dict() == kept.to_dict()
    with pair.on(0), responses_of(pair, other) as sdk:
        assert refused(sdk, kept.id).code == "previous_response_not_found"
        for ask in (sdk.responses.retrieve, sdk.responses.delete):
            with pytest.raises(openai.NotFoundError):
                ask(kept.id)
    with pair.on(1), responses_of(pair, key) as sdk:
        sdk.responses.delete(kept.id)
    with pair.on(0), responses_of(pair, key) as sdk:
        assert refused(sdk, kept.id).code == "previous_response_not_found"
        with pytest.raises(openai.NotFoundError):
            sdk.responses.retrieve(kept.id)


def test_store_false_keeps_nothing(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json(gemini_call()))
    key = pair.client("gemini", vendor)
    asked: Any = {"model": "gemini-3-pro", "tools": [RESPONSES_TOOL]}
    for store, signature in ((False, SENTINEL), (True, "c2lnbmF0dXJl")):
        with pair.on(0), responses_of(pair, key) as sdk:
            said = sdk.responses.create(input="Go on.", store=store, **asked)
        call: Any = next(item.to_dict() for item in said.output if item.type == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "42"}
        turns: Any = [*ASKED, call, result]
        with pair.on(1), responses_of(pair, key) as sdk:
            sdk.responses.create(input=turns, **asked)
        assert gemini_signatures(vendor.requests[-1]) == [signature]


def test_a_vendor_that_speaks_responses_keeps_its_own(pair: Pair, vendor: Upstream) -> None:
    vendor.always(Json({"id": "resp_1", "object": "response", "output": [], "status": "completed"}))
    key = pair.client("openai", vendor)
    body = {"model": "m", "input": "And?", "previous_response_id": "resp_0"}
    headers = {"Authorization": f"Bearer {key}"}
    with pair.on(0):
        pair.running.call("POST", "/v1/responses", json.dumps(body).encode(), headers)
        assert last(vendor) == body
        assert pair.running.call("GET", "/v1/responses/resp_1", headers=headers).status == 404


# The store


def test_what_is_kept_outlives_a_restart(tmp_path: Path, vendor: Upstream) -> None:
    vendor.always(Json(FINAL))
    with Running(tmp_path, {"upstream": {"max_retries": 0}}) as running:
        pair = Pair(running)
        key = pair.client("anthropic", vendor)
        with responses_of(pair, key) as sdk:
            one = sdk.responses.create(model="m", input="Hello")
        running.stop()
        running.start()
        with responses_of(pair, key) as sdk:
            sdk.responses.create(model="m", input="And?", previous_response_id=one.id)
        assert [message["role"] for message in last(vendor)["messages"]] == [
            "user",
            "assistant",
            "user",
        ]


def test_calls_go_on_where_nothing_can_be_shared(tmp_path: Path, vendor: Upstream) -> None:
    """Then one worker keeps what its own clients need."""
    vendor.always(Json(gemini_call()))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.db").write_text("no database " * 1000)
    with Running(tmp_path, {"upstream": {"max_retries": 0}}) as running:
        key = Pair(running).client("gemini", vendor)
        body = {"model": "gemini-3-pro", "messages": ASKED, "tools": [TOOL]}
        said = plain_of(running.chat(key, body).json["choices"][0]["message"])
        assert running.chat(key, {**body, "messages": answered(said)}).status == 200
        assert gemini_signatures(vendor.requests[-1]) == ["c2lnbmF0dXJl"]
        asked = {"model": "gemini-3-pro", "input": "?", "previous_response_id": "resp_1"}
        headers = {"Authorization": f"Bearer {key}"}
        lost = running.call("POST", "/v1/responses", json.dumps(asked).encode(), headers)
        assert (lost.status, lost.error["code"]) == (503, "gateway_unavailable")
        ready = running.call("GET", "/health/ready").json
        assert ready["degraded"] == ["state: file is not a database"]


def test_a_client_has_so_much_room_and_no_more(tmp_path: Path, vendor: Upstream) -> None:
    vendor.always(Json(FINAL))
    settings = {"upstream": {"max_retries": 0}, "state": {"max_entries_per_client": 2}}
    with Running(tmp_path, settings) as running:
        pair = Pair(running)
        keys = [pair.client("anthropic", vendor) for _ in range(2)]
        with responses_of(pair, keys[0]) as sdk, responses_of(pair, keys[1]) as other:
            another = other.responses.create(model="m", input="Hello")
            made = [sdk.responses.create(model="m", input="Hello").id for _ in range(3)]
            assert refused(sdk, made[0]).code == "previous_response_not_found"
            for id in made[1:]:
                assert sdk.responses.retrieve(id).id == id
            assert other.responses.retrieve(another.id).id == another.id


def test_what_is_kept_is_kept_for_its_time(tmp_path: Path, vendor: Upstream) -> None:
    vendor.always(Json(FINAL))
    settings = {"upstream": {"max_retries": 0}, "state": {"ttl_hours": 0.0001}}
    with Running(tmp_path, settings) as running:
        pair = Pair(running)
        with responses_of(pair, pair.client("anthropic", vendor)) as sdk:
            id = sdk.responses.create(model="m", input="Hello").id
            time.sleep(0.5)
            assert refused(sdk, id).code == "previous_response_not_found"
