"""OpenAI's own SDK against the running gateway, sync and async, as its users would call it."""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import openai
import openai._base_client
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.running import Running
from tests.upstream import Json, Sse, Upstream, chunks, completion, failure

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
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"city": "Zürich"}),
    ("clock", {"zone": "Europe/Zurich", "hours": 24}),
]
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


def test_parallel_tool_calls_streamed(chat: openai.OpenAI, upstream: Upstream) -> None:
    upstream.always(Sse(chunks((), tool_calls=CALLS)))
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


def test_usage_on_the_last_choice_is_hidden_too(ask: Asking, key: str, upstream: Upstream) -> None:
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
    list(raw.parse())
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


def test_it_waits_as_long_as_the_limit_says_and_comes_back(
    gateway: Running, sdk: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gateway.new_client(rate_limit_minute=1)
    chat = sdk.with_options(api_key=made["api_key"], max_retries=2)
    chat.chat.completions.create(model="demo", messages=HELLO)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        gateway.admin("PATCH", f"/clients/{made['client']['id']}", {"rate_limit_minute": 100})

    monkeypatch.setattr(openai._base_client, "time", SimpleNamespace(sleep=wait))
    chat.chat.completions.create(model="demo", messages=HELLO)
    rows = gateway.rows(3, client_name=made["client"]["name"])
    assert [row["status"] for row in rows] == [200, 429, 200]
    assert len(waited) == 1


def test_it_gives_up_after_its_own_retries(
    gateway: Running, sdk: openai.OpenAI, waits: list[float]
) -> None:
    made = gateway.new_client(rate_limit_minute=1)
    chat = sdk.with_options(api_key=made["api_key"], max_retries=2)
    chat.chat.completions.create(model="demo", messages=HELLO)
    with pytest.raises(openai.RateLimitError) as caught:
        chat.chat.completions.create(model="demo", messages=HELLO)
    rows = gateway.rows(4, client_name=made["client"]["name"])
    assert [row["status"] for row in rows] == [200, 429, 429, 429]
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 120
    # What the gateway names, the SDK waits: its own guess would be below 8 seconds.
    assert len(waits) == 2 and all(wait == int(wait) and 1 <= wait <= 120 for wait in waits)


def test_it_retries_what_the_gateway_did_not(
    chat: openai.OpenAI, upstream: Upstream, waits: list[float]
) -> None:
    upstream.always([failure(503, retry_after=7), failure(500), Json(completion("At last"))])
    answer = chat.with_options(max_retries=2).chat.completions.create(model="gpt-x", messages=HELLO)
    assert answer.choices[0].message.content == "At last"
    assert len(upstream.requests) == 3
    assert waits[0] == 7 and waits[1] < 7


def test_it_does_not_retry_what_the_gateway_has_retried(
    gateway: Running, sdk: openai.OpenAI, upstream: Upstream, waits: list[float]
) -> None:
    key = gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        fallback_models=["gpt-y"],
    )
    upstream.always(failure(500))
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.with_options(api_key=key, max_retries=2).chat.completions.create(
            model="gpt-x", messages=HELLO
        )
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert [received.model for received in upstream.requests] == ["gpt-x", "gpt-y"]
    assert waits == []


@pytest.mark.parametrize("megabytes", [11, 20])
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_that_is_too_large(
    ask: Asking, key: str, upstream: Upstream, megabytes: int, stream: bool
) -> None:
    much: list[Any] = [{"role": "user", "content": "x" * (megabytes << 20)}]
    with pytest.raises(openai.APIStatusError) as caught:
        ask(key, model="gpt-x", messages=much, stream=stream)
    assert caught.value.status_code == 413
    assert caught.value.code == "request_too_large"
    assert upstream.requests == []


