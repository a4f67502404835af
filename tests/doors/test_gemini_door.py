"""Google's own SDK against the running gateway, whoever the vendor behind it is."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.doors.readings import Tokens, of_gemini
from tests.running import Answered, Running
from tests.upstream import Json, Received, Sse, Upstream, chunks, completion, error, failure

HELLO: list[Any] = [{"role": "user", "parts": [{"text": "Hello"}]}]
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"city": "Zürich"}),
    ("clock", {"zone": "Europe/Zurich", "hours": 24}),
]
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name=name, parameters_json_schema={"type": "object"})
        for name, _ in CALLS
    ]
)
USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}


def _piece(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r"}


ANSWER = _piece("Hello", finishReason="STOP") | {"usageMetadata": USAGE}
PIECES = [_piece("Hel"), _piece("lo", finishReason="STOP") | {"usageMetadata": USAGE}]
UNAVAILABLE = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
WHOLE = {"gemini": Json(ANSWER), "openai-compatible": Json(completion())}
STREAMED = {
    "gemini": Sse(PIECES, done=False, newline="\r\n"),
    "openai-compatible": Sse(chunks(["Hel", "lo"], usage=True)),
}
BROKEN = {
    "gemini": Sse([PIECES[0], UNAVAILABLE], done=False, newline="\r\n"),
    "openai-compatible": Sse([*chunks(["Hel"])[:2], error("Overloaded")], done=False),
}
CUT = {
    "gemini": Sse(PIECES[:1], done=False, newline="\r\n"),
    "openai-compatible": Sse(chunks(["Hel"])[:2], done=False),
}

each_vendor = pytest.mark.parametrize("vendor", ["gemini", "openai-compatible"])


@pytest.fixture(scope="module")
def google(gateway: Running) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=gateway.origin)
    with genai.Client(api_key="none", http_options=options) as client:
        yield client


@each_vendor
def test_a_whole_answer(
    gateway: Running, upstream: Upstream, google: genai.Client, vendor: str
) -> None:
    upstream.always(WHOLE[vendor])
    answer = _generate(google, _client(gateway, upstream, vendor))
    reading = of_gemini([answer])
    assert (answer.text, reading.finish, reading.tokens) == ("Hello", "stop", Tokens(9, 4))


@each_vendor
def test_a_stream(gateway: Running, upstream: Upstream, google: genai.Client, vendor: str) -> None:
    upstream.always(STREAMED[vendor])
    answers = list(_stream(google, _client(gateway, upstream, vendor)))
    reading = of_gemini(answers)
    assert [answer.text for answer in answers if answer.text] == ["Hel", "lo"]
    assert (reading.finish, reading.tokens) == ("stop", Tokens(9, 4))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
@each_vendor
def test_both_versions_of_the_api(
    gateway: Running, upstream: Upstream, vendor: str, version: str
) -> None:
    upstream.always(WHOLE[vendor])
    options = types.HttpOptions(base_url=gateway.origin, api_version=version)
    key = _client(gateway, upstream, vendor)
    with genai.Client(api_key=key, http_options=options) as google:
        answer = google.models.generate_content(model="gemini-x", contents="Hello")
    assert answer.text == "Hello"
    if vendor == "gemini":
        assert upstream.requests[0].path == "/v1beta/models/gemini-x:generateContent"
        assert upstream.requests[0].headers["x-goog-api-key"] == "upstream-key"


@pytest.mark.parametrize("stream", [False, True])
def test_tools_in_parallel(
    gateway: Running, upstream: Upstream, google: genai.Client, stream: bool
) -> None:
    whole = Json(completion(None, tool_calls=CALLS))
    upstream.always(Sse(chunks((), tool_calls=CALLS)) if stream else whole)
    key = _client(gateway, upstream, "openai-compatible")
    calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    more = {"tools": [TOOL], "tool_config": types.ToolConfig(function_calling_config=calling)}
    answers = list(_stream(google, key, **more)) if stream else [_generate(google, key, **more)]
    reading = of_gemini(answers)
    assert (reading.calls, reading.finish) == (CALLS, "tool_calls")
    received = upstream.requests[0].json
    assert received["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in received["tools"]] == ["weather", "clock"]


def test_a_tools_result_with_an_image(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    upstream.always(Json(completion()))
    contents: list[Any] = [
        types.UserContent("Hello"),
        types.ModelContent(types.Part.from_function_call(name="weather", args={"city": "Bern"})),
        types.UserContent(
            [
                types.Part.from_function_response(name="weather", response={"sky": "blue"}),
                types.Part.from_bytes(data=PIXEL, mime_type="image/png"),
                types.Part.from_text(text="And now?"),
            ]
        ),
    ]
    key = _client(gateway, upstream, "openai-compatible")
    _generate(google, key, contents, tools=[TOOL], system_instruction="Be brief")
    system, hello, called, answered, asked = upstream.requests[0].json["messages"]
    assert (system["role"], hello["role"], called["role"]) == ("system", "user", "assistant")
    [told] = called["tool_calls"]
    assert told["function"]["name"] == "weather"
    assert json.loads(told["function"]["arguments"]) == {"city": "Bern"}
    assert (answered["role"], answered["tool_call_id"]) == ("tool", told["id"])
    assert json.loads(_text_of(answered)) == {"sky": "blue"}
    url = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    assert asked["role"] == "user"
    assert {"type": "image_url", "image_url": {"url": url}} in asked["content"]
    assert {"type": "text", "text": "And now?"} in asked["content"]


# The form without `alt=sse`


@each_vendor
def test_without_alt_sse_a_stream_is_an_array(
    gateway: Running, upstream: Upstream, vendor: str
) -> None:
    upstream.always(STREAMED[vendor])
    answer = _post(gateway, _client(gateway, upstream, vendor), "streamGenerateContent")
    assert answer.headers["content-type"].startswith("application/json")
    answers = [types.GenerateContentResponse.model_validate(one) for one in answer.json]
    reading = of_gemini(answers)
    assert (reading.text, reading.finish, reading.tokens) == ("Hello", "stop", Tokens(9, 4))


@each_vendor
@pytest.mark.parametrize(("answers", "told"), [(BROKEN, "Overloaded"), (CUT, "middle")])
def test_an_array_that_breaks_off_is_still_json(
    gateway: Running, upstream: Upstream, vendor: str, answers: dict[str, Sse], told: str
) -> None:
    upstream.always(answers[vendor])
    answer = _post(gateway, _client(gateway, upstream, vendor), "streamGenerateContent")
    *said, last = answer.json
    assert said[0]["candidates"][0]["content"]["parts"] == [{"text": "Hel"}]
    assert told in last["error"]["message"]


# Errors


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"contents": 1}, "contents"),
        ({"contents": [1]}, "contents[0]"),
        ({"contents": None}, "contents"),
        ({"generationConfig": []}, "generationConfig"),
        ({"toolConfig": "x"}, "toolConfig"),
    ],
)
def test_a_wrong_field_is_named(
    gateway: Running, upstream: Upstream, fields: dict[str, Any], field: str
) -> None:
    answer = _post(gateway, _client(gateway, upstream, "gemini"), **fields)
    assert _told(answer) == (400, "INVALID_ARGUMENT")
    assert field in answer.json["error"]["message"]
    assert upstream.requests == []


def test_an_unknown_key(google: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        _generate(google, "nobody")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_a_disabled_client(gateway: Running, upstream: Upstream, google: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        _generate(google, _client(gateway, upstream, "gemini", is_active=False))
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")


def test_a_model_that_may_not_be_used(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    key = _client(gateway, upstream, "gemini", allowed_models=["gemini-y"])
    with pytest.raises(errors.ClientError) as caught:
        _generate(google, key)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/v1beta/models/gemini-x:generateContent", 401, "UNAUTHENTICATED"),
        ("PUT", "/v1beta/models/gemini-x:generateContent", 405, "INVALID_ARGUMENT"),
        ("POST", "/v1beta/models/gemini-x:none", 404, "NOT_FOUND"),
        ("POST", "/v1/models/gemini-x:none", 404, "NOT_FOUND"),
        ("POST", "/v1beta/none", 404, "NOT_FOUND"),
    ],
)
def test_a_wrong_method_or_path(
    gateway: Running, method: str, path: str, status: int, word: str
) -> None:
    assert _told(gateway.call(method, path)) == (status, word)


def test_a_body_that_is_too_large(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    with pytest.raises(errors.ClientError) as caught:
        _generate(google, _client(gateway, upstream, "gemini"), "x" * (11 << 20))
    assert caught.value.code == 413
    assert upstream.requests == []


def test_a_limit_of_the_client(gateway: Running, upstream: Upstream) -> None:
    upstream.always(WHOLE["gemini"])
    key = _client(gateway, upstream, "gemini", rate_limit_minute=1)
    assert _post(gateway, key).status == 200
    answer = _post(gateway, key)
    assert _told(answer) == (429, "RESOURCE_EXHAUSTED")
    delays = [detail.get("retryDelay") for detail in answer.json["error"]["details"]]
    assert f"{answer.headers['retry-after']}s" in delays
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("said", "status", "word"),
    [
        (400, 400, "INVALID_ARGUMENT"),
        (401, 502, "INTERNAL"),
        (404, 404, "NOT_FOUND"),
        (429, 429, "RESOURCE_EXHAUSTED"),
        (500, 502, "INTERNAL"),
        (503, 503, "UNAVAILABLE"),
    ],
)
@each_vendor
def test_what_upstream_refuses(
    gateway: Running,
    upstream: Upstream,
    google: genai.Client,
    vendor: str,
    said: int,
    status: int,
    word: str,
) -> None:
    upstream.always(failure(said, "not so"))
    with pytest.raises(errors.APIError) as caught:
        _generate(google, _client(gateway, upstream, vendor))
    assert (caught.value.code, caught.value.status) == (status, word)


@pytest.mark.parametrize("door", ["gemini", "openai"])
def test_google_tells_the_time_to_wait_in_the_body(
    gateway: Running, upstream: Upstream, door: str
) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]
    told = {"code": 429, "message": "slower", "status": "RESOURCE_EXHAUSTED", "details": details}
    upstream.always(Json({"error": told}, status=429))
    key = _client(gateway, upstream, "gemini")
    if door == "gemini":
        answer = _post(gateway, key)
        assert answer.json["error"] == told
    else:
        answer = gateway.chat(key, QUESTION)
        assert answer.error["code"] == "rate_limit_exceeded"
    assert (answer.status, answer.headers["retry-after"]) == (429, "17")


def test_a_days_quota_is_not_asked_for_again(upstream: Upstream, tmp_path: Path) -> None:
    violations = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}]
    told = {"code": 429, "message": "used up", "status": "RESOURCE_EXHAUSTED", "details": details}
    upstream.always(Json({"error": told}, status=429))
    with Running(tmp_path, {"upstream": {"max_retries": 2}}) as gateway:
        assert _post(gateway, _client(gateway, upstream, "gemini")).status == 429
    assert len(upstream.requests) == 1


def test_openais_door_says_model_not_found(gateway: Running, upstream: Upstream) -> None:
    told = {"code": 404, "message": "models/m is not found", "status": "NOT_FOUND"}
    upstream.always(Json({"error": told}, status=404))
    answer = gateway.chat(_client(gateway, upstream, "gemini"), QUESTION)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["type"] == "invalid_request_error"


def test_a_bad_key_upstream_is_not_the_callers(gateway: Running, upstream: Upstream) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    told = {"code": 400, "message": "bad key upstream-key", "status": "INVALID_ARGUMENT"}
    upstream.always(Json({"error": told | {"details": details}}, status=400))
    answer = _post(gateway, _client(gateway, upstream, "gemini"))
    assert _told(answer) == (502, "INTERNAL")
    assert b"upstream-key" not in answer.body


def test_a_vendor_that_is_not_there(gateway: Running, google: genai.Client) -> None:
    with Upstream() as gone:
        pass
    with pytest.raises(errors.ServerError) as caught:
        _generate(google, _client(gateway, gone, "gemini"))
    assert (caught.value.code, caught.value.status) == (502, "INTERNAL")


# Streams that end badly, and silence


@each_vendor
@pytest.mark.parametrize(("answers", "told"), [(BROKEN, "Overloaded"), (CUT, "middle")])
def test_a_stream_that_breaks_off(
    gateway: Running,
    upstream: Upstream,
    google: genai.Client,
    vendor: str,
    answers: dict[str, Sse],
    told: str,
) -> None:
    upstream.always(answers[vendor])
    pieces = []
    with pytest.raises(errors.APIError, match=told):
        for answer in _stream(google, _client(gateway, upstream, vendor)):
            pieces.append(answer.text)
    assert [piece for piece in pieces if piece] == ["Hel"]


@each_vendor
@pytest.mark.parametrize("place", ["before-head", 1])
def test_silence_stays_silence(
    impatient: Running, upstream: Upstream, vendor: str, place: Any
) -> None:
    """The SDK breaks on comments and on events without data."""
    upstream.always(STREAMED[vendor].but(hang=place))
    key = _client(impatient, upstream, vendor)
    connection = http.client.HTTPConnection("127.0.0.1", impatient.port, timeout=30)
    try:
        path = "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
        connection.request("POST", path, json.dumps({"contents": HELLO}), {"x-api-key": key})
        # It begins its answer without anything to say, if need be.
        answer = connection.getresponse()
        upstream.wait(1)
        upstream.release()
        *events, rest = answer.read().split(b"\r\n\r\n")
    finally:
        connection.close()
    assert rest == b"" and events
    assert all(event.startswith(b"data: {") for event in events)


# Keys and headers


@pytest.mark.parametrize("name", ["x-goog-api-key", "authorization", "x-api-key", "?key"])
def test_a_key_may_stand_anywhere(gateway: Running, upstream: Upstream, name: str) -> None:
    upstream.always(WHOLE["gemini"])
    key = _client(gateway, upstream, "gemini")
    path = "/v1beta/models/gemini-x:generateContent"
    headers = {} if name == "?key" else {name: f"Bearer {key}" if name[0] == "a" else key}
    target = f"{path}?key={key}" if name == "?key" else path
    answer = gateway.call("POST", target, json.dumps({"contents": HELLO}).encode(), headers)
    assert answer.status == 200
    assert upstream.requests[0].keys == {"upstream-key"}
    assert upstream.requests[0].query == ""
    assert key not in gateway.output


def test_two_different_keys(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "gemini")
    path = "/v1beta/models/gemini-x:generateContent?key=other"
    answer = gateway.call("POST", path, b"{}", {"x-goog-api-key": key})
    assert _told(answer) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("fails", [False, True])
def test_every_answer_bears_its_id(gateway: Running, upstream: Upstream, fails: bool) -> None:
    upstream.always(failure(500) if fails else WHOLE["gemini"])
    answer = _post(gateway, _client(gateway, upstream, "gemini"))
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-gateway-provider"] == "gemini"


# Counting tokens


def test_tokens_counted_by_the_vendor(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    upstream.script(_asks("gemini-x:countTokens"), Json({"totalTokens": 42}))
    assert _count(google, _client(gateway, upstream, "gemini")) == 42
    assert upstream.requests[0].json["contents"] == HELLO


def test_tokens_counted_by_another_vendor(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    upstream.script("/v1/messages/count_tokens", Json({"input_tokens": 43}))
    assert _count(google, _client(gateway, upstream, "anthropic")) == 43
    [asked] = upstream.requests[0].json["messages"]
    assert asked == {"role": "user", "content": [{"type": "text", "text": "Hello"}]}


def test_tokens_are_estimated_where_nobody_counts(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    key = _client(gateway, upstream, "openai-compatible")
    few = _count(google, key)
    assert 0 < few < 100
    assert _count(google, key, "word " * 1000) > few + 500
    assert upstream.requests == []


def test_a_whole_request_may_be_counted(gateway: Running, upstream: Upstream) -> None:
    upstream.script("/v1/messages/count_tokens", Json({"input_tokens": 44}))
    key = _client(gateway, upstream, "anthropic")
    whole = {"contents": HELLO, "systemInstruction": {"parts": [{"text": "Be brief"}]}}
    body = json.dumps({"generateContentRequest": {"model": "models/gemini-x", **whole}})
    path = "/v1beta/models/gemini-x:countTokens"
    answer = gateway.call("POST", path, body.encode(), {"x-goog-api-key": key})
    assert answer.json == {"totalTokens": 44}
    assert "Be brief" in json.dumps(upstream.requests[0].json["system"])


# Models


def test_models_in_geminis_shape(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    row = {
        "name": "models/gemini-x",
        "displayName": "Gemini X",
        "version": "1",
        "inputTokenLimit": 1_000_000,
        "outputTokenLimit": 8_000,
        "supportedGenerationMethods": ["generateContent"],
    }
    upstream.script("/v1beta/models", Json({"models": [row]}))
    config: Any = _config(_client(gateway, upstream, "gemini"))
    [model] = google.models.list(config={"http_options": config.http_options})
    assert (model.name, model.display_name) == ("models/gemini-x", "Gemini X")
    assert (model.input_token_limit, model.output_token_limit) == (1_000_000, 8_000)
    one = google.models.get(model="gemini-x", config={"http_options": config.http_options})
    assert one.name == "models/gemini-x"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1beta/models", "authorization"),
        ("/v1/models", "x-goog-api-key"),
        ("/v1/models", "?key"),
        ("/v1/models", "user-agent"),
    ],
)
def test_another_vendors_models_in_geminis_shape(
    gateway: Running, upstream: Upstream, path: str, shown: str
) -> None:
    upstream.models(["gpt-x", "gpt-y"])
    key = _client(gateway, upstream, "openai-compatible")
    headers = {"authorization": f"Bearer {key}"}
    if shown == "x-goog-api-key":
        headers = {shown: key}
    elif shown == "user-agent":
        headers[shown] = "google-genai-sdk/3.4.0"
    target = f"{path}?key={key}" if shown == "?key" else path
    answer = gateway.call("GET", target, headers={} if shown == "?key" else headers)
    assert [one["name"] for one in answer.json["models"]] == ["models/gpt-x", "models/gpt-y"]


def test_a_model_that_is_not_there(
    gateway: Running, upstream: Upstream, google: genai.Client
) -> None:
    upstream.models(["gpt-x"])
    config: Any = _config(_client(gateway, upstream, "openai-compatible"))
    with pytest.raises(errors.ClientError) as caught:
        google.models.get(model="none", config={"http_options": config.http_options})
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


# Routing and what is dropped


@pytest.mark.parametrize("stream", [False, True])
def test_another_vendor_answers_where_the_first_fails(
    impatient: Running, upstream: Upstream, others: Upstream, stream: bool
) -> None:
    upstream.always(failure(500))
    others.always((STREAMED if stream else WHOLE)["gemini"])
    key = _client(impatient, upstream, "openai-compatible", fallback_models=["gemini/gemini-x"])
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    answer = _post(impatient, key, method, cachedContent="cachedContents/1")
    assert answer.headers["x-gateway-provider"] == "gemini"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert "x-gateway-dropped-params" not in answer.headers
    [received] = others.requests
    assert received.json == {"contents": HELLO, "cachedContent": "cachedContents/1"}
    assert received.keys == {"key-of-gemini"}
    assert answer.body == b"".join((STREAMED if stream else WHOLE)["gemini"].parts())


def test_openais_vendor_falls_back_to_anthropic(
    impatient: Running, upstream: Upstream, others: Upstream
) -> None:
    upstream.always(failure(429))
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }
    others.script("/v1/messages", Json(message))
    key = _client(impatient, upstream, "openai-compatible", fallback_models=["anthropic/claude-x"])
    answer = types.GenerateContentResponse.model_validate(_post(impatient, key).json)
    reading = of_gemini([answer])
    assert (reading.text, reading.finish, reading.tokens) == ("Hello", "length", Tokens(9, 4))


def test_what_the_vendor_has_no_word_for_is_dropped_and_named(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.always(WHOLE["openai-compatible"])
    key = _client(gateway, upstream, "openai-compatible")
    answer = _post(gateway, key, cachedContent="cachedContents/1")
    assert answer.headers["x-gateway-dropped-params"] == "cachedContent"


def test_strict_params_allow_no_dropping(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "openai-compatible", strict_params=True)
    answer = _post(gateway, key, cachedContent="cachedContents/1")
    assert _told(answer) == (400, "INVALID_ARGUMENT")
    assert "`cachedContent`" in answer.json["error"]["message"]
    assert upstream.requests == []


def test_a_relayed_question_gets_what_the_client_is_set_to(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.always(WHOLE["gemini"])
    key = _client(gateway, upstream, "gemini", system_prompt="Be kind.", max_output_tokens=5)
    config = {"temperature": 0.5, "maxOutputTokens": 50}
    system = {"parts": [{"text": "Be brief."}]}
    _post(gateway, key, generationConfig=config, systemInstruction=system)
    received = upstream.requests[0].json
    assert received["systemInstruction"]["parts"] == [{"text": "Be kind."}, *system["parts"]]
    assert received["generationConfig"] == {"temperature": 0.5, "maxOutputTokens": 5}


def _client(gateway: Running, upstream: Upstream, vendor: str, **fields: Any) -> str:
    return gateway.client(
        provider=vendor,
        provider_base_url=upstream.base_url if vendor == "openai-compatible" else upstream.origin,
        provider_api_key="upstream-key",
        **fields,
    )


def _config(key: str, **more: Any) -> types.GenerateContentConfig:
    options = types.HttpOptions(headers={"x-goog-api-key": key})
    return types.GenerateContentConfig(
        http_options=options,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        **more,
    )


def _generate(
    google: genai.Client, key: str, contents: Any = "Hello", **more: Any
) -> types.GenerateContentResponse:
    models = google.models
    return models.generate_content(model="gemini-x", contents=contents, config=_config(key, **more))


def _stream(google: genai.Client, key: str, **more: Any) -> Iterator[types.GenerateContentResponse]:
    models = google.models
    return models.generate_content_stream(
        model="gemini-x", contents="Hello", config=_config(key, **more)
    )


def _count(google: genai.Client, key: str, text: str = "Hello") -> int:
    options = types.HttpOptions(headers={"x-goog-api-key": key})
    config = types.CountTokensConfig(http_options=options)
    counted = google.models.count_tokens(model="gemini-x", contents=text, config=config)
    return counted.total_tokens or 0


def _asks(end: str) -> Any:
    def ends(received: Received) -> bool:
        return received.path.endswith(end)

    return ends


def _text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _post(gateway: Running, key: str, method: str = "generateContent", **more: Any) -> Answered:
    body = json.dumps({"contents": HELLO} | more).encode()
    headers = {"content-type": "application/json", "x-goog-api-key": key}
    return gateway.call("POST", f"/v1beta/models/gemini-x:{method}", body, headers)


def _told(answer: Answered) -> tuple[int, str]:
    assert next(iter(answer.json)) == "error"
    told = answer.json["error"]
    assert told["code"] == answer.status
    return answer.status, told["status"]
