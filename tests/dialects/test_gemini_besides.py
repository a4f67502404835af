"""What Gemini's API tells besides answers: errors, models, tokens, embeddings; models' names."""

import struct
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from openai.types import CreateEmbeddingResponse

from gateway.conversation import Chat, Message, Text, Tool
from gateway.dialects.gemini import (
    count_tokens_body,
    error_body,
    error_of,
    is_bad_key,
    is_daily_quota,
    model_entry,
    models_page,
    read_embeddings,
    read_models,
    read_token_count,
    retry_delay,
    token_count_body,
    write_chat,
    write_embeddings,
)
from gateway.dialects.gemini.facts import Family, family_of
from gateway.errors import (
    BadRequest,
    BodyTooLarge,
    GatewayError,
    ModelNotFound,
    RateLimited,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from tests.dialects.gemini_sdk import CHATS, EMBEDDINGS
from tests.upstream import Json, Recording, Upstream

RPC = "type.googleapis.com/google.rpc"


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BadRequest("m", param="contents"), 400, "INVALID_ARGUMENT"),
        (ModelNotFound("m"), 404, "NOT_FOUND"),
        (BodyTooLarge("m"), 413, "INVALID_ARGUMENT"),
        (RateLimited("m", headers={"retry-after": "17"}), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamError("m"), 502, "INTERNAL"),
        (UpstreamOverloaded("m"), 503, "UNAVAILABLE"),
        (UpstreamTimeout("m"), 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_as_the_sdk_raises_them(error: GatewayError, code: int, status: str) -> None:
    body = error_body(error)
    assert list(body) == ["error"]
    with Upstream() as upstream:
        upstream.always(Json(body, status=error.status))
        options = types.HttpOptions(base_url=upstream.origin)
        with genai.Client(api_key="k", http_options=options) as client:
            with pytest.raises(errors.APIError) as raised:
                client.models.generate_content(model="m", contents="q")
    assert (raised.value.code, raised.value.status, raised.value.message) == (code, status, "m")


def test_our_own_reasons_and_delays_are_details() -> None:
    body = error_body(RateLimited("m", headers={"retry-after": "17"}))
    assert body["error"]["details"] == [
        {"@type": f"{RPC}.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"},
        {"@type": f"{RPC}.RetryInfo", "retryDelay": "17s"},
    ]
    assert retry_delay(body) == 17.0


def test_upstreams_own_details_and_status_stay() -> None:
    error = UpstreamRateLimited("m")
    details = [{"@type": f"{RPC}.RetryInfo", "retryDelay": "3s"}]
    error.extra = {"status": "RESOURCE_EXHAUSTED", "details": details}
    assert error_body(error)["error"]["details"] == details
    early = UpstreamRejected("m")
    early.status, early.extra = 400, {"status": "FAILED_PRECONDITION"}
    assert error_body(early)["error"]["status"] == "FAILED_PRECONDITION"
    refused = UpstreamUnauthorized("m")
    refused.extra = {"status": "UNAUTHENTICATED"}
    assert error_body(refused)["error"]["status"] == "INTERNAL"


def failed(*details: dict[str, Any]) -> dict[str, Any]:
    return {"code": 429, "message": "m", "status": "S", "details": list(details)}


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: {"error": e}, lambda e: [{"error": e}]])
def test_an_error_is_found_in_every_form(wrap: Callable[[Any], Any]) -> None:
    error = failed(
        {"@type": f"{RPC}.Help", "links": []},
        {"@type": f"{RPC}.RetryInfo", "retryDelay": "0.5s"},
        {"@type": f"{RPC}.ErrorInfo", "reason": "API_KEY_INVALID"},
        {
            "@type": f"{RPC}.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
        },
    )
    found = wrap(error)
    assert error_of(found) == error
    assert retry_delay(found) == 0.5
    assert is_bad_key(found) and is_daily_quota(found)


@pytest.mark.parametrize(
    "found",
    [
        None,
        "text",
        [],
        [1],
        {},
        {"error": "text"},
        {"error": {"details": "x"}},
        failed(),
        failed({"@type": f"{RPC}.RetryInfo", "retryDelay": 5}),
        failed({"@type": f"{RPC}.RetryInfo", "retryDelay": "soon"}),
        failed({"@type": f"{RPC}.ErrorInfo", "reason": "OTHER"}),
        failed({"@type": f"{RPC}.QuotaFailure", "violations": [{"quotaId": "PerMinute"}, 1]}),
        failed({"@type": f"{RPC}.QuotaFailure", "violations": 1}),
    ],
)
def test_errors_that_tell_nothing(found: Any) -> None:
    assert retry_delay(found) is None
    assert not is_bad_key(found) and not is_daily_quota(found)


def test_the_recorded_error_is_found() -> None:
    (recording,) = [row for row in CHATS if row.status == 404]
    error = error_of(recording.response)
    assert error is not None and error["status"] == "NOT_FOUND"
    assert not is_bad_key(recording.response)