def test_two_hundred_at_once(gateway: Running, upstream: Upstream) -> None:
    made = gateway.new_client(
        provider="openai-compatible", provider_base_url=upstream.base_url, name="two hundred"
    )
    upstream.always(lambda received: Json(completion(received.json["messages"][0]["content"])))
    answers = asyncio.run(_at_once(gateway, made["api_key"], 200))
    assert answers == [f"question {number}" for number in range(200)]
    rows = gateway.rows(200, client_name="two hundred")
    assert [row["status"] for row in rows] == [200] * 200
    assert len({row["request_id"] for row in rows}) == 200


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        (301, openai.InternalServerError, 502),
        (400, openai.BadRequestError, 400),
        (401, openai.InternalServerError, 502),
        (402, openai.InternalServerError, 502),
        (403, openai.InternalServerError, 502),
        (404, openai.NotFoundError, 404),
        (405, openai.APIStatusError, 405),
        (409, openai.ConflictError, 409),
        (413, openai.APIStatusError, 413),
        (415, openai.APIStatusError, 415),
        (422, openai.UnprocessableEntityError, 422),
        (429, openai.RateLimitError, 429),
        (500, openai.InternalServerError, 502),
        (502, openai.InternalServerError, 502),
        (503, openai.InternalServerError, 503),
        (504, openai.InternalServerError, 504),
        (529, openai.InternalServerError, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_error_of_each_status_from_upstream(
    chat: openai.OpenAI,
    upstream: Upstream,
    status: int,
    kind: type[openai.APIStatusError],
    shown: int,
    stream: bool,
) -> None:
    upstream.always(failure(status, "the reason why"))
    with pytest.raises(openai.APIStatusError) as caught:
        chat.chat.completions.create(model="gpt-x", messages=HELLO, stream=stream)
    assert type(caught.value) is kind
    assert caught.value.status_code == shown
    assert "the reason why" in caught.value.message or status == 301


def test_the_errors_of_the_gateways_own(gateway: Running, sdk: openai.OpenAI) -> None:
    disabled = gateway.client(is_active=False)
    confined = gateway.client(allowed_models=["demo"])
    cases: list[tuple[str, str, type[openai.APIStatusError], str]] = [
        ("gm_nobody", "demo", openai.AuthenticationError, "invalid_api_key"),
        (disabled, "demo", openai.PermissionDeniedError, "client_disabled"),
        (confined, "demo-slow", openai.NotFoundError, "model_not_found"),
        (confined, "", openai.BadRequestError, "missing_required_parameter"),
    ]
    for key, model, kind, code in cases:
        with pytest.raises(kind) as caught:
            sdk.with_options(api_key=key).chat.completions.create(model=model, messages=HELLO)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("demo-error-429", openai.RateLimitError),
        ("demo-error-500", openai.InternalServerError),
        ("demo-nonsense", openai.NotFoundError),
    ],
)
def test_the_demos_faults(
    demo: openai.OpenAI, model: str, kind: type[openai.APIStatusError]
) -> None:
    for stream in (False, True):
        with pytest.raises(kind):
            demo.chat.completions.create(model=model, messages=HELLO, stream=stream)


def test_a_stream_that_breaks_is_an_error_to_its_reader(demo: openai.OpenAI) -> None:
    heard = []
    with pytest.raises(openai.APIError, match="cut"):
        for chunk in demo.chat.completions.create(model="demo-cut", messages=HELLO, stream=True):
            heard.append(chunk)
    assert heard


def test_unknown_fields_reach_upstream(ask: Asking, key: str, upstream: Upstream) -> None:
    unknown = {"top_k": 5, "thinking": {"type": "enabled", "budget": None}, "x": [1.0, "é", []]}
    upstream.always(Json(completion()))
    ask(key, model="gpt-x", messages=HELLO, extra_body=unknown, extra_query={"q": "1"})
    received = upstream.requests[0]
    assert received.json == {"model": "gpt-x", "messages": HELLO} | unknown
    assert received.query == ""


RAW_MEMBERS = (
    b'"big":123456789012345678901234567890,"precise":0.10000000000000000000001,"minus":-0.0',
    b'"nested" : {"a":1,"a":2, "a" :[1e5, 1E5,1.0]}',
    b'"escaped":"\\u20ac\\ud83d\\ude00 \\/ \xc3\xa9"',
    b'\n"messages"\t: [ {"content":"\\u20ac","role":"user","extra":{"x":1,"x":2}} ]',
)


def test_a_raw_body_goes_up_as_it_came(gateway: Running, key: str, upstream: Upstream) -> None:
    upstream.always(Json(completion()))
    raw = b' {\n"model": "gpt-x",' + b" ,".join(RAW_MEMBERS) + b" }\n"
    assert gateway.chat(key, raw).status == 200
    assert upstream.requests[0].body == raw


