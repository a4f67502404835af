"""OpenAI's own SDK against the running gateway, sync and async, as its users would call it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import openai
import openai._base_client
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.running import Running
from tests.upstream import Json, Received, Sse, Upstream, chunks, completion, error, failure

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LOGPROBS = {
    "content": [
        {
            "token": "Hé",
            "logprob": -0.25,
            "bytes": [72, 195, 169],
            "top_logprobs": [{"token": "Ha", "logprob": -1.5, "bytes": [72, 97]}],
        }
    ],
    "refusal": None,
}
CALLS = [("weather", {"city": "Zürich"}), ("clock", {"zone": "Europe/Zurich", "hours": 24})]
# What may go up; and what may come down beside what the server itself sends.
SENT_UP = {
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "user-agent",
}
SENT_DOWN = {
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "permissions-policy",
    "referrer-policy",
    "server",
    "transfer-encoding",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
    "x-gateway-attempts",
    "x-gateway-model",
    "x-gateway-provider",
    "x-request-id",
}

Asking = Callable[..., ChatCompletion | list[ChatCompletionChunk]]


class City(BaseModel):
    """What structured answers are asked to be."""

    name: str
    inhabitants: int
    rivers: list[str]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, gateway: Running, sdk: openai.OpenAI) -> Asking:
    """`ask(key, **question)`: the answer, or all the chunks of a streamed one."""

    def at_once(key: str, **question: Any) -> ChatCompletion | list[ChatCompletionChunk]:
        answer = sdk.with_options(api_key=key).chat.completions.create(**question)
        return answer if isinstance(answer, ChatCompletion) else list(answer)

    async def later(key: str, question: dict[str, Any]) -> Any:
        async with _async_sdk(gateway, key) as client:
            answer = await client.chat.completions.create(**question)
            if isinstance(answer, ChatCompletion):
                return answer
            return [chunk async for chunk in answer]

    if request.param == "sync":
        return at_once
    return lambda key, **question: asyncio.run(later(key, question))


@pytest.fixture
def chat(sdk: openai.OpenAI, key: str) -> openai.OpenAI:
    """The SDK as the client whose provider is the scripted upstream."""
    return sdk.with_options(api_key=key)


@pytest.fixture(scope="module")
def demo(gateway: Running, sdk: openai.OpenAI) -> openai.OpenAI:
    """The SDK as a client of the demo provider."""
    return sdk.with_options(api_key=gateway.client())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the SDK would have waited before its retries."""
    waited: list[float] = []
    monkeypatch.setattr(openai._base_client, "time", SimpleNamespace(sleep=waited.append))
    return waited


def test_a_whole_answer(ask: Asking, key: str, upstream: Upstream) -> None:
    upstream.always(Json(completion("Grüezi")))
    answer = ask(key, model="gpt-x", messages=HELLO)
    assert isinstance(answer, ChatCompletion)
    assert answer.to_dict() == completion("Grüezi")
    assert upstream.requests[0].json == {"model": "gpt-x", "messages": HELLO}


def test_a_streamed_answer(ask: Asking, key: str, upstream: Upstream) -> None:
    upstream.always(Sse(chunks(["Grü", "ezi", " 🏔"])))
    answer = ask(key, model="gpt-x", messages=HELLO, stream=True)
    assert isinstance(answer, list)
    assert [chunk.to_dict() for chunk in answer] == chunks(["Grü", "ezi", " 🏔"])