def test_a_list_of_models_as_openai_words_it_and_back() -> None:
    page = {
        "models": [
            {
                "name": "models/gemini-x",
                "displayName": "Gemini X",
                "description": "d",
                "version": "1",
                "inputTokenLimit": 1000,
                "outputTokenLimit": 100,
                "supportedGenerationMethods": ["generateContent"],
                "temperature": 1,
                "topP": 0.9,
                "topK": 64,
                "maxTemperature": 2,
                "thinking": True,
            },
            {"name": "tunedModels/y"},
            {"displayName": "without a name"},
            "odd",
        ],
        "nextPageToken": "t",
    }
    rows = read_models(page)
    assert [row["id"] for row in rows] == ["gemini-x", "tunedModels/y"]
    assert {"object": "model", "created": 0, "owned_by": "google"}.items() <= rows[1].items()
    assert rows[0]["context_window"] == 1000 and rows[0]["max_output_tokens"] == 100
    assert models_page(rows)["models"][0] == page["models"][0]


@pytest.mark.parametrize("page", [None, [], {}, {"models": None}, {"models": {}}])
def test_a_list_without_models(page: Any) -> None:
    assert read_models(page) == []


def test_the_sdk_lists_our_models() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "object": "model", "created": 1, "owned_by": "x"},
        {"id": "team/b"},
    ]
    with Upstream() as upstream:
        upstream.script("/models", Json(models_page(rows)))
        upstream.script("/models/a", Json(model_entry(rows[0])))
        options = types.HttpOptions(base_url=upstream.origin)
        with genai.Client(api_key="k", http_options=options) as client:
            listed = list(client.models.list())
            one = client.models.get(model="a")
    assert [model.name for model in listed] == ["models/a", "team/b"]
    assert one.display_name == "a"
    assert one.supported_actions == ["generateContent", "countTokens"]


def test_tokens_are_counted_of_the_whole_question() -> None:
    chat = Chat([Message("user", [Text("q")])], system=[Text("s")], tools=[Tool("f")])
    body = count_tokens_body(write_chat(chat, "gemini-x", stream=False), "gemini-x")
    assert body == {
        "generateContentRequest": {
            "model": "models/gemini-x",
            "systemInstruction": {"parts": [{"text": "s"}]},
            "contents": [{"role": "user", "parts": [{"text": "q"}]}],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        }
    }


def test_the_sdk_reads_our_count() -> None:
    with Upstream() as upstream:
        upstream.script("/models/m:countTokens", Json(token_count_body(12)))
        options = types.HttpOptions(base_url=upstream.origin)
        with genai.Client(api_key="k", http_options=options) as client:
            assert client.models.count_tokens(model="m", contents="q").total_tokens == 12


@pytest.mark.parametrize(
    ("body", "count"), [({"totalTokens": 31}, 31), ({}, 0), ({"totalTokens": None}, 0), ([], 0)]
)
def test_a_count_of_tokens(body: Any, count: int) -> None:
    assert read_token_count(body) == count


@pytest.mark.parametrize("recording", EMBEDDINGS, ids=lambda recording: recording.id)
def test_recorded_embeddings(recording: Recording) -> None:
    (recorded,) = recording.request["requests"]
    asked = {
        "model": "m",
        "input": recorded["content"]["parts"][0]["text"],
        "dimensions": recorded.get("outputDimensionality"),
        "task_type": recorded["taskType"],
    }
    assert write_embeddings(asked, recorded["model"].removeprefix("models/")) == recording.request
    read = read_embeddings(recording.response, "m")
    values = recording.response["embeddings"][0]["values"]
    answer = CreateEmbeddingResponse.model_validate(read, strict=True)
    assert answer.data[0].embedding == values
    counted = recording.response.get("usageMetadata", {}).get("promptTokenCount", 0)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == counted
    packed = read_embeddings(recording.response, "m", base64=True)["data"][0]["embedding"]
    floats = struct.unpack(f"<{len(values)}f", b64decode(packed))
    assert floats == pytest.approx(values)


def test_all_recorded_embeddings_are_here() -> None:
    assert len(EMBEDDINGS) == 3


def test_several_texts_are_embedded_in_order() -> None:
    requests = write_embeddings({"input": ["a", "b"]}, "e")["requests"]
    assert [one["content"]["parts"] for one in requests] == [[{"text": "a"}], [{"text": "b"}]]
    found = {"embeddings": [{"values": [1]}, {"values": [2]}, {}]}
    read = read_embeddings(found, "e")
    assert [(row["index"], row["embedding"]) for row in read["data"]] == [
        (0, [1.0]),
        (1, [2.0]),
        (2, []),
    ]


@pytest.mark.parametrize("value", [None, [], 1, [1, 2], [[1, 2]], ["a", 1]])
def test_what_is_no_text_is_not_embedded(value: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        write_embeddings({"input": value}, "e")
    assert refused.value.param == "input"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-2.5-flash", Family((2, 5), "flash")),
        ("models/gemini-2.5-pro-preview-06-05", Family((2, 5), "pro")),
        ("gemini-2.5-flash-lite", Family((2, 5), "flash-lite")),
        ("gemini-3-pro-preview", Family((3, 0), "pro")),
        ("gemini-3.1-flash-lite", Family((3, 1), "flash-lite")),
        ("gemini-flash-lite-latest", Family((3, 7), "flash-lite")),
        ("gemini-4", Family((4, 0), "")),
        ("gemma-3-27b-it", Family((0, 0), "")),
        ("tunedModels/mine", Family((0, 0), "")),
    ],
)
def test_families_by_name(model: str, family: Family) -> None:
    assert family_of(model) == family
