"""Gateway mode in the world: MCP servers that die, tools that take long, clients that leave."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any

import openai
import pytest

from tests import spoken
from tests.doors.tool_clients import CONVERSATIONS, Conversation, Function, Heard, Result
from tests.failure.caller import Caller, request
from tests.failure.calls import only_one
from tests.running import Running
from tests.spoken import Call, Said
from tests.told import told
from tests.tools.mcp_server import PNG
from tests.tools.serving import Serving
from tests.upstream import Answer, Json, Received, Upstream, failure

VENDORS = {
    "openai": ("openai", "/v1", "gpt-4o-mini"),
    "anthropic": ("anthropic", "", "claude-sonnet-5"),
    "gemini": ("gemini", "", "gemini-3-flash"),
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = Function("weather", "What the weather is like.", CITY)
ASKS_WEATHER = Call("call_f5g6h7i8j", "weather", {"city": "Bern"})
SUM = Call("call_a1b2c3d4e", "calculate", {"expression": "6*7"})
ADD = Call("call_k1l2m3n4o", "mcp__add", {"a": 2, "b": 3})
QUESTION = {"role": "user", "content": "Well?"}
KEEP_ALIVE = b": keep-alive\n\n"
each_form = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
each_vendor = pytest.mark.parametrize("vendor", VENDORS)
each_door = pytest.mark.parametrize("door", CONVERSATIONS)


@pytest.fixture(scope="module")
def mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("mcp")) as serving:
        yield serving


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """An MCP server that tests may kill."""
    with Serving(tmp_path_factory.mktemp("mortal")) as serving:
        yield serving


@pytest.fixture(scope="module")
def second() -> Iterator[Upstream]:
    """The vendor to which a call falls back."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, mcp: Serving, mortal: Serving, second: Upstream
) -> Iterator[Running]:
    """A gateway of two workers whose tools are all on."""
    servers = [mcp.written(name="mcp"), mortal.written(name="mortal")]
    settings = {
        "upstream": {"max_retries": 0, "head_wait": 0.1, "keepalive_interval": 0.1},
        "tools": {"enabled": ["*"], "mcp_servers": servers},
        "providers": {"anthropic": {"api_key": "k", "base_url": second.origin}},
        "demo": {"tokens_per_second": 0},
    }
    with Running(tmp_path_factory.mktemp("mode"), settings, workers=2) as running:
        running.wait_until(lambda: len(running.worker_pids()) == 2, "both workers")
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left_over(second: Upstream) -> Iterator[None]:
    yield
    second.clear()


class Model:
    """What the vendor's model says follows from how often it was asked."""

    def __init__(self, upstream: Upstream, vendor: str, *said: Said) -> None:
        self.vendor = vendor
        self.asked: list[dict[str, Any]] = []
        self._said = iter(said)
        upstream.always(self._answer)

    def _answer(self, received: Received) -> Answer:
        self.asked.append(received.json)
        return spoken.answer(self.vendor, next(self._said), received)

    @property
    def gives(self) -> list[tuple[Any, ...]]:
        """The results in the last question: name, text, whether it is an error."""
        return [one[1:] for one in told(self.vendor, self.asked[-1]) if one[0] == "gives"]


def new_key(
    gateway: Running, upstream: Upstream, vendor: str, *server_tools: str, **fields: Any
) -> str:
    provider, path, model = VENDORS[vendor]
    return gateway.client(
        provider=provider,
        provider_base_url=upstream.origin + path,
        provider_api_key="k",
        default_model=model,
        tool_mode="gateway",
        server_tools=list(server_tools),
        **fields,
    )


@contextmanager
def conversing(
    gateway: Running, door: str, key: str, model: str, *tools: Function
) -> Iterator[Conversation]:
    conversation = CONVERSATIONS[door](gateway.origin, key, model, tools)
    conversation.say("Well?")
    with closing(conversation):
        yield conversation


def ask(gateway: Running, vendor: str, key: str, *, stream: bool, door: str = "openai") -> Heard:
    with conversing(gateway, door, key, VENDORS[vendor][2]) as conversation:
        return conversation.ask(stream=stream)


def rounds_of(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row["tool_rounds"])
    return found


# MCP servers


