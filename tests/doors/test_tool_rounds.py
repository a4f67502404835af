"""Tools that the gateway runs itself, at each door and with each vendor, over two workers."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests import spoken
from tests.running import Running
from tests.spoken import Call, Said
from tests.upstream import Answer, Json, Received, Upstream, failure

DOORS = ("openai", "anthropic", "gemini")
VENDORS = {
    "openai": ("openai-compatible", "/v1"),
    "anthropic": ("anthropic", ""),
    "gemini": ("gemini", ""),
}
MODELS = {"openai": "m", "anthropic": "claude-sonnet-5", "gemini": "gemini-2.5-flash"}
SUM = Call("call_a1b2c3d4e", "calculate", {"expression": "6*7"})
WEATHER = Call("call_f5g6h7i8j", "weather", {"city": "Bern"})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
OWN = ["calculate", "hash_text"]
QUESTION = "What is 6*7?"


@dataclass
class Heard:
    """What a client's SDK made of an answer."""

    text: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)
    message: Any = None


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = {"upstream": {"max_retries": 0}, "tools": {"enabled": ["*"]}}
    with Running(tmp_path_factory.mktemp("rounds"), settings, workers=2) as running:
        yield running


class Model:
    """An upstream whose answers follow from the results that it has been told so far."""

    def __init__(self, upstream: Upstream, vendor: str, say: Callable[[list[str]], Said]) -> None:
        self.vendor = vendor
        self.asked: list[dict[str, Any]] = []
        self._say = say
        upstream.always(self._answer)

    def _answer(self, received: Received) -> Answer:
        self.asked.append(received.json)
        return spoken.answer(self.vendor, self._say(self.results()), received)

    def results(self, at: int = -1) -> list[str]:
        return spoken.results(self.vendor, self.asked[at])

    def offered(self, at: int = -1) -> list[str]:
        return spoken.offered(self.vendor, self.asked[at])


def client(gateway: Running, upstream: Upstream, vendor: str, **fields: Any) -> str:
    provider, path = VENDORS[vendor]
    given = {"tool_mode": "gateway", "server_tools": OWN} | fields
    return gateway.client(
        provider=provider,
        provider_base_url=upstream.origin + path,
        provider_api_key="k",
        **given,
    )


def ask(
    gateway: Running, door: str, key: str, vendor: str, turns: list[Any], *, stream: bool
) -> Heard:
    return ASK[door](gateway, key, MODELS[vendor], turns, stream)


def _openai(gateway: Running, key: str, model: str, turns: list[Any], stream: bool) -> Heard:
    sdk = openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)
    tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for heard, results in turns:
        messages.append(heard.message)
        messages += [
            {"role": "tool", "tool_call_id": call[0], "content": result}
            for call, result in zip(heard.calls, results, strict=True)
        ]
    asked: dict[str, Any] = {"model": model, "messages": messages, "tools": [tool]}
    if stream:
        with sdk.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            said = events.get_final_completion()
    else:
        said = sdk.chat.completions.create(**asked)
    sdk.close()
    (choice,) = said.choices
    calls = choice.message.tool_calls or []
    told = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in calls]
    assert said.usage is not None
    message: dict[str, Any] = {"role": "assistant", "content": choice.message.content}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ]
    usage = (said.usage.prompt_tokens, said.usage.completion_tokens)
    return Heard(choice.message.content or "", told, choice.finish_reason, usage, message)


def _anthropic(gateway: Running, key: str, model: str, turns: list[Any], stream: bool) -> Heard:
    sdk = anthropic.Anthropic(base_url=gateway.origin, api_key=key, max_retries=0)
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for heard, results in turns:
        messages.append(heard.message)
        told = [
            {"type": "tool_result", "tool_use_id": call[0], "content": result}
            for call, result in zip(heard.calls, results, strict=True)
        ]
        messages.append({"role": "user", "content": told})
    tools = [{"name": "weather", "input_schema": SCHEMA}]
    asked: Any = {"model": model, "max_tokens": 99, "messages": messages, "tools": tools}
    if stream:
        with sdk.messages.stream(**asked) as events:
            said = events.get_final_message()
    else:
        said = sdk.messages.create(**asked)
    sdk.close()
    texts = [block.text for block in said.content if block.type == "text"]
    calls = [(b.id, b.name, dict(b.input)) for b in said.content if b.type == "tool_use"]
    usage = (said.usage.input_tokens, said.usage.output_tokens)
    again = [block.model_dump(exclude_none=True) for block in said.content]
    message = {"role": "assistant", "content": again}
    return Heard("".join(texts), calls, str(said.stop_reason), usage, message)


