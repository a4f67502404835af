"""A target that cannot do what a question needs is passed over while another one can."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Upstream, completion

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
HELLO = [{"role": "user", "content": "Hello"}]
SEEN = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
SHOWN = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
PLAIN = {"model": "deepseek-chat", "messages": HELLO}
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
GEMINI = "/v1beta/models/deepseek-chat:generateContent"
# What is asked at each door, and what DeepSeek lacks of it.
QUESTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "image, OpenAI": (CHAT, {**PLAIN, "messages": [{"role": "user", "content": [SEEN]}]}, "images"),
    "schema, OpenAI": (CHAT, {**PLAIN, "response_format": FORMAT}, "json_schema"),
    "both, OpenAI": (
        CHAT,
        {**PLAIN, "messages": [{"role": "user", "content": [SEEN]}], "response_format": FORMAT},
        "images, json_schema",
    ),
    "image, Anthropic": (
        MESSAGES,
        {
            "model": "deepseek-chat",
            "max_tokens": 50,
            "messages": [
                {
                    "role": "user",
                    "content": [SHOWN],
                }
            ],
        },
        "images",
    ),
    "image in a tool's result, Anthropic": (
        MESSAGES,
        {
            "model": "deepseek-chat",
            "max_tokens": 50,
            "tools": [{"name": "f", "input_schema": SCHEMA}],
            "messages": [
                {"role": "user", "content": "Hello"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [SHOWN],
                        }
                    ],
                },
            ],
        },
        "images",
    ),
    "schema, Gemini": (
        GEMINI,
        {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": SCHEMA,
            },
        },
        "json_schema",
    ),
    "schema, Responses": (
        "/v1/responses",
        {
            "model": "deepseek-chat",
            "input": "Hello",
            "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        },
        "json_schema",
    ),
}


@pytest.fixture(scope="module")
def spare() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory, spare: Upstream) -> Iterator[Running]:
    settings = {
        "upstream": {"max_retries": 0},
        "providers": {
            name: {"api_key": "key-of-spare", "base_url": spare.base_url}
            for name in ("groq", "deepseek")
        },
        "prices": {"openai-compatible": {"small": {"context_window": 5_000}}},
    }
    with Running(tmp_path_factory.mktemp("router"), settings) as running:
        yield running


@pytest.fixture(autouse=True)
def answering(upstream: Upstream, spare: Upstream) -> Iterator[None]:
    upstream.always(Json(completion("own")))
    spare.always(Json(completion("spare")))
    yield
    spare.clear()


def _key(router: Running, upstream: Upstream, provider: str = "deepseek", *fallbacks: str) -> str:
    return router.client(
        provider=provider,
        provider_base_url=upstream.base_url,
        provider_api_key="key-of-own",
        fallback_models=list(fallbacks or ["groq/spare"]),
    )


def _ask(router: Running, key: str, path: str, body: dict[str, Any]) -> Answered:
    headers = {"content-type": "application/json", "x-api-key": key}
    answer = router.call("POST", path, json.dumps(body).encode(), headers)
    assert answer.status == 200, answer.body
    return answer


def _noted(router: Running, answer: Answered) -> list[dict[str, Any]]:
    (row,) = router.rows(1, request_id=answer.headers["x-request-id"])
    return list(json.loads(row["attempt_log"] or "[]"))


@pytest.mark.parametrize(("path", "body", "lacking"), QUESTIONS.values(), ids=QUESTIONS)
def test_who_lacks_what_is_needed_is_passed_over(
    router: Running, upstream: Upstream, path: str, body: dict[str, Any], lacking: str
) -> None:
    answer = _ask(router, _key(router, upstream), path, body)
    assert answer.headers["x-gateway-provider"] == "groq"
    assert answer.headers["x-gateway-attempts"] == "1"
    assert _noted(router, answer) == [{"skipped": f"deepseek/deepseek-chat lacks {lacking}"}]
    assert upstream.requests == []


@pytest.mark.parametrize(
    "body",
    [PLAIN, {**PLAIN, "tools": [TOOL]}, {**PLAIN, "response_format": {"type": "json_object"}}],
    ids=["plain", "tools", "json_object"],
)
def test_who_can_do_it_is_asked(router: Running, upstream: Upstream, body: dict[str, Any]) -> None:
    answer = _ask(router, _key(router, upstream), CHAT, body)
    assert answer.headers["x-gateway-provider"] == "deepseek"
    assert _noted(router, answer) == []


def test_who_is_alone_is_asked_whatever_it_lacks(router: Running, upstream: Upstream) -> None:
    body = {**PLAIN, "response_format": FORMAT}
    key = _key(router, upstream, "deepseek", "deepseek/deepseek-reasoner")
    answer = _ask(router, key, CHAT, body)
    assert answer.headers["x-gateway-model"] == "deepseek-chat"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(("words", "provider"), [(3_900, "openai-compatible"), (6_000, "groq")])
def test_what_is_too_long_for_a_model_goes_to_the_next(
    router: Running, upstream: Upstream, words: int, provider: str
) -> None:
    long = [{"role": "user", "content": "word " * words}]
    key = _key(router, upstream, "openai-compatible")
    answer = _ask(router, key, CHAT, {"model": "small", "messages": long})
    assert answer.headers["x-gateway-provider"] == provider
    said = [one["skipped"] for one in _noted(router, answer)]
    assert said == ["openai-compatible/small takes 5000 tokens, and these are about 7516"] * (
        provider == "groq"
    )


def test_what_a_vendor_cannot_honour_goes_to_the_next(router: Running, upstream: Upstream) -> None:
    key = _key(router, upstream, "ollama", "deepseek/spare")
    answer = _ask(router, key, CHAT, {**PLAIN, "n": 2})
    assert answer.headers["x-gateway-provider"] == "deepseek"
    (noted,) = _noted(router, answer)
    assert noted["skipped"].startswith("ollama/deepseek-chat: Ollama cannot honour `n`")
