"""Anthropic's own SDK against the running gateway, whoever the vendor behind it is."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message

from tests.running import Answered, Running
from tests.upstream import Json, Named, Received, Sse, Upstream, chunks, completion, error, failure

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"city": "Zürich"}),
    ("clock", {"zone": "Europe/Zurich", "hours": 24}),
]
TOOLS: list[Any] = [
    {"name": name, "description": f"The {name}", "input_schema": {"type": "object"}}
    for name, _ in CALLS
]
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 4},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 4},
    },
    {"type": "message_stop"},
]
STREAM = [Named(event["type"], event) for event in EVENTS]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
WHOLE = {"anthropic": Json(MESSAGE), "openai-compatible": Json(completion())}
STREAMED = {
    "anthropic": Sse(STREAM, done=False),
    "openai-compatible": Sse(chunks(["Hel", "lo"], usage=True)),
}
BROKEN = {
    "anthropic": Sse([*STREAM[:3], Named("error", OVERLOADED)], done=False),
    "openai-compatible": Sse([*chunks(["Hel"])[:2], error("Overloaded")], done=False),
}
CUT = {
    "anthropic": Sse(STREAM[:3], done=False),
    "openai-compatible": Sse(chunks(["Hel"])[:2], done=False),
}

each_vendor = pytest.mark.parametrize("vendor", ["anthropic", "openai-compatible"])


@pytest.fixture(scope="module")
def claude(gateway: Running) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.origin, api_key="none", max_retries=0) as client:
        yield client


@each_vendor
def test_a_whole_answer(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic, vendor: str
) -> None:
    upstream.always(WHOLE[vendor])
    message = _create(claude, _client(gateway, upstream, vendor))
    assert _text(message) == "Hello"
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 4)
    assert str(message._request_id).startswith("req_")


@each_vendor
def test_a_stream(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic, vendor: str
) -> None:
    upstream.always(STREAMED[vendor])
    chat = claude.with_options(api_key=_client(gateway, upstream, vendor)).messages
    with chat.stream(model="claude-x", max_tokens=9, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert pieces == ["Hel", "lo"]
    assert (_text(message), message.stop_reason) == ("Hello", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 4)


@pytest.mark.parametrize("stream", [False, True])
def test_tools_in_parallel(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic, stream: bool
) -> None:
    whole = Json(completion(None, tool_calls=CALLS))
    upstream.always(Sse(chunks((), tool_calls=CALLS)) if stream else whole)
    chat = claude.with_options(api_key=_client(gateway, upstream, "openai-compatible")).messages
    asked: dict[str, Any] = {
        "model": "m",
        "max_tokens": 9,
        "messages": HELLO,
        "tools": TOOLS,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": False},
    }
    if stream:
        with chat.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = chat.create(**asked)
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == CALLS
    assert [call.id for call in calls] == ["call_0", "call_1"]
    assert message.stop_reason == "tool_use"
    received = upstream.requests[0].json
    assert received["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in received["tools"]] == ["weather", "clock"]


def test_a_tools_result_with_an_image(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.always(Json(completion()))
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    result = {
        "type": "tool_result",
        "tool_use_id": "call_0",
        "content": [{"type": "text", "text": "Look:"}, image],
    }
    call = {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Bern"}}
    said = {"type": "text", "text": "And now?"}
    messages = [
        *HELLO,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, said]},
    ]
    key = _client(gateway, upstream, "openai-compatible")
    _create(claude, key, messages=messages, tools=TOOLS, system="Be brief")
    system, hello, called, answered, *rest = upstream.requests[0].json["messages"]
    assert (system["role"], hello["role"], called["role"]) == ("system", "user", "assistant")
    [told] = called["tool_calls"]
    assert (told["id"], told["function"]["name"]) == ("call_0", "weather")
    assert json.loads(told["function"]["arguments"]) == {"city": "Bern"}
    assert (answered["role"], answered["tool_call_id"]) == ("tool", "call_0")
    assert "Look:" in json.dumps(answered["content"])
    parts = [part for one in rest for part in one["content"]]
    assert [one["role"] for one in rest] == ["user"] * len(rest)
    assert {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}} in parts
    assert {"type": "text", "text": "And now?"} in parts


# Errors


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"messages": "Hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": 1, "content": "q"}]}, "messages[0].role"),
        ({"max_tokens": "nine"}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"system": 1}, "system"),
    ],
)
def test_a_wrong_field_is_named(
    gateway: Running, upstream: Upstream, fields: dict[str, Any], field: str
) -> None:
    answer = _post(gateway, _client(gateway, upstream, "anthropic"), **fields)
    assert _told(answer) == (400, "invalid_request_error")
    assert field in answer.json["error"]["message"]
    assert upstream.requests == []


def test_what_a_vendor_cannot_be_asked_is_refused(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "openai-compatible")
    source = {"type": "file", "file_id": "file_1"}
    asked = [{"role": "user", "content": [{"type": "document", "source": source}]}]
    answer = _post(gateway, key, messages=asked)
    assert _told(answer) == (400, "invalid_request_error")
    assert "file" in answer.json["error"]["message"]
    assert upstream.requests == []


def test_an_unknown_key(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError) as caught:
        _create(claude, "sk-ant-nobody")
    assert _shape(caught.value) == "authentication_error"


def test_a_disabled_client(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    key = _client(gateway, upstream, "anthropic", is_active=False)
    with pytest.raises(anthropic.PermissionDeniedError) as caught:
        _create(claude, key)
    assert _shape(caught.value) == "permission_error"


def test_a_model_that_may_not_be_used(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    key = _client(gateway, upstream, "anthropic", allowed_models=["claude-y"])
    with pytest.raises(anthropic.NotFoundError) as caught:
        _create(claude, key)
    assert _shape(caught.value) == "not_found_error"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("PUT", "/v1/messages/count_tokens", 405, "invalid_request_error"),
        ("POST", "/v1/messages/none", 404, "not_found_error"),
    ],
)
def test_a_wrong_method_or_path(
    gateway: Running, method: str, path: str, status: int, kind: str
) -> None:
    assert _told(gateway.call(method, path)) == (status, kind)


def test_a_body_that_is_too_large(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    key = _client(gateway, upstream, "anthropic")
    with pytest.raises(anthropic.APIStatusError) as caught:
        _create(claude, key, messages=[{"role": "user", "content": "x" * (11 << 20)}])
    assert caught.value.status_code == 413
    assert _shape(caught.value) == "request_too_large"
    assert upstream.requests == []


def test_a_limit_of_the_client(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.always(WHOLE["anthropic"])
    key = _client(gateway, upstream, "anthropic", rate_limit_minute=1)
    _create(claude, key)
    with pytest.raises(anthropic.RateLimitError) as caught:
        _create(claude, key)
    assert _shape(caught.value) == "rate_limit_error"
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 120
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "1"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (401, 502, "api_error"),
        (404, 404, "not_found_error"),
        (413, 413, "request_too_large"),
        (429, 429, "rate_limit_error"),
        (500, 502, "api_error"),
        (529, 503, "overloaded_error"),
    ],
)
@each_vendor
def test_what_upstream_refuses(
    gateway: Running,
    upstream: Upstream,
    claude: anthropic.Anthropic,
    vendor: str,
    said: int,
    status: int,
    kind: str,
) -> None:
    upstream.always(failure(said, "not so", retry_after=7))
    with pytest.raises(anthropic.APIStatusError) as caught:
        _create(claude, _client(gateway, upstream, vendor))
    assert (caught.value.status_code, _shape(caught.value)) == (status, kind)
    if status in (429, 503):
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("status", "kind", "message", "code"),
    [
        (404, "not_found_error", "model: claude-x", "model_not_found"),
        (400, "invalid_request_error", "max_tokens: too small", None),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "context_length_exceeded",
        ),
    ],
)
def test_openais_door_tells_anthropics_errors(
    gateway: Running, upstream: Upstream, status: int, kind: str, message: str, code: str | None
) -> None:
    told = {"type": "error", "error": {"type": kind, "message": message}}
    upstream.always(Json(told, status=status))
    key = _client(gateway, upstream, "anthropic")
    answer = gateway.chat(key, {"model": "claude-x", "messages": HELLO})
    assert answer.status == status
    assert answer.error["message"] == message
    assert (answer.error["type"], answer.error["code"]) == ("invalid_request_error", code)


def test_a_vendor_that_is_not_there(gateway: Running, claude: anthropic.Anthropic) -> None:
    with Upstream() as gone:
        pass
    with pytest.raises(anthropic.InternalServerError) as caught:
        _create(claude, _client(gateway, gone, "anthropic"))
    assert (caught.value.status_code, _shape(caught.value)) == (502, "api_error")


# Streams that end badly, and silence


@each_vendor
@pytest.mark.parametrize(("answers", "told"), [(BROKEN, "Overloaded"), (CUT, "middle")])
def test_a_stream_that_breaks_off(
    gateway: Running,
    upstream: Upstream,
    claude: anthropic.Anthropic,
    vendor: str,
    answers: dict[str, Sse],
    told: str,
) -> None:
    upstream.always(answers[vendor])
    chat = claude.with_options(api_key=_client(gateway, upstream, vendor)).messages
    pieces = []
    with pytest.raises(anthropic.APIError, match=told):
        with chat.stream(model="claude-x", max_tokens=9, messages=HELLO) as stream:
            for piece in stream.text_stream:
                pieces.append(piece)
    assert pieces == ["Hel"]


@each_vendor
@pytest.mark.parametrize("place", ["before-head", 2])
def test_silence_is_filled_with_pings(
    impatient: Running, upstream: Upstream, vendor: str, place: Any
) -> None:
    upstream.always(STREAMED[vendor].but(hang=place))
    key = _client(impatient, upstream, vendor)
    body = {"model": "claude-x", "max_tokens": 9, "messages": HELLO, "stream": True}
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=30)
    try:
        connection.request("POST", "/v1/messages", json.dumps(body), {"x-api-key": key})
        answer = connection.getresponse()
        while (line := answer.readline()) != b"event: ping\n":
            assert line
        assert answer.readline() == b'data: {"type": "ping"}\n'
        upstream.wait(1)
        upstream.release()
        assert b"event: message_stop\n" in answer.read()
    finally:
        connection.close()


def test_the_sdk_does_not_mind_pings(impatient: Running, upstream: Upstream) -> None:
    upstream.always(STREAMED["openai-compatible"].but(head_delay=0.4))
    with anthropic.Anthropic(
        base_url=impatient.origin,
        api_key=_client(impatient, upstream, "openai-compatible"),
        max_retries=0,
    ) as claude:
        with claude.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
            assert _text(stream.get_final_message()) == "Hello"


# Keys and headers


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "api-key", "x-goog-api-key"])
def test_a_key_may_stand_anywhere(gateway: Running, upstream: Upstream, name: str) -> None:
    upstream.always(WHOLE["anthropic"])
    key = _client(gateway, upstream, "anthropic")
    shown = f"Bearer {key}" if name == "authorization" else key
    assert _post(gateway, None, {name: shown}).status == 200
    assert upstream.requests[0].keys == {"upstream-key"}


def test_two_different_keys(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "anthropic")
    answer = _post(gateway, key, {"authorization": "Bearer other"})
    assert _told(answer) == (401, "authentication_error")


def test_no_key_in_the_query(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "anthropic")
    answer = gateway.call("POST", f"/v1/messages?key={key}", b"{}")
    assert _told(answer) == (401, "authentication_error")


@pytest.mark.parametrize("fails", [False, True])
def test_every_answer_bears_its_id(gateway: Running, upstream: Upstream, fails: bool) -> None:
    upstream.always(failure(500) if fails else WHOLE["anthropic"])
    answer = _post(gateway, _client(gateway, upstream, "anthropic"))
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert answer.headers["request-id"].startswith("req_")


def test_the_version_and_betas_go_to_anthropic_alone(gateway: Running, upstream: Upstream) -> None:
    asked = {"anthropic-version": "2026-10-21", "anthropic-beta": "a,b", "x-other": "1"}
    upstream.always(WHOLE["anthropic"])
    _post(gateway, _client(gateway, upstream, "anthropic"), asked)
    upstream.always(WHOLE["openai-compatible"])
    _post(gateway, _client(gateway, upstream, "openai-compatible"), asked)
    relayed, translated = [received.headers for received in upstream.requests]
    assert relayed["anthropic-version"] == "2026-10-21"
    assert relayed["anthropic-beta"] == "a,b"
    assert "x-other" not in relayed
    assert not [name for name in translated if name.startswith("anthropic")]


# Counting tokens


def test_tokens_counted_by_the_vendor(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.script("/v1/messages/count_tokens", Json({"input_tokens": 42}))
    assert _count(claude, _client(gateway, upstream, "anthropic")) == 42
    assert upstream.requests[0].json == {"model": "claude-x", "messages": HELLO, "system": "s"}


def test_tokens_counted_by_another_vendor(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.script(_counts, Json({"totalTokens": 43}))
    assert _count(claude, _client(gateway, upstream, "gemini")) == 43
    asked = upstream.requests[0].json["generateContentRequest"]
    assert asked["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert asked["systemInstruction"]["parts"] == [{"text": "s"}]


def test_tokens_are_estimated_where_nobody_counts(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    key = _client(gateway, upstream, "openai-compatible")
    few = _count(claude, key)
    assert 0 < few < 100
    assert _count(claude, key, "word " * 1000) > few + 500
    assert upstream.requests == []


def test_an_image_is_not_estimated_by_its_size(gateway: Running, upstream: Upstream) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}
    shown = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    headers = {"x-api-key": _client(gateway, upstream, "openai-compatible")}
    body = json.dumps({"model": "claude-x", "messages": shown}).encode()
    answer = gateway.call("POST", "/v1/messages/count_tokens", body, headers)
    assert 0 < answer.json["input_tokens"] < 5_000


def test_what_counting_refuses(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.always(Json(OVERLOADED, status=529))
    with pytest.raises(anthropic.APIStatusError) as caught:
        _count(claude, _client(gateway, upstream, "anthropic"))
    assert (caught.value.status_code, _shape(caught.value)) == (503, "overloaded_error")


# Models


def test_models_in_anthropics_shape(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    row = {
        "type": "model",
        "id": "claude-x",
        "display_name": "Claude X",
        "created_at": "2026-01-02T03:04:05Z",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
    upstream.script("/v1/models", Json({"data": [row], "has_more": False}))
    chat = claude.with_options(api_key=_client(gateway, upstream, "anthropic"))
    [model] = chat.models.list()
    assert model.to_dict(mode="json").items() >= row.items()
    assert chat.models.retrieve("claude-x") == model


def test_another_vendors_models_in_anthropics_shape(
    gateway: Running, upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    upstream.models(["gpt-x", "gpt-y"])
    key = _client(gateway, upstream, "openai-compatible")
    page = claude.with_options(api_key=key).models.list()
    assert [(one.id, one.type) for one in page] == [("gpt-x", "model"), ("gpt-y", "model")]
    assert (page.first_id, page.last_id, page.has_more) == ("gpt-x", "gpt-y", False)
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.with_options(api_key=key).models.retrieve("none")
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")


# Routing and what is dropped


@pytest.mark.parametrize("stream", [False, True])
def test_another_vendor_answers_where_the_first_fails(
    impatient: Running, upstream: Upstream, others: Upstream, stream: bool
) -> None:
    upstream.always(failure(500))
    others.script("/v1/messages", STREAMED["anthropic"] if stream else WHOLE["anthropic"])
    key = _client(impatient, upstream, "openai-compatible", fallback_models=["anthropic/claude-x"])
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked: dict[str, Any] = {
        "model": "gpt-x",
        "max_tokens": 2000,
        "messages": HELLO,
        "thinking": thinking,
    }
    if stream:
        asked["stream"] = True
    answer = _post(impatient, key, **asked)
    assert answer.status == 200
    assert answer.headers["x-gateway-provider"] == "anthropic"
    assert answer.headers["x-gateway-model"] == "claude-x"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert others.requests[0].json == {**asked, "model": "claude-x"}
    assert others.requests[0].keys == {"key-of-anthropic"}
    assert answer.body == b"".join((STREAMED if stream else WHOLE)["anthropic"].parts())


@pytest.mark.parametrize("stream", [False, True])
def test_openais_door_falls_back_to_anthropic(
    impatient: Running, upstream: Upstream, others: Upstream, stream: bool
) -> None:
    upstream.always(failure(500))
    others.script("/v1/messages", STREAMED["anthropic"] if stream else WHOLE["anthropic"])
    key = _client(impatient, upstream, "openai-compatible", fallback_models=["anthropic/claude-x"])
    answer = impatient.chat(key, {"model": "gpt-x", "messages": HELLO, "stream": stream})
    assert answer.headers["x-gateway-provider"] == "anthropic"
    assert (b'"content":"Hel"' if stream else b'"content":"Hello"') in answer.body
    [asked] = others.requests[0].json["messages"]
    assert asked == {"role": "user", "content": [{"type": "text", "text": "Hello"}]}


def test_what_the_vendor_has_no_word_for_is_dropped_and_named(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.always(WHOLE["openai-compatible"])
    key = _client(gateway, upstream, "openai-compatible")
    answer = _post(gateway, key, speed="fast", temperature=0.5)
    assert answer.headers["x-gateway-dropped-params"] == "speed"
    assert "speed" not in upstream.requests[0].json
    assert upstream.requests[0].json["temperature"] == 0.5


def test_strict_params_allow_no_dropping(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "openai-compatible", strict_params=True)
    answer = _post(gateway, key, speed="fast")
    assert _told(answer) == (400, "invalid_request_error")
    assert "`speed`" in answer.json["error"]["message"]
    assert upstream.requests == []


def test_a_relayed_question_gets_what_the_client_is_set_to(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.always(WHOLE["anthropic"])
    key = _client(gateway, upstream, "anthropic", system_prompt="Be kind.", max_output_tokens=5)
    blocks = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    _post(gateway, key, system=blocks)
    received = upstream.requests[0].json
    assert received["system"] == [{"type": "text", "text": "Be kind."}, *blocks]
    assert received["max_tokens"] == 5


def _client(gateway: Running, upstream: Upstream, vendor: str, **fields: Any) -> str:
    return gateway.client(
        provider=vendor,
        provider_base_url=upstream.base_url if vendor == "openai-compatible" else upstream.origin,
        provider_api_key="upstream-key",
        **fields,
    )


def _create(claude: anthropic.Anthropic, key: str, **more: Any) -> Message:
    asked: dict[str, Any] = {"model": "claude-x", "max_tokens": 9, "messages": HELLO} | more
    message: Message = claude.with_options(api_key=key).messages.create(**asked)
    return message


def _count(claude: anthropic.Anthropic, key: str, text: str = "Hello") -> int:
    messages = claude.with_options(api_key=key).messages
    asked: list[Any] = [{"role": "user", "content": text}]
    return messages.count_tokens(model="claude-x", messages=asked, system="s").input_tokens


def _counts(received: Received) -> bool:
    return received.path == "/v1beta/models/claude-x:countTokens"


def _text(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _post(
    gateway: Running, key: str | None, headers: dict[str, str] | None = None, **more: Any
) -> Answered:
    body = {"model": "claude-x", "max_tokens": 9, "messages": HELLO} | more
    shown = {} if key is None else {"x-api-key": key}
    sent = {"content-type": "application/json", **shown, **(headers or {})}
    return gateway.call("POST", "/v1/messages", json.dumps(body).encode(), sent)


def _told(answer: Answered) -> tuple[int, str]:
    assert answer.json["type"] == "error"
    return answer.status, answer.json["error"]["type"]


def _shape(caught: anthropic.APIStatusError) -> str:
    body: Any = caught.body
    assert body["type"] == "error" and body["error"]["message"]
    assert str(caught.request_id).startswith("req_")
    kind: str = body["error"]["type"]
    return kind