def _gemini(gateway: Running, key: str, model: str, turns: list[Any], stream: bool) -> Heard:
    options = types.HttpOptions(base_url=gateway.origin)
    sdk = genai.Client(api_key=key, http_options=options)
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
    for heard, results in turns:
        contents.append(heard.message)
        parts = [
            types.Part.from_function_response(name=call[1], response={"output": result})
            for call, result in zip(heard.calls, results, strict=True)
        ]
        contents.append(types.Content(role="user", parts=parts))
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    if stream:
        answers = list(
            sdk.models.generate_content_stream(model=model, contents=contents, config=config)
        )
    else:
        answers = [sdk.models.generate_content(model=model, contents=contents, config=config)]
    sdk.close()
    heard, kept = Heard(), []
    for answer in answers:
        for candidate in answer.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                kept.append(part)
                heard.text += part.text or ""
                if part.function_call is not None:
                    call = part.function_call
                    heard.calls.append((call.id or "", call.name or "", dict(call.args or {})))
            if candidate.finish_reason is not None:
                heard.finish = candidate.finish_reason.value
        if (usage := answer.usage_metadata) is not None:
            heard.usage = (usage.prompt_token_count or 0, usage.candidates_token_count or 0)
    heard.message = types.Content(role="model", parts=kept)
    return heard


ASK = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
STOPS = {"openai": "stop", "anthropic": "end_turn", "gemini": "STOP"}
CALLED = {"openai": "tool_calls", "anthropic": "tool_use", "gemini": "STOP"}
WAYS = [
    pytest.param(door, vendor, stream, id=f"{door}-{vendor}-{'stream' if stream else 'whole'}")
    for door in DOORS
    for vendor in VENDORS
    for stream in (False, True)
]