@each_form
@each_vendor
@each_door
def test_tools_of_an_mcp_server_are_offered_and_called(
    pair: Running, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    model = Model(upstream, vendor, Said("Wait. ", (ADD,)), Said("It is 5."))
    key = new_key(pair, upstream, vendor, "mcp__*")
    heard = ask(pair, vendor, key, stream=stream, door=door)
    assert (heard.text, heard.calls, heard.usage) == ("Wait. It is 5.", [], (18, 8))
    offered = spoken.offered(vendor, model.asked[0])
    assert len(offered) == 29 and "mcp__add" in offered
    assert model.gives == [("mcp__add", "5", False)]


@each_form
@each_vendor
def test_an_image_of_a_tools_is_shown_to_the_model(
    pair: Running, upstream: Upstream, vendor: str, stream: bool
) -> None:
    model = Model(upstream, vendor, Said("", (Call("c_1", "mcp__picture", {}),)), Said("Nice."))
    heard = ask(pair, vendor, new_key(pair, upstream, vendor, "mcp__*"), stream=stream)
    assert heard.text == "Nice."
    assert [one for one in told(vendor, model.asked[1]) if one[0] == "shows"] == [("shows", PNG)]
    assert model.gives == [("mcp__picture", "Look:\nmore: http://more.example/", False)]


@each_form
@each_vendor
def test_a_server_that_dies_in_mid_call_and_comes_back(
    pair: Running, upstream: Upstream, mortal: Serving, vendor: str, stream: bool
) -> None:
    slow = Call("call_s1", "mortal__slow", {"seconds": 60})
    add = Call("call_m1", "mortal__add", {"a": 2, "b": 3})
    said = (Said("", (slow, SUM)), Said("It broke."), Said("", (add,)), Said("5"))
    model = Model(upstream, vendor, *said)
    name = f"dies {vendor} {stream} {os.urandom(3).hex()}"
    key = new_key(pair, upstream, vendor, "mortal__*", "calculate", name=name)
    begun = mortal.output.count("slow begins")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, pair, vendor, key, stream=stream)
        mortal.wait_until(lambda: mortal.output.count("slow begins") > begun)
        mortal.kill()
        heard = asking.result()
    assert (heard.text, heard.calls) == ("It broke.", [])
    words = "The tool's server cannot be reached, or broke off."
    assert model.gives == [("mortal__slow", words, True), ("calculate", "42", False)]
    (row,) = pair.rows(1, client_name=name)
    assert [run["error"] for run in rounds_of(row)["runs"]] == [words, None]
    mortal.start()
    assert ask(pair, vendor, key, stream=stream).text == "5"
    assert model.gives == [("mortal__add", "5", False)]


# Names


@each_form
def test_a_tool_of_the_clients_own_wins_over_one_of_the_same_name(
    pair: Running, upstream: Upstream, stream: bool
) -> None:
    own = Function("calculate", "The client's own.", CITY)
    model = Model(upstream, "openai", Said("", (SUM,)), Said("Thanks."))
    key = new_key(pair, upstream, "openai", "calculate", "uuid")
    with conversing(pair, "openai", key, "gpt-4o-mini", own) as conversation:
        heard = conversation.ask(stream=stream)
        assert heard.called == [("calculate", SUM.arguments)]
        conversation.answer(heard, [Result("forty-two")])
        assert conversation.ask(stream=stream).text == "Thanks."
    described = [tool["function"]["description"] for tool in model.asked[0]["tools"]]
    assert described[0] == "The client's own."
    assert spoken.offered("openai", model.asked[0]) == ["calculate", "uuid"]
    assert model.gives == [("calculate", "forty-two", False)]


def test_a_star_stands_for_all_that_are_on(pair: Running, upstream: Upstream) -> None:
    model = Model(upstream, "openai", Said("Fine."))
    ask(pair, "openai", new_key(pair, upstream, "openai", "*"), stream=False)
    on = {tool["name"] for tool in pair.admin("GET", "/tools").json["items"] if tool["enabled"]}
    assert set(spoken.offered("openai", model.asked[0])) == on
    assert {"get_time", "calculate", "mcp__add", "mortal__slow"} <= on


# Waiting, and leaving

SLOW = Said("Wait. ", (Call("call_s1", "mcp__slow", {"seconds": 60}),))
PAUSE = Said("Wait. ", (Call("call_s1", "mcp__slow", {"seconds": 0.6}),))


def test_a_stream_is_kept_alive_while_a_tool_runs(pair: Running, upstream: Upstream) -> None:
    Model(upstream, "openai", PAUSE, Said("Done."))
    body = {"model": "gpt-4o-mini", "messages": [QUESTION], "stream": True}
    with Caller(pair) as caller:
        caller.send(request(new_key(pair, upstream, "openai", "*"), body))
        _, headers = caller.head()
        read = b"".join(caller.blocks(headers))
    assert KEEP_ALIVE in read
    assert read.rstrip().endswith(b"data: [DONE]")
    assert "".join(_texts(read)) == "Wait. Done."


