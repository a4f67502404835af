"""A prompt that is too long, at each vendor and each door: agents know it by its words alone."""

import json
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Upstream, failure

HELLO = [{"role": "user", "content": "Hello"}]
GEMINI_WORDS = "The input token count (9) exceeds the maximum number of tokens allowed (8)."
OPENAI_WORDS = (
    "This model's maximum context length is 8 tokens. However, your messages resulted in 9 tokens."
)
SAID = {
    "anthropic": Json(
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "prompt is too long: 9 tokens > 8 maximum",
            },
        },
        status=400,
    ),
    "gemini": Json(
        {"error": {"code": 400, "message": GEMINI_WORDS, "status": "INVALID_ARGUMENT"}}, status=400
    ),
    "openai": failure(400, OPENAI_WORDS, code="context_length_exceeded"),
    "vllm": Json(
        {"error": {"message": OPENAI_WORDS, "type": "BadRequestError", "code": 400}}, status=400
    ),
}
vendors = pytest.mark.parametrize("vendor", SAID)


def ask(
    gateway: Running, upstream: Upstream, vendor: str, path: str, body: dict[str, Any]
) -> Answered:
    upstream.always(SAID[vendor])
    native = vendor in ("anthropic", "gemini")
    key = gateway.client(
        provider=vendor,
        provider_base_url=upstream.origin if native else upstream.base_url,
        provider_api_key="own-key",
        default_model="m",
    )
    answer = gateway.call("POST", path, json.dumps(body).encode(), headers={"x-api-key": key})
    assert answer.status == 400
    return answer


@vendors
def test_at_openais_door(gateway: Running, upstream: Upstream, vendor: str) -> None:
    body = {"model": "m", "messages": HELLO}
    answer = ask(gateway, upstream, vendor, "/v1/chat/completions", body)
    assert answer.error["code"] == "context_length_exceeded"


@vendors
def test_at_the_door_of_responses(gateway: Running, upstream: Upstream, vendor: str) -> None:
    answer = ask(gateway, upstream, vendor, "/v1/responses", {"model": "m", "input": "Hello"})
    assert answer.error["code"] == "context_length_exceeded"


@vendors
def test_at_anthropics_door(gateway: Running, upstream: Upstream, vendor: str) -> None:
    body = {"model": "m", "messages": HELLO, "max_tokens": 5}
    error = ask(gateway, upstream, vendor, "/v1/messages", body).json["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"] == "prompt is too long: 9 tokens > 8 maximum"


@vendors
def test_at_geminis_door(gateway: Running, upstream: Upstream, vendor: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    error = ask(gateway, upstream, vendor, "/v1beta/models/m:generateContent", body).json["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "9" in error["message"] and "8" in error["message"]