def test_the_demo_answers_whole_and_streamed_alike(ask: Asking, gateway: Running) -> None:
    key = gateway.client()
    whole = ask(key, model="demo", messages=HELLO)
    streamed = ask(key, model="demo", messages=HELLO, stream=True)
    assert isinstance(whole, ChatCompletion) and isinstance(streamed, list)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert text == whole.choices[0].message.content
    assert "demo" in text
    assert streamed[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None and whole.usage.completion_tokens >= 30


@pytest.mark.parametrize("interleaved", [False, True])
def test_parallel_tool_calls_streamed(
    chat: openai.OpenAI, upstream: Upstream, interleaved: bool
) -> None:
    stream = chunks((), tool_calls=CALLS)
    if interleaved:
        stream[1:7] = [stream[i] for i in (1, 4, 5, 2, 3, 6)]
    upstream.always(Sse(stream))
    with chat.chat.completions.stream(
        model="gpt-x", messages=HELLO, tools=[_tool("weather"), _tool("clock")]
    ) as events:
        message = events.get_final_completion().choices[0].message
    assert message.tool_calls is not None
    called = [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls]
    assert called == CALLS
    assert [call.id for call in message.tool_calls] == ["call_0", "call_1"]


def test_the_demo_calls_the_tools_that_are_named(demo: openai.OpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "Ask weather and clock"}]
    tools = [_tool("weather"), _tool("stocks"), _tool("clock")]
    with demo.chat.completions.stream(model="demo", messages=question, tools=tools) as events:
        choice = events.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.tool_calls is not None
    assert [call.function.name for call in choice.message.tool_calls] == ["weather", "clock"]
    for call in choice.message.tool_calls:
        question.append({"role": "assistant", "tool_calls": [call.to_dict()]})
        question.append({"role": "tool", "tool_call_id": call.id, "content": "21 °C, 12:30"})
    turn = demo.chat.completions.create(model="demo", messages=question, tools=tools)
    assert "21 °C, 12:30" in (turn.choices[0].message.content or "")


@pytest.mark.parametrize("stream", [False, True])
def test_two_choices(demo: openai.OpenAI, stream: bool) -> None:
    if stream:
        with demo.chat.completions.stream(model="demo", messages=HELLO, n=2) as events:
            choices: Any = events.get_final_completion().choices
    else:
        choices = demo.chat.completions.create(model="demo", messages=HELLO, n=2).choices
    assert [choice.index for choice in choices] == [0, 1]
    assert choices[0].message.content != choices[1].message.content


def test_two_choices_interleaved_from_upstream(chat: openai.OpenAI, upstream: Upstream) -> None:
    first, second = chunks(["one"]), chunks(["two"])
    for chunk in second:
        chunk["choices"][0]["index"] = 1
    upstream.always(Sse([chunk for pair in zip(first, second, strict=True) for chunk in pair]))
    with chat.chat.completions.stream(model="gpt-x", messages=HELLO, n=2) as events:
        choices = events.get_final_completion().choices
    assert [choice.message.content for choice in choices] == ["one", "two"]


def test_logprobs_whole(chat: openai.OpenAI, upstream: Upstream) -> None:
    body = completion("Hé")
    body["choices"][0]["logprobs"] = LOGPROBS
    upstream.always(Json(body))
    answer = chat.chat.completions.create(
        model="gpt-x", messages=HELLO, logprobs=True, top_logprobs=1
    )
    assert answer.choices[0].logprobs is not None
    assert answer.choices[0].logprobs.to_dict() == LOGPROBS
    assert upstream.requests[0].json["top_logprobs"] == 1


def test_logprobs_streamed(chat: openai.OpenAI, upstream: Upstream) -> None:
    stream = chunks(["Hé"])
    stream[1]["choices"][0]["logprobs"] = LOGPROBS
    upstream.always(Sse(stream))
    with chat.chat.completions.stream(model="gpt-x", messages=HELLO, logprobs=True) as events:
        logprobs = events.get_final_completion().choices[0].logprobs
    assert logprobs is not None and logprobs.to_dict() == LOGPROBS