def _texts(stream: bytes) -> Iterator[str]:
    for line in stream.splitlines():
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:])["choices"]:
                yield choice["delta"].get("content") or ""


@each_form
def test_a_client_that_leaves_while_a_tool_runs_stops_it(
    pair: Running, upstream: Upstream, mcp: Serving, stream: bool
) -> None:
    Model(upstream, "openai", SLOW)
    name = f"leaves {stream} {os.urandom(3).hex()}"
    key = new_key(pair, upstream, "openai", "*", name=name)
    begun, stopped = (mcp.output.count(words) for words in ("slow begins", "slow is given up"))
    caller = Caller(pair)
    caller.send(request(key, {"model": "gpt-4o-mini", "messages": [QUESTION], "stream": stream}))
    mcp.wait_until(lambda: mcp.output.count("slow begins") > begun)
    if stream:
        _, headers = caller.head()
        read = b""
        for block in caller.blocks(headers):
            read += block
            if "".join(_texts(read)) == "Wait. " and KEEP_ALIVE in read:
                break
    caller.close()
    mcp.wait_until(lambda: mcp.output.count("slow is given up") > stopped)
    (row,) = pair.rows(1, client_name=name)
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == (499, 9, 4)
    assert [one["round"] for one in rounds_of(row)["rounds"]] == [1]
    assert len(upstream.requests) == 1
    in_progress = "ai_gateway_requests_in_progress"
    pair.wait_until(lambda: pair.metric(in_progress) == 0, "the gauge to return to 0")


@each_form
def test_a_call_that_is_cancelled_while_a_tool_runs_stops_it(
    pair: Running, upstream: Upstream, mcp: Serving, stream: bool
) -> None:
    Model(upstream, "openai", SLOW)
    name = f"cancelled {stream} {os.urandom(3).hex()}"
    key = new_key(pair, upstream, "openai", "*", name=name)
    begun, stopped = (mcp.output.count(words) for words in ("slow begins", "slow is given up"))
    with Caller(pair) as caller:
        caller.send(
            request(key, {"model": "gpt-4o-mini", "messages": [QUESTION], "stream": stream})
        )
        mcp.wait_until(lambda: mcp.output.count("slow begins") > begun)
        call = only_one(pair, name)
        assert (call["output_tokens"], call["attempts"]) == (4, 1)
        cancelled = pair.admin("POST", f"/requests/{call['request_id']}/cancel")
        assert cancelled.status == 200
        answer = caller.answer()
    assert (answer.status, b"cancelled_by_administrator" in answer.body) == (
        200 if stream else 499,
        True,
    )
    mcp.wait_until(lambda: mcp.output.count("slow is given up") > stopped)
    (row,) = pair.rows(1, client_name=name)
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == (499, 9, 4)
    assert row["error_code"] == "cancelled_by_administrator"
    (round_,) = rounds_of(row)["rounds"]
    assert row["asked_ms"] < round_["ended_ms"] < row["total_ms"]


@each_form
def test_a_call_keeps_its_place_while_its_tools_run(
    pair: Running, upstream: Upstream, mcp: Serving, stream: bool
) -> None:
    short = Call("call_s1", "mcp__slow", {"seconds": 1})
    Model(upstream, "openai", Said("Wait. ", (short,)), Said("Done."))
    key = new_key(pair, upstream, "openai", "*", max_concurrent=1)
    begun = mcp.output.count("slow begins")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ask, pair, "openai", key, stream=stream)
        mcp.wait_until(lambda: mcp.output.count("slow begins") > begun)
        second = pair.chat(key, {"model": "gpt-4o-mini", "messages": [QUESTION]})
        assert first.result().text.endswith("Done.")
    assert (second.status, second.error["code"]) == (429, "concurrency_limit_exceeded")


def test_the_gateways_own_tools_are_input(pair: Running, upstream: Upstream) -> None:
    question = {"model": "gpt-4o-mini", "messages": [QUESTION]}
    for server_tools, status in (("*",), 400), (("get_time",), 200):
        Model(upstream, "openai", Said("Well."))
        key = new_key(pair, upstream, "openai", *server_tools, max_input_tokens=300)
        answer = pair.chat(key, question)
        assert answer.status == status
    key = new_key(pair, upstream, "openai", "*", quota_input_tokens_day=500)
    refused = pair.chat(key, question)
    assert (refused.status, refused.error["code"]) == (429, "quota_exceeded")


# Two workers, and the Responses door