@pytest.mark.parametrize(("door", "vendor", "stream"), WAYS)
def test_the_gateway_runs_its_own_calls(
    gateway: Running, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    model = Model(upstream, vendor, lambda told: Said("It is 42.") if told else first)
    first = Said("Let me see. ", (SUM,))
    key = client(gateway, upstream, vendor)
    heard = ask(gateway, door, key, vendor, [], stream=stream)
    assert (heard.text, heard.calls) == ("Let me see. It is 42.", [])
    assert heard.finish == STOPS[door]
    assert heard.usage == (18, 8)
    assert model.offered(0) == ["weather", *OWN]
    (result,) = model.results(1)
    assert "42" in result
    (row,) = gateway.rows(1, status=200, model=MODELS[vendor], input_tokens=18)[-1:]
    rounds = json.loads(row["tool_rounds"])
    assert [(r["round"], r["output_tokens"]) for r in rounds["rounds"]] == [(1, 4), (2, 4)]
    (run,) = rounds["runs"]
    assert (run["name"], json.loads(run["arguments"]), run["error"]) == (
        "calculate",
        SUM.arguments,
        None,
    )


@pytest.mark.parametrize(("door", "vendor", "stream"), WAYS)
def test_its_calls_and_the_clients_at_once_are_joined_on_the_next_turn(
    gateway: Running, upstream: Upstream, door: str, vendor: str, stream: bool
) -> None:
    def say(told: list[str]) -> Said:
        if len(told) < 2:
            return Said("One moment. ", (SUM, WEATHER) if told else (SUM,))
        return Said("42, and snow.")

    model = Model(upstream, vendor, say)
    key = client(gateway, upstream, vendor)
    heard = ask(gateway, door, key, vendor, [], stream=stream)
    assert heard.text == "One moment. One moment. "
    assert [(name, given) for _, name, given in heard.calls] == [("weather", WEATHER.arguments)]
    assert heard.finish == CALLED[door]
    again = ask(gateway, door, key, vendor, [(heard, ["snow"])], stream=stream)
    assert (again.text, again.calls, again.finish) == ("42, and snow.", [], STOPS[door])
    told = model.results()
    assert len(told) == 3 and "42" in told[0] and "42" in told[1] and "snow" in told[2]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_model_that_calls_without_end_is_asked_so_often_and_no_more(
    gateway: Running, upstream: Upstream, vendor: str, stream: bool
) -> None:
    def say(told: list[str]) -> Said:
        number = len(told)
        return Said(f"{number} ", (Call(f"call_{number}abcdefgh", "calculate", {"x": 1}),))

    model = Model(upstream, vendor, say)
    heard = ask(gateway, "openai", client(gateway, upstream, vendor), vendor, [], stream=stream)
    assert (heard.text, heard.calls, heard.finish) == ("0 1 2 3 4 ", [], "stop")
    assert len(model.asked) == 5
    if vendor == "anthropic":
        assert model.asked[-1]["tool_choice"] == {"type": "none"}
    else:
        assert model.offered() == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_cannot_be_run_is_an_error_for_the_model(
    gateway: Running, upstream: Upstream, vendor: str
) -> None:
    many = tuple(
        Call(f"call_{n:04}abcde", "calculate", {"expression": f"{n}+1"}) for n in range(98)
    )
    wrong = (Call("call_wrongabcd", "calculate", {"no": 1}), Call("call_unknownx", "no_tool", {}))
    model = Model(upstream, vendor, lambda told: Said("Done.") if told else Said("", wrong + many))
    heard = ask(gateway, "openai", client(gateway, upstream, vendor), vendor, [], stream=True)
    assert (heard.text, heard.finish) == ("Done.", "stop")
    told = model.results()
    assert len(told) == 100
    assert "no_tool" in told[1] and "98" in told[-1]


def _sum(n: int) -> Call:
    return Call(f"call_{n:04}abcde", "calculate", {"expression": f"{n}+1"})


def test_a_client_that_wants_no_tools_gets_none(gateway: Running, upstream: Upstream) -> None:
    model = Model(upstream, "openai", lambda told: Said("Fine."))
    key = client(gateway, upstream, "openai")
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tool_choice": "none"}
    assert gateway.chat(key, body).status == 200
    assert model.offered() == []


def test_a_failure_in_a_later_round_is_told_and_what_was_used_is_kept(
    gateway: Running, upstream: Upstream
) -> None:
    answers: list[Any] = [spoken.WHOLES["openai"](Said("", (SUM,)))]

    def answer(received: Received) -> Answer:
        return Json(answers.pop()) if answers else failure(500, "down")

    upstream.always(answer)
    key = client(gateway, upstream, "openai", quota_output_tokens_day=1000)
    failed = gateway.chat(key, {"model": "m", "messages": [{"role": "user", "content": "x"}]})
    assert (failed.status, failed.error["message"]) == (502, "down")
    (row,) = gateway.rows(1, request_id=failed.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"]) == (9, 4)


def test_rounds_reserve_anew_and_settle(gateway: Running, upstream: Upstream) -> None:
    Model(upstream, "openai", lambda told: Said("42") if told else Said("", (SUM,)))
    key = client(gateway, upstream, "openai", quota_output_tokens_day=8, max_output_tokens=4)
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert gateway.chat(key, body).status == 200
    refused = gateway.chat(key, body)
    assert (refused.status, refused.error["code"]) == (429, "quota_exceeded")
    assert "8 used" in refused.error["message"]


def test_what_is_said_in_a_round_reaches_the_client_before_its_tools_have_run(
    gateway: Running, upstream: Upstream
) -> None:
    gate = threading.Event()

    def answer(received: Received) -> Answer:
        if spoken.results("openai", received.json):
            assert gate.wait(20), "the client never saw the first round's text"
            return spoken.STREAMS["openai"](Said("It is 42."))
        return spoken.STREAMS["openai"](Said("Let me see. ", (SUM,)))

    upstream.always(answer)
    sdk = openai.OpenAI(
        base_url=gateway.base_url, api_key=client(gateway, upstream, "openai"), max_retries=0
    )
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    seen = ""
    for chunk in sdk.chat.completions.create(model="m", messages=messages, stream=True):
        for choice in chunk.choices:
            seen += choice.delta.content or ""
        if seen == "Let me see. ":
            gate.set()
    assert seen == "Let me see. It is 42."