def test_parts_reach_upstream_unchanged(ask: Asking, key: str, upstream: Upstream) -> None:
    parts = [
        {"type": "text", "text": "What are these?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}},
    ]
    upstream.always(Json(completion()))
    ask(key, model="gpt-x", messages=[{"role": "user", "content": parts}])
    assert upstream.requests[0].json["messages"][0]["content"] == parts


def test_the_demo_acknowledges_an_image(demo: openai.OpenAI) -> None:
    image: Any = {"type": "image_url", "image_url": {"url": PIXEL}}
    answer = demo.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": [image]}]
    )
    assert "image" in (answer.choices[0].message.content or "")


def test_a_parsed_answer(chat: openai.OpenAI, upstream: Upstream) -> None:
    bern = City(name="Bern", inhabitants=134_000, rivers=["Aare"])
    upstream.always(Json(completion(bern.model_dump_json())))
    answer = chat.chat.completions.parse(model="gpt-x", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == bern
    wanted = upstream.requests[0].json["response_format"]
    assert wanted["json_schema"]["schema"]["required"] == ["name", "inhabitants", "rivers"]


def test_the_demo_fits_a_schema(demo: openai.OpenAI) -> None:
    answer = demo.chat.completions.parse(model="demo", messages=HELLO, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


def test_usage_in_a_stream_for_who_asks(ask: Asking, key: str, upstream: Upstream) -> None:
    upstream.always(Sse(chunks(["Hello"], usage=True)))
    answer = ask(
        key, model="gpt-x", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert isinstance(answer, list)
    assert [chunk.to_dict() for chunk in answer] == chunks(["Hello"], usage=True)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_no_usage_in_a_stream_for_who_does_not_ask(
    ask: Asking, key: str, gateway: Running, upstream: Upstream, options: Any
) -> None:
    upstream.always(Sse(chunks(["Hello"], usage=True)))
    answer = ask(key, model="gpt-x", messages=HELLO, stream=True, stream_options=options)
    assert isinstance(answer, list)
    assert [chunk.to_dict() for chunk in answer] == chunks(["Hello"])
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}


def test_usage_on_the_last_choice_is_hidden_too(
    ask: Asking, key: str, upstream: Upstream
) -> None:
    stream = chunks(["Hello"])
    stream[-1] |= {"usage": {"prompt_tokens": 9, "completion_tokens": 4}, "system_fingerprint": "f"}
    upstream.always(Sse(stream))
    answer = ask(key, model="gpt-x", messages=HELLO, stream=True)
    assert isinstance(answer, list)
    del stream[-1]["usage"]
    assert [chunk.to_dict() for chunk in answer] == stream


def test_the_demo_reports_usage_only_when_asked(demo: openai.OpenAI) -> None:
    asked = demo.chat.completions.create(
        model="demo", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert [chunk.usage for chunk in asked if not chunk.choices][0] is not None
    unasked = demo.chat.completions.create(model="demo", messages=HELLO, stream=True)
    assert all(chunk.choices and "usage" not in chunk.to_dict() for chunk in unasked)


@pytest.mark.parametrize("stream", [False, True])
def test_the_request_id_is_the_logs(
    chat: openai.OpenAI, gateway: Running, upstream: Upstream, stream: bool
) -> None:
    upstream.always(Sse(chunks()) if stream else Json(completion()))
    raw = chat.chat.completions.with_raw_response.create(
        model="gpt-x", messages=HELLO, stream=stream, extra_headers={"x-request-id": "mine"}
    )
    raw.http_response.read() if not stream else list(raw.parse())
    assert raw.request_id == raw.headers["x-request-id"]
    row = gateway.rows(1, request_id=raw.request_id)[0]
    assert (row["client_request_id"], row["status"], row["streamed"]) == ("mine", 200, stream)


def test_an_errors_request_id_is_the_logs(
    chat: openai.OpenAI, gateway: Running, upstream: Upstream
) -> None:
    upstream.always(failure(400, "no such thing"))
    with pytest.raises(openai.BadRequestError) as caught:
        chat.chat.completions.create(model="gpt-x", messages=HELLO)
    assert gateway.rows(1, request_id=caught.value.request_id)[0]["status"] == 400