@contextmanager
def on(gateway: Running, number: int) -> Iterator[None]:
    """Lets one worker alone answer."""
    workers = sorted(gateway.worker_pids())
    with gateway.asleep(workers[1 - number]):
        yield


MIXED = (Said("Look. ", (SUM,)), Said("Both. ", (SUM, ASKS_WEATHER, ADD)), Said("42, and snow."))
JOINED = [
    ("calculate", "42", False),
    ("calculate", "42", False),
    ("weather", "snow", False),
    ("mcp__add", "5", False),
]


@each_form
@each_vendor
@each_door
def test_mixed_rounds_are_joined_by_the_other_worker(
    pair: Running, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    model = Model(upstream, vendor, *MIXED)
    key = new_key(pair, upstream, vendor, "calculate", "mcp__*")
    asked = pair, door, key, VENDORS[vendor][2], WEATHER
    with on(pair, 0), conversing(*asked) as conversation:
        heard = conversation.ask(stream=stream)
    assert (heard.text, heard.called) == ("Look. Both. ", [("weather", {"city": "Bern"})])
    conversation.answer(heard, [Result("snow")])
    with on(pair, 1), conversing(*asked) as anew:
        anew.messages = conversation.messages
        assert anew.ask(stream=stream).text == "42, and snow."
    assert model.gives == JOINED
    said = [one[2] for one in told(vendor, model.asked[-1]) if one[0] == "says"]
    assert said == ["Well?", "Look. ", "Both. "]


@each_form
@each_vendor
def test_the_responses_door_goes_on_by_an_id(
    pair: Running, upstream: Upstream, vendor: str, stream: bool
) -> None:
    model = Model(upstream, vendor, *MIXED, Said("", (ADD,)), Said("Five."))
    key = new_key(pair, upstream, vendor, "calculate", "mcp__*")
    tools = [{"type": "function", "name": "weather", "parameters": CITY, "strict": False}]
    asked: dict[str, Any] = {"model": VENDORS[vendor][2], "tools": tools}
    with on(pair, 0):
        first = _respond(pair, key, stream, **asked, input="Well?")
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (first.output_text, call.name) == ("Look. Both. ", "weather")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "snow"}
    with on(pair, 1):
        after = {"input": [output], "previous_response_id": first.id}
        second = _respond(pair, key, stream, **asked, **after)
    assert (second.output_text, model.gives) == ("42, and snow.", JOINED)
    with on(pair, 0):
        after = {"input": "And?", "previous_response_id": second.id}
        third = _respond(pair, key, stream, **asked, **after)
    assert (third.output_text, third.usage.total_tokens) == ("Five.", 26)
    assert model.gives == [*JOINED, ("mcp__add", "5", False)]
    said = [one[2] for one in told(vendor, model.asked[-1]) if one[0] == "says"]
    assert said == ["Well?", "Look. ", "Both. ", "42, and snow.", "And?"]


def _respond(gateway: Running, key: str, stream: bool, **asked: Any) -> Any:
    """Over a connection of its own: a kept one leads to the worker that is stopped now."""
    with openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0) as sdk:
        if not stream:
            return sdk.responses.create(**asked)
        with sdk.responses.stream(**asked) as events:
            return events.get_final_response()


# Failures, and what it comes to


@each_form
def test_a_later_round_falls_back_to_another_vendor(
    pair: Running, upstream: Upstream, second: Upstream, stream: bool
) -> None:
    first = Model(upstream, "openai", Said("Look. ", (SUM,)))
    after = Model(second, "anthropic", Said("", (ADD,)), Said("42, or 5."))
    answers: list[Callable[[Received], Answer]] = [first._answer, lambda _: failure(500, "down")]
    upstream.always(lambda received: answers[min(len(upstream.requests), 2) - 1](received))
    name = f"falls {stream} {os.urandom(3).hex()}"
    key = new_key(
        pair,
        upstream,
        "openai",
        "calculate",
        "mcp__*",
        name=name,
        fallback_models=["anthropic/claude-sonnet-5"],
    )
    heard = ask(pair, "openai", key, stream=stream)
    assert (heard.text, heard.usage) == ("Look. 42, or 5.", (27, 12))
    assert after.gives == [("calculate", "42", False), ("mcp__add", "5", False)]
    (row,) = pair.rows(1, client_name=name)
    assert (row["status"], row["provider"], row["attempts"]) == (200, "anthropic", 5)
    assert [one["status"] for one in json.loads(row["attempt_log"])] == [502, 502]


