"""POST /v1/embeddings: relayed to vendors of OpenAI's dialect, put into Gemini's words."""

import json
import struct
from base64 import b64decode
from typing import Any

import openai
import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Recording, Upstream, failure, load
from tests.upstream.recordings import RECORDINGS

EMBEDDING = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "model": "embed-x",
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
RECORDED = [
    recording
    for recording in load(RECORDINGS.with_name("gemini.jsonl.gz"))
    if recording.path.endswith(":batchEmbedContents")
]


def test_a_vendor_of_the_same_dialect_is_relayed(gateway: Running, upstream: Upstream) -> None:
    raw = b'{"object":"list", "data":[{"index":0,"embedding":[0.10]}],"model":"embed-x"}'
    upstream.script("/embeddings", Json(raw))
    body = b'{"input": ["a", "b"], "model": "embed-x", "dimensions": 7, "mine": 1.0}'
    answer = _ask(gateway, _client(gateway, upstream), body)
    assert (answer.status, answer.body) == (200, raw)
    assert answer.headers["x-gateway-provider"] == "openai-compatible"
    [received] = upstream.requests
    assert (received.path, received.body) == ("/v1/embeddings", body)
    assert received.keys == {"upstream-key"}


def test_an_alias_is_put_into_the_body(gateway: Running, upstream: Upstream) -> None:
    upstream.always(Json(EMBEDDING))
    key = _client(gateway, upstream, model_aliases={"embed": "embed-x"})
    assert _ask(gateway, key, {"input": "a", "model": "embed"}).status == 200
    assert upstream.requests[0].json == {"input": "a", "model": "embed-x"}


def test_the_log_has_its_tokens(gateway: Running, upstream: Upstream) -> None:
    upstream.always(Json(EMBEDDING))
    answer = _ask(gateway, _client(gateway, upstream), {"input": "a", "model": "embed-x"})
    [row] = gateway.rows(1, request_id=answer.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["status"]) == (3, None, 200)
    assert row["model"] == "embed-x"


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.id)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_geminis_vectors_as_openais_sdk_reads_them(
    gateway: Running,
    upstream: Upstream,
    sdk: openai.OpenAI,
    recording: Recording,
    encoding: Any,
) -> None:
    upstream.always(recording.answer())
    key = _client(gateway, upstream, provider="gemini", provider_base_url=upstream.origin)
    asked = recording.request["requests"]
    more = {"dimensions": asked[0]["outputDimensionality"]} if _sized(asked) else {}
    answer = sdk.with_options(api_key=key).embeddings.create(
        model=asked[0]["model"].removeprefix("models/"),
        input=[one["content"]["parts"][0]["text"] for one in asked],
        encoding_format=encoding,
        extra_body={"task_type": asked[0]["taskType"]},
        **more,
    )
    recorded = [one["values"] for one in recording.response["embeddings"]]
    assert [one.index for one in answer.data] == list(range(len(recorded)))
    assert [_floats(one.embedding) for one in answer.data] == list(map(_rounded, recorded))
    [received] = upstream.requests
    assert received.path == recording.path
    assert received.json == recording.request


def test_the_sdk_asks_for_base64_unless_told_otherwise(
    gateway: Running, upstream: Upstream, sdk: openai.OpenAI
) -> None:
    upstream.always(Json({"embeddings": [{"values": [0.5, -0.25]}]}))
    key = _client(gateway, upstream, provider="gemini", provider_base_url=upstream.origin)
    answer = sdk.with_options(api_key=key).embeddings.create(model="e", input="a")
    assert answer.data[0].embedding == [0.5, -0.25]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "e"}, "input"),
        ({"model": "e", "input": None}, "input"),
        ({"model": 1, "input": "a"}, "model"),
    ],
)
def test_a_wrong_field_is_named(
    gateway: Running, upstream: Upstream, body: dict[str, Any], param: str
) -> None:
    answer = _ask(gateway, _client(gateway, upstream), body)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert answer.error["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_object(gateway: Running, upstream: Upstream, body: bytes) -> None:
    assert _ask(gateway, _client(gateway, upstream), body).status == 400


def test_gemini_takes_no_tokens(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, provider="gemini", provider_base_url=upstream.origin)
    answer = _ask(gateway, key, {"model": "e", "input": [[1, 2]]})
    assert (answer.status, answer.error["param"]) == (400, "input")


def test_the_demo_provider_has_none(gateway: Running) -> None:
    answer = _ask(gateway, gateway.client(provider="demo"), {"input": "a", "model": "demo"})
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert "has no embeddings" in answer.error["message"]


def test_anthropic_has_none(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, provider="anthropic", provider_base_url=upstream.origin)
    answer = _ask(gateway, key, {"model": "e", "input": "a"})
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("said", "status"), [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502), (503, 503)]
)
def test_what_upstream_refuses(
    gateway: Running, upstream: Upstream, sdk: openai.OpenAI, said: int, status: int
) -> None:
    upstream.always(failure(said, "not so"))
    key = _client(gateway, upstream)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.with_options(api_key=key).embeddings.create(model="e", input="a")
    assert caught.value.status_code == status
    assert str(caught.value.request_id).startswith("req_")


def test_another_target_embeds_where_the_first_fails(gateway: Running, upstream: Upstream) -> None:
    upstream.script("embed-x", failure(500))
    upstream.script("embed-y", Json(EMBEDDING))
    key = _client(gateway, upstream, fallback_models=["embed-y"])
    answer = _ask(gateway, key, {"model": "embed-x", "input": "a"})
    assert (answer.status, answer.headers["x-gateway-model"]) == (200, "embed-y")


def test_no_key(gateway: Running) -> None:
    answer = gateway.call("POST", "/v1/embeddings", b'{"model":"e","input":"a"}')
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


def test_a_wrong_method(gateway: Running) -> None:
    answer = gateway.call("GET", "/v1/embeddings")
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")


def _client(gateway: Running, upstream: Upstream, **fields: Any) -> str:
    usual = {
        "provider": "openai-compatible",
        "provider_base_url": upstream.base_url,
        "provider_api_key": "upstream-key",
    }
    return gateway.client(**usual | fields)


def _ask(gateway: Running, key: str, body: Any) -> Answered:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    return gateway.call("POST", "/v1/embeddings", data, headers)


def _sized(asked: list[dict[str, Any]]) -> bool:
    return "outputDimensionality" in asked[0]


def _floats(vector: Any) -> list[float]:
    """Base64 holds floats of 32 bits."""
    found = b64decode(vector) if isinstance(vector, str) else None
    return _rounded(vector) if found is None else list(struct.unpack(f"<{len(found) // 4}f", found))


def _rounded(vector: list[float]) -> list[float]:
    return list(struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector)))