def test_an_edited_body_keeps_the_text_of_what_is_not_edited(
    gateway: Running, upstream: Upstream
) -> None:
    key = gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        model_aliases={"fast": "gpt-x"},
        max_output_tokens=10,
    )
    upstream.always(Json(completion()))
    gateway.chat(key, b'{"model":"fast",' + b",".join(RAW_MEMBERS) + b"}")
    received = upstream.requests[0]
    assert (received.json["model"], received.json["max_tokens"]) == ("gpt-x", 10)
    for member in RAW_MEMBERS:
        assert member.strip() in received.body


@pytest.mark.parametrize(
    "hidden",
    [
        b'"model":"secret","model":"gpt-x"',
        b'"mod\\u0065l":"secret","model":"gpt-x"',
        b'"model":"secret","mode\\u006c":"gpt-x"',
    ],
)
def test_no_second_model_is_smuggled_past(
    gateway: Running, upstream: Upstream, hidden: bytes
) -> None:
    key = gateway.client(
        provider="openai-compatible",
        provider_base_url=upstream.base_url,
        allowed_models=["gpt-x"],
    )
    upstream.always(Json(completion()))
    gateway.chat(key, b"{" + hidden + b',"messages":[{"role":"user","content":"Hi"}]}')
    assert b"secret" not in upstream.requests[0].body


def test_unknown_fields_of_an_answer_reach_the_client(
    gateway: Running, key: str, upstream: Upstream
) -> None:
    raw = json.dumps(completion("Hi", big=1), indent=2).encode().replace(b": 1,", b": 1e2 ,")
    upstream.always(Json(raw.replace(b'"big": 1', b'"big": 123456789012345678901234567890')))
    answer = gateway.chat(key, {"model": "gpt-x", "messages": HELLO})
    assert answer.body == raw.replace(b'"big": 1', b'"big": 123456789012345678901234567890')


@pytest.mark.parametrize("stream", [False, True])
def test_a_clients_headers_stay_here(chat: openai.OpenAI, upstream: Upstream, stream: bool) -> None:
    upstream.always(Sse(chunks()) if stream else Json(completion()))
    chat.with_options(organization="org-own", project="proj-own").chat.completions.create(
        model="gpt-x",
        messages=HELLO,
        stream=stream,
        extra_headers={
            "cookie": "session=1",
            "x-forwarded-for": "10.1.2.3",
            "x-request-id": "mine",
            "idempotency-key": "k",
            "openai-beta": "assistants=v2",
        },
    )
    received = upstream.requests[0]
    assert received.headers.keys() == SENT_UP
    assert received.keys == {"upstream-key"}
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", ["whole", "stream", "failure"])
def test_upstreams_headers_stay_there(
    gateway: Running, key: str, upstream: Upstream, kind: str
) -> None:
    own = {
        "set-cookie": "session=1",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-tokens": "1",
        "openai-organization": "org-upstream",
        "openai-processing-ms": "100",
        "x-request-id": "req-upstream",
        "via": "1.1 upstream",
        "x-gateway-model": "upstream's",
        "strict-transport-security": "max-age=1",
        "server": "upstream",
    }
    answers = {
        "whole": Json(completion(), headers=own),
        "stream": Sse(chunks(), headers=own),
        "failure": failure(400, headers=own),
    }
    upstream.always(answers[kind])
    answer = gateway.chat(key, {"model": "gpt-x", "messages": HELLO, "stream": kind == "stream"})
    assert answer.headers.keys() <= SENT_DOWN
    assert not {name: v for name, v in own.items() if answer.headers.get(name) == v}
    names = [name.lower() for name, _ in answer.header_pairs]
    assert sorted(set(names)) == sorted(names)


def _async_sdk(gateway: Running, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)


async def _at_once(gateway: Running, key: str, count: int) -> list[str | None]:
    async with _async_sdk(gateway, key) as client:

        async def one(number: int) -> str | None:
            answer = await client.chat.completions.create(
                model="gpt-x", messages=[{"role": "user", "content": f"question {number}"}]
            )
            return answer.choices[0].message.content

        return await asyncio.gather(*map(one, range(count)))


def _tool(name: str) -> Any:
    parameters = {
        "type": "object",
        "properties": {"place": {"type": "string"}},
        "required": ["place"],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "strict": True, "parameters": parameters},
    }