@each_form
def test_the_receipt_shows_each_round_and_run_and_their_sum(
    pair: Running, upstream: Upstream, stream: bool
) -> None:
    wrong = Call("call_w1", "calculate", {"expression": "6*"})
    Model(
        upstream,
        "openai",
        Said("", (wrong, ADD), input_tokens=1000, output_tokens=100),
        Said("", (SUM,), input_tokens=2000, output_tokens=200),
        Said("42", input_tokens=3000, output_tokens=300),
    )
    key = new_key(pair, upstream, "openai", "calculate", "mcp__*")
    body = {"model": "gpt-4o-mini", "messages": [QUESTION], "stream": stream}
    answered = pair.chat(key, body)
    assert answered.status == 200
    path = f"/v1/requests/{answered.headers['x-request-id']}"
    receipt = pair.call("GET", path, headers={"Authorization": f"Bearer {key}"}).json
    assert (receipt["input_tokens"], receipt["output_tokens"]) == (6000, 600)
    rounds, runs = receipt["tool_rounds"]["rounds"], receipt["tool_rounds"]["runs"]
    costs = [Decimal(one["cost_usd"]) for one in rounds]
    assert all(costs) and Decimal(str(receipt["cost_usd"])) == sum(costs)
    assert [one["finish_reason"] for one in rounds] == ["tool_calls", "tool_calls", "stop"]
    assert [(one["round"], one["name"], bool(one["error"])) for one in runs] == [
        (1, "calculate", True),
        (1, "mcp__add", False),
        (2, "calculate", False),
    ]
    assert [json.loads(one["arguments"]) for one in runs] == [
        wrong.arguments,
        ADD.arguments,
        SUM.arguments,
    ]
    assert runs[1]["size"] == 1 and all(one["ms"] > 0 for one in runs)
    assert sorted(receipt["tool_names"]) == ["calculate", "calculate", "mcp__add"]


def test_a_call_in_an_answer_that_was_cut_is_not_run(pair: Running, upstream: Upstream) -> None:
    cut = spoken.WHOLES["openai"](Said("Let me", (SUM,)))
    cut["choices"][0]["finish_reason"] = "length"
    upstream.always(Json(cut))
    key = new_key(pair, upstream, "openai", "calculate")
    answered = pair.chat(key, {"model": "gpt-4o-mini", "messages": [QUESTION]})
    (choice,) = answered.json["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "Let me")
    (row,) = pair.rows(1, request_id=answered.headers["x-request-id"])
    noted = json.loads(row["tool_rounds"])
    assert (len(noted["rounds"]), noted["runs"]) == (1, [])


@pytest.mark.parametrize("strict", [False, True])
def test_what_a_question_in_rounds_cannot_say_is_named(
    pair: Running, upstream: Upstream, strict: bool
) -> None:
    model = Model(upstream, "anthropic", Said("", (SUM,)), Said("42"))
    key = new_key(pair, upstream, "anthropic", "calculate", strict_params=strict)
    body = {"model": "claude-sonnet-5", "messages": [QUESTION], "logit_bias": {"1": 2}}
    answered = pair.chat(key, body)
    if strict:
        assert (answered.status, answered.error["param"], model.asked) == (400, "logit_bias", [])
    else:
        assert answered.json["choices"][0]["message"]["content"] == "42"
        assert answered.headers["x-gateway-dropped-params"] == "logit_bias"


def test_within_a_dialect_nothing_is_lost_to_the_rounds(pair: Running, upstream: Upstream) -> None:
    model = Model(upstream, "openai", Said("", (SUM,)), Said("42"))
    key = new_key(pair, upstream, "openai", "calculate", strict_params=True)
    more = {
        "logit_bias": {"1": 2},
        "metadata": {"a": "b"},
        "store": True,
        "seed": 7,
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "user": "anna",
        "of_tomorrow": {"x": [1]},
    }
    answered = pair.chat(key, {"model": "gpt-4o-mini", "messages": [QUESTION], **more})
    assert answered.status == 200, answered.body
    for asked in model.asked:
        assert {name: asked.get(name) for name in more} == more


# Out of the box


@each_form
@each_door
def test_the_demo_uses_tools_without_any_setting_up(pair: Running, door: str, stream: bool) -> None:
    key = pair.client(provider="demo", tool_mode="gateway", server_tools=["*"])
    with conversing(pair, door, key, "demo") as conversation:
        conversation.say("What does get_time say, and get_date?")
        heard = conversation.ask(stream=stream)
    assert heard.calls == [] and heard.finish == conversation.stopped
    assert "+00:00" in heard.text and "week" in heard.text
    (row,) = pair.rows(1, provider="demo", door=door)[-1:]
    assert [run["name"] for run in rounds_of(row)["runs"]] == ["get_time", "get_date"]
