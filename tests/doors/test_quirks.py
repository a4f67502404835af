"""What each vendor's row changes in a question, as its vendor receives it through the door.

Whatever a case does not name has to arrive as it was asked.
"""

import json
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Received, Sse, Upstream, chunks, completion, failure

HELLO = {"role": "user", "content": "Hello"}
BARE_TOOL = {"type": "function", "function": {"name": "ping"}}
TOOL = {"type": "function", "function": {"name": "pong", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "pong"}}
OTHER = {"type": "function", "function": {"name": "peng", "parameters": {"type": "object"}}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}
SCHEMED = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
NO_ARGUMENTS = {"type": "object", "properties": {}}
LONG_ID = "call_0123456789abcdef"
GONE = object()
"""The member does not arrive."""

Members = dict[str, Any]
LOW = {"reasoning_effort": "low"}
SYSTEM = {"role": "system", "content": "Be brief"}
PDF = "data:application/pdf;base64,JVBERi0="
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
CALL = {"id": "abcDEF123", "type": "function", "function": {"name": "pong", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "abcDEF123", "content": "1"}


def said(content: Any) -> Members:
    return {"role": "assistant", "content": content}


def asks(*parts: Members) -> Members:
    return {"role": "user", "content": list(parts)}


@pytest.mark.parametrize(
    ("provider", "asked", "arrives", "dropped"),
    [
        ("openai", {"seed": 7, "store": True, "user": "me", "max_tokens": 9}, {}, ""),
        ("vllm", {"seed": 7, "logprobs": True, "n": 2, "user": "me", "top_k": 5}, {}, ""),
        ("xai", {"seed": 7, "user": "me", "reasoning_effort": "low"}, {}, ""),
        ("openrouter", {"provider": {"order": ["x"]}, "user": "me", "models": ["a/b"]}, {}, ""),
        ("mistral", {"safe_prompt": True, "prompt_cache_key": "k", "n": 2, "metadata": {}}, {}, ""),
        ("mistral", {"seed": 7}, {"seed": GONE, "random_seed": 7}, ""),
        (
            "mistral",
            {"max_completion_tokens": 9},
            {"max_completion_tokens": GONE, "max_tokens": 9},
            "",
        ),
        ("mistral", {"seed": 7, "random_seed": 8}, {"seed": GONE, "random_seed": 7}, ""),
        (
            "mistral",
            {"max_tokens": 5, "max_completion_tokens": 9},
            {"max_completion_tokens": GONE, "max_tokens": 9},
            "",
        ),
        (
            "mistral",
            {"max_completion_tokens": None, "max_tokens": 5},
            {"max_completion_tokens": GONE},
            "",
        ),
        (
            "mistral",
            {"stream_options": {"include_usage": True}},
            {"stream_options": GONE},
            "",
        ),
        ("mistral", {"user": "me"}, {"user": GONE}, "user"),
        ("mistral", {"verbosity": "low"}, {"verbosity": GONE}, "verbosity"),
        ("mistral", {"user": None}, {"user": GONE}, ""),
        ("mistral", {"modalities": ["text"]}, {"modalities": GONE}, ""),
        ("mistral", {"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": "any"}, ""),
        ("mistral", {"tools": [TOOL], "tool_choice": NAMED}, {}, ""),
        ("mistral", {"reasoning_effort": "medium"}, {"reasoning_effort": "high"}, ""),
        ("mistral", {"reasoning_effort": "minimal"}, {"reasoning_effort": "none"}, ""),
        (
            "ollama",
            {"max_completion_tokens": 9},
            {"max_completion_tokens": GONE, "max_tokens": 9},
            "",
        ),
        ("ollama", {"logit_bias": {}, "n": 1}, {"logit_bias": GONE, "n": GONE}, "logit_bias"),
        ("ollama", {"tools": [TOOL], "tool_choice": "auto"}, {"tool_choice": GONE}, ""),
        (
            "mistral",
            {"min_p": 0.1, "thinking": {}},
            {"min_p": GONE, "thinking": GONE},
            "min_p, thinking",
        ),
        ("mistral", {"functions": []}, {"functions": GONE}, ""),
        (
            "mistral",
            {"tools": [TOOL, OTHER], "tool_choice": ALLOWED},
            {"tools": [TOOL], "tool_choice": "any"},
            "",
        ),
        (
            "ollama",
            {"tools": [TOOL], "tool_choice": "none"},
            {"tools": GONE, "tool_choice": GONE},
            "",
        ),
        ("ollama", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}, ""),
        ("ollama", {"store": True, "top_p": 1}, {"store": GONE}, "store"),
        ("ollama", {"modalities": ["text"]}, {"modalities": GONE}, ""),
        ("ollama", {"seed": 7, "reasoning_effort": "high", "stop": ["x"]}, {}, ""),
        (
            "lmstudio",
            {"response_format": {"type": "json_object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "object", "schema": {"type": "object"}},
                }
            },
            "",
        ),
        ("lmstudio", {"response_format": {"type": "text"}, "top_k": 5}, {}, ""),
        (
            "lmstudio",
            {"tools": [BARE_TOOL, TOOL], "tool_choice": NAMED},
            {"tools": [TOOL], "tool_choice": "required"},
            "",
        ),
        ("lmstudio", {"tools": [BARE_TOOL, TOOL], "tool_choice": "auto"}, {}, ""),
        (
            "lmstudio",
            {"tools": [TOOL, OTHER], "tool_choice": ALLOWED},
            {"tools": [TOOL], "tool_choice": "required"},
            "",
        ),
        (
            "perplexity",
            {"response_format": {"type": "json_object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "object", "schema": {"type": "object"}},
                }
            },
            "",
        ),
        (
            "perplexity",
            {"tools": [TOOL, OTHER], "tool_choice": NAMED},
            {"tools": [TOOL], "tool_choice": "required"},
            "",
        ),
        ("perplexity", {"search_mode": "web", "reasoning_effort": "low"}, {}, ""),
        ("perplexity", {"user": "me", "n": 1}, {"user": GONE, "n": GONE}, "user"),
        (
            "perplexity",
            {"max_completion_tokens": 9},
            {"max_completion_tokens": GONE, "max_tokens": 9},
            "",
        ),
        ("cohere", {"seed": 7, "stop": ["x"], "tools": [TOOL]}, {}, ""),
        ("cohere", {"metadata": {"a": "b"}}, {"metadata": GONE}, "metadata"),
        ("cohere", {"service_tier": "auto"}, {"service_tier": GONE}, "service_tier"),
        ("cohere", {"parallel_tool_calls": True}, {"parallel_tool_calls": GONE}, ""),
        ("cohere", {"tools": [TOOL], "tool_choice": "auto"}, {"tool_choice": GONE}, ""),
        ("cohere", {"tools": [TOOL], "tool_choice": "required"}, {}, ""),
        (
            "cohere",
            {"tools": [TOOL, OTHER], "tool_choice": NAMED},
            {"tools": [TOOL], "tool_choice": "required"},
            "",
        ),
        ("cohere", {"reasoning_effort": "low"}, {"reasoning_effort": "high"}, ""),
        ("groq", {"reasoning_format": "parsed", "service_tier": "flex", "seed": 7}, {}, ""),
        ("groq", {"logit_bias": {"1": 2}}, {"logit_bias": GONE}, "logit_bias"),
        ("groq", {"n": 1, "reasoning_effort": "default"}, {}, ""),
        ("groq", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}, ""),
        ("groq", {"service_tier": "default"}, {"service_tier": "on_demand"}, ""),
        ("groq", {"logprobs": False}, {"logprobs": GONE}, ""),
        ("deepseek", {"thinking": {"type": "disabled"}, "logprobs": True}, {}, ""),
        ("deepseek", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}, ""),
        ("deepseek", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}, ""),
        ("deepseek", {"reasoning_effort": "max"}, {}, ""),
        (
            "deepseek",
            {"reasoning_effort": "none"},
            {"reasoning_effort": GONE, "thinking": {"type": "disabled"}},
            "",
        ),
        ("deepseek", {"response_format": {"type": "json_object"}}, {}, ""),
        (
            "deepseek",
            {"response_format": SCHEMED},
            {
                "response_format": {"type": "json_object"},
                "messages": [
                    {
                        "role": "system",
                        "content": "Answer with a JSON object that fits this JSON Schema: "
                        '{"type": "object"}',
                    },
                    HELLO,
                ],
            },
            "response_format.json_schema",
        ),
        ("xai", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}, ""),
        ("xai", {"stop": ["x"], "presence_penalty": 1}, {}, ""),
        (
            "deepseek",
            {"max_completion_tokens": 9},
            {"max_completion_tokens": GONE, "max_tokens": 9},
            "",
        ),
    ],
)
def test_what_a_row_changes(
    gateway: Running,
    upstream: Upstream,
    provider: str,
    asked: Members,
    arrives: Members,
    dropped: str,
) -> None:
    answer, received = _ask(gateway, upstream, provider, **asked)
    expected = {"model": "model-x", "messages": [HELLO]} | asked | arrives
    sent = {k: v for k, v in expected.items() if v is not GONE}
    assert received.json == sent
    assert len(_names(received)) == len(sent)
    assert answer.headers.get("x-gateway-dropped-params", "") == dropped


@pytest.mark.parametrize(
    ("asked", "cap"),
    [
        ({}, 100),
        ({"max_tokens": 5000, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 7, "max_completion_tokens": 5000}, 100),
        ({"max_tokens": None, "max_completion_tokens": 5000}, 100),
        ({"max_tokens": 7, "max_completion_tokens": None}, 7),
        ({"max_tokens": None, "max_completion_tokens": None}, 100),
    ],
)
def test_one_cap_arrives_under_the_vendors_name(
    gateway: Running, upstream: Upstream, asked: Members, cap: int
) -> None:
    _, received = _ask(gateway, upstream, "ollama", {"max_output_tokens": 100}, **asked)
    assert received.json == {"model": "model-x", "messages": [HELLO], "max_tokens": cap}
    assert len(_names(received)) == 3


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("mistral", {"audio": {"voice": "x", "format": "wav"}}),
        ("mistral", {"modalities": ["text", "audio"]}),
        ("mistral", {"web_search_options": {}}),
        ("ollama", {"n": 2}),
        ("ollama", {"logprobs": True}),
        ("ollama", {"tool_choice": "required"}),
        ("ollama", {"parallel_tool_calls": False}),
        ("perplexity", {"n": 2}),
        ("cohere", {"n": 2}),
        ("cohere", {"parallel_tool_calls": False}),
        ("groq", {"logprobs": True}),
        ("groq", {"n": 2}),
        ("mistral", {"functions": [{"name": "f"}]}),
        ("ollama", {"modalities": ["audio"]}),
    ],
)
def test_what_a_vendor_cannot_honour(
    gateway: Running, upstream: Upstream, provider: str, asked: Members
) -> None:
    key = _client(gateway, upstream, provider)
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]} | asked)
    assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
    assert answer.error["param"] == next(iter(asked))
    assert upstream.requests == []


@pytest.mark.parametrize("provider", ["mistral", "perplexity"])
def test_a_developer_becomes_the_system(
    gateway: Running, upstream: Upstream, provider: str
) -> None:
    told = {"role": "developer", "content": [{"type": "text", "text": "Be brief"}], "name": "x"}
    _, received = _ask(gateway, upstream, provider, messages=[told, HELLO])
    if provider == "mistral":  # which takes no name
        del told["name"]
    assert received.json["messages"] == [told | {"role": "system"}, HELLO]


def test_a_developer_stays_one_at_openai(gateway: Running, upstream: Upstream) -> None:
    told = {"role": "developer", "content": "Be brief"}
    _, received = _ask(gateway, upstream, "openai", messages=[told, HELLO])
    assert received.json["messages"] == [told, HELLO]


def test_mistral_gets_tool_call_ids_of_nine_characters(
    gateway: Running, upstream: Upstream
) -> None:
    call = {"type": "function", "function": {"name": "pong", "arguments": '{"a": 1}'}}
    conversation = [
        HELLO,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": LONG_ID} | call, {"id": "abcDEF123"} | call],
        },
        {"role": "tool", "tool_call_id": LONG_ID, "content": "1"},
        {"role": "tool", "tool_call_id": "abcDEF123", "content": "2"},
    ]
    _, received = _ask(gateway, upstream, "mistral", messages=conversation)
    text = received.body.decode()
    [made] = {call["id"] for call in received.json["messages"][1]["tool_calls"]} - {"abcDEF123"}
    assert len(made) == 9 and made.isalnum()
    assert json.loads(text.replace(made, LONG_ID))["messages"] == conversation


@pytest.mark.parametrize(
    ("provider", "model", "asked", "arrives", "dropped"),
    [
        ("openai", "o4-mini", {"max_tokens": 9}, {"max_completion_tokens": 9}, ""),
        ("openai", "gpt-5", {"max_tokens": 9}, {"max_completion_tokens": 9}, ""),
        ("azure-openai", "o3", {"max_tokens": 9}, {"max_completion_tokens": 9}, ""),
        ("openai", "gpt-4o", {"max_tokens": 9}, {"max_tokens": 9}, ""),
        ("xai", "grok-4.3", {"stop": "x", "reasoning_effort": "low"}, LOW, "stop"),
        ("xai", "grok-4.3", {"frequency_penalty": 1}, {}, "frequency_penalty"),
        ("xai", "grok-3-mini", {"reasoning_effort": "low"}, LOW, ""),
        ("xai", "grok-4-0709", {"reasoning_effort": "low"}, {}, "reasoning_effort"),
        ("xai", "grok-code-fast-1", {"presence_penalty": 1}, {}, "presence_penalty"),
        ("xai", "grok-4-fast-non-reasoning", {"stop": "x"}, {"stop": "x"}, ""),
        (
            "xai",
            "grok-3",
            {"stop": "x", "reasoning_effort": "low"},
            {"stop": "x"},
            "reasoning_effort",
        ),
    ],
)
def test_models_differ(
    gateway: Running,
    upstream: Upstream,
    provider: str,
    model: str,
    asked: Members,
    arrives: Members,
    dropped: str,
) -> None:
    answer, received = _ask(gateway, upstream, provider, model=model, **asked)
    assert received.json == {"model": model, "messages": [HELLO]} | arrives
    assert answer.headers.get("x-gateway-dropped-params", "") == dropped


@pytest.mark.parametrize("provider", ["groq", "mistral"])
def test_a_speaker_has_no_name(gateway: Running, upstream: Upstream, provider: str) -> None:
    told = [HELLO | {"name": "Ann"}, CALLING, RESULT | {"name": "pong"}]
    answer, received = _ask(gateway, upstream, provider, messages=told)
    assert received.json["messages"] == [HELLO, *told[1:]]
    assert answer.headers["x-gateway-dropped-params"] == "messages[].name"


@pytest.mark.parametrize(
    ("provider", "given", "arrives"),
    [
        ("mistral", [HELLO, said("Hi")], [HELLO, said("Hi") | {"prefix": True}]),
        (
            "mistral",
            [HELLO, said("Hi") | {"prefix": False}],
            [HELLO, said("Hi") | {"prefix": False}],
        ),
        ("mistral", [SYSTEM, HELLO, said("Hi"), HELLO], [SYSTEM, HELLO, said("Hi"), HELLO]),
        (
            "mistral",
            [SYSTEM, HELLO, said("Hi"), {"role": "developer", "content": "Now"}, HELLO],
            [SYSTEM, {"role": "system", "content": "Now"}, HELLO, said("Hi"), HELLO],
        ),
        ("mistral", [HELLO, CALLING, RESULT, HELLO], [HELLO, CALLING, RESULT, said("OK"), HELLO]),
        (
            "mistral",
            [HELLO, said("Hi") | {"reasoning_content": "Hm", "refusal": None}, HELLO],
            [HELLO, said([THOUGHT, {"type": "text", "text": "Hi"}]), HELLO],
        ),
        (
            "mistral",
            [HELLO, CALLING | {"reasoning": "Hm"}, RESULT],
            [HELLO, CALLING | {"content": [THOUGHT]}, RESULT],
        ),
        ("mistral", [HELLO, said([THOUGHT]), HELLO], [HELLO, said([THOUGHT]), HELLO]),
        ("mistral", [asks(AUDIO)], [asks({"type": "input_audio", "input_audio": "AAAA"})]),
        (
            "mistral",
            [asks({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}})],
            [asks({"type": "document_url", "document_url": PDF, "document_name": "a.pdf"})],
        ),
        (
            "mistral",
            [HELLO, said([{"type": "refusal", "refusal": "No"}]), HELLO],
            [HELLO, said([{"type": "text", "text": "No"}]), HELLO],
        ),
        ("perplexity", [SYSTEM, HELLO, said("Hi"), HELLO], [SYSTEM, HELLO, said("Hi"), HELLO]),
        ("perplexity", [HELLO, HELLO], [{"role": "user", "content": "Hello\n\nHello"}]),
        (
            "perplexity",
            [HELLO, asks({"type": "text", "text": "You"})],
            [asks({"type": "text", "text": "Hello"}, {"type": "text", "text": "You"})],
        ),
        ("perplexity", [HELLO, CALLING, RESULT, RESULT], [HELLO, CALLING, RESULT, RESULT]),
    ],
)
def test_turns_as_a_vendor_wants_them(
    gateway: Running, upstream: Upstream, provider: str, given: Any, arrives: Any
) -> None:
    _, received = _ask(gateway, upstream, provider, messages=given)
    assert received.json["messages"] == arrives


def test_mistral_has_no_others_files(gateway: Running, upstream: Upstream) -> None:
    key = _client(gateway, upstream, "mistral")
    messages = [asks({"type": "file", "file": {"file_id": "file-1"}})]
    answer = gateway.chat(key, {"model": "model-x", "messages": messages})
    assert (answer.status, answer.error["param"]) == (400, "messages")


def test_mistral_gets_parameters_for_every_tool(gateway: Running, upstream: Upstream) -> None:
    _, received = _ask(gateway, upstream, "mistral", tools=[BARE_TOOL, TOOL])
    function = BARE_TOOL["function"] | {"parameters": NO_ARGUMENTS}  # type: ignore[operator]
    assert received.json["tools"] == [{"type": "function", "function": function}, TOOL]


def test_ollama_gets_no_null_content(gateway: Running, upstream: Upstream) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "pong", "arguments": "{}"}}
    empty = {"role": "assistant", "content": None}
    calling = empty | {"tool_calls": [call]}
    _, received = _ask(gateway, upstream, "ollama", messages=[HELLO, empty, calling, HELLO])
    assert received.json["messages"] == [HELLO, empty | {"content": ""}, calling, HELLO]


@pytest.mark.parametrize(
    ("provider", "asks"),
    [
        ("openai", True),
        ("azure-openai", True),
        ("ollama", True),
        ("lmstudio", True),
        ("xai", True),
        ("deepseek", True),
        ("vllm", True),
        ("mistral", False),
        ("perplexity", False),
        ("cohere", False),
        ("openrouter", False),
        ("groq", False),
    ],
)
def test_who_is_asked_for_a_streams_usage(
    gateway: Running, upstream: Upstream, provider: str, asks: bool
) -> None:
    upstream.always(Sse(chunks()))
    key = _client(gateway, upstream, provider)
    gateway.chat(key, {"model": "model-x", "messages": [HELLO], "stream": True})
    options = upstream.requests[0].json.get("stream_options")
    assert options == ({"include_usage": True} if asks else None)


def test_usage_in_x_groq_is_noted(gateway: Running, upstream: Upstream) -> None:
    stream = chunks()
    stream[-1]["x_groq"] = {"id": "req_1", "usage": {"prompt_tokens": 5, "completion_tokens": 6}}
    upstream.always(Sse(stream))
    key = _client(gateway, upstream, "groq")
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO], "stream": True})
    row = gateway.rows(1, request_id=answer.headers["x-request-id"])[0]
    assert (row["input_tokens"], row["output_tokens"]) == (5, 6)


def test_deepseeks_blank_lines_and_cache_hits(gateway: Running, upstream: Upstream) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 8}
    upstream.always(Json(completion(usage=False) | {"usage": usage}, blank_lines=3))
    key = _client(gateway, upstream, "deepseek")
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]})
    assert answer.json["usage"] == usage
    row = gateway.rows(1, request_id=answer.headers["x-request-id"])[0]
    assert (row["input_tokens"], row["cached_tokens"]) == (9, 8)


@pytest.mark.parametrize(
    ("written", "total", "reasoned", "output"),
    [(4, 23, 10, 14), (14, 23, 10, 14), (4, 13, 0, 4)],
)
def test_what_xai_reasoned_is_counted_as_output(
    gateway: Running, upstream: Upstream, written: int, total: int, reasoned: int, output: int
) -> None:
    told = {
        "prompt_tokens": 9,
        "completion_tokens": written,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": reasoned},
    }
    upstream.always(Json(completion(usage=False) | {"usage": told}))
    counted = _counted(gateway, _client(gateway, upstream, "xai"))
    assert counted == (9, output, None, reasoned)


@pytest.mark.parametrize(
    "told", [10**30, 2**63, 1e300, -1, "9", None, True, [9], {"prompt_tokens": 9}]
)
def test_an_incredible_usage_is_not_believed(
    gateway: Running, upstream: Upstream, told: Any
) -> None:
    usage = told if isinstance(told, list | dict) else {"prompt_tokens": told}
    upstream.always(Json(completion(usage=False) | {"usage": usage}))
    counted = _counted(gateway, _client(gateway, upstream, "openai-compatible"))
    assert counted == ((9, None, None, None) if isinstance(told, dict) else (7, 2, None, None))


def test_openrouters_error_inside_an_answer(gateway: Running, upstream: Upstream) -> None:
    told = {"code": 502, "message": "The provider is down", "metadata": {"provider_name": "X"}}
    upstream.always(Json({"id": "gen-1", "error": told, "choices": []}))
    key = _client(gateway, upstream, "openrouter")
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]})
    assert (answer.status, answer.error["message"]) == (502, "The provider is down")


@pytest.mark.parametrize(
    ("provider", "base", "path"),
    [
        ("openai", "/v1", "/v1/chat/completions"),
        ("openai", "/v1/", "/v1/chat/completions"),
        ("openai-compatible", "/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("openai-compatible", "/v1/chat/completions", "/v1/chat/completions"),
        ("groq", "/openai/v1", "/openai/v1/chat/completions"),
        ("cohere", "/compatibility/v1", "/compatibility/v1/chat/completions"),
        ("perplexity", "", "/chat/completions"),
        ("perplexity", "/v1", "/chat/completions"),
        ("deepseek", "", "/chat/completions"),
        ("deepseek", "/v1", "/chat/completions"),
        ("azure-openai", "", "/openai/v1/chat/completions"),
        ("azure-openai", "/", "/openai/v1/chat/completions"),
        ("azure-openai", "/openai/v1/", "/openai/v1/chat/completions"),
    ],
)
def test_where_a_question_goes(
    gateway: Running, upstream: Upstream, provider: str, base: str, path: str
) -> None:
    upstream.always(Json(completion()))
    key = gateway.client(
        provider=provider, provider_base_url=upstream.origin + base, provider_api_key="k"
    )
    assert gateway.chat(key, {"model": "model-x", "messages": [HELLO]}).status == 200
    assert (upstream.requests[0].path, upstream.requests[0].query) == (path, "")


def test_azure_with_a_version_names_the_deployment_in_its_address(
    gateway: Running, upstream: Upstream
) -> None:
    _, received = _ask(
        gateway, upstream, "azure-openai", {"provider_api_version": "2024-10-21"}, model="gpt 4/x"
    )
    assert received.path == "/openai/deployments/gpt%204%2Fx/chat/completions"
    assert received.query == "api-version=2024-10-21"
    assert received.headers["api-key"] == "own-key"
    assert "authorization" not in received.headers


def test_azure_without_one_names_it_in_the_body(gateway: Running, upstream: Upstream) -> None:
    _, received = _ask(gateway, upstream, "azure-openai", model="gpt 4/x")
    assert (received.path, received.query) == ("/openai/v1/chat/completions", "")
    assert received.json["model"] == "gpt 4/x"
    assert received.headers["api-key"] == "own-key"
    assert "authorization" not in received.headers


def test_a_local_server_needs_no_key(gateway: Running, upstream: Upstream) -> None:
    for provider in ("ollama", "lmstudio", "vllm", "openai-compatible"):
        _, received = _ask(gateway, upstream, provider, {"provider_api_key": None})
        assert received.keys == set() and "authorization" not in received.headers


def _client(gateway: Running, upstream: Upstream, provider: str, **fields: Any) -> str:
    bare = provider in ("perplexity", "azure-openai", "deepseek")
    address = upstream.origin if bare else upstream.base_url
    fields = {"provider_api_key": "own-key", "provider_base_url": address} | fields
    return gateway.client(provider=provider, **fields)


def _ask(
    gateway: Running,
    upstream: Upstream,
    provider: str,
    fields: Members | None = None,
    /,
    **question: Any,
) -> tuple[Answered, Received]:
    """The answer, and the question as it arrived."""
    upstream.always(Json(completion()))
    key = _client(gateway, upstream, provider, **fields or {})
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]} | question)
    assert answer.status == 200, answer.body
    return answer, upstream.requests[-1]


def _counted(gateway: Running, key: str) -> tuple[int | None, ...]:
    """Input, output, cached and reasoned tokens of a call, as the log has them."""
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]})
    row = gateway.rows(1, request_id=answer.headers["x-request-id"])[0]
    names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    return tuple(row[name] for name in names)


def _names(received: Received) -> list[str]:
    """The body's members, each as often as it stands there."""
    pairs: list[tuple[str, Any]] = json.loads(received.body, object_pairs_hook=list)
    return [name for name, _ in pairs]


# What vendors answer, and how it reaches a client of OpenAI's dialect.

LISTED = [THOUGHT, {"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [1]}]
TOLD = {
    "content": "Hi",
    "reasoning_content": "Hm",
    "content_parts": [{"type": "reference", "reference_ids": [1]}],
}


def test_mistrals_lists_are_told_as_texts(gateway: Running, upstream: Upstream) -> None:
    answer = completion()
    answer["choices"][0]["message"] = {"role": "assistant", "content": LISTED, "big": 1e30}
    upstream.always(Json(answer))
    key = _client(gateway, upstream, "mistral")
    heard = gateway.chat(key, {"model": "model-x", "messages": [HELLO]}).json
    answer["choices"][0]["message"] = {"role": "assistant", "big": 1e30} | TOLD
    assert heard == answer


def test_mistrals_lists_are_told_as_texts_in_a_stream(gateway: Running, upstream: Upstream) -> None:
    stream = chunks(["Hi", " you"], usage=True)
    stream[1]["choices"][0]["delta"] = {"content": [THOUGHT]}
    upstream.always(Sse(stream, chop="bytes"))
    key = _client(gateway, upstream, "mistral")
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO], "stream": True})
    events = [
        json.loads(line[6:]) for line in answer.body.splitlines() if line.startswith(b"data: {")
    ]
    stream[1]["choices"][0]["delta"] = {"content": "", "reasoning_content": "Hm"}
    assert events == stream


def test_others_lists_are_left_alone(gateway: Running, upstream: Upstream) -> None:
    answer = completion()
    answer["choices"][0]["message"]["content"] = LISTED
    upstream.always(Json(answer))
    key = _client(gateway, upstream, "openai-compatible")
    assert gateway.chat(key, {"model": "model-x", "messages": [HELLO]}).json == answer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["openrouter", "mistral"])
def test_an_answer_that_broke_off_is_an_error(
    gateway: Running, upstream: Upstream, provider: str, stream: bool
) -> None:
    upstream.always(Sse(chunks([], finish="error")) if stream else Json(completion(finish="error")))
    key = _client(gateway, upstream, provider)
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO], "stream": stream})
    assert b"broke off its answer" in answer.body
    assert answer.status == (200 if stream else 502)


@pytest.mark.parametrize(
    ("provider", "status", "answered"),
    [("cohere", 498, 502), ("groq", 498, 503), ("openai", 498, 498)],
)
def test_a_status_means_what_its_vendor_means(
    gateway: Running, upstream: Upstream, provider: str, status: int, answered: int
) -> None:
    upstream.always(failure(status, "Sorry"))
    key = _client(gateway, upstream, provider)
    assert gateway.chat(key, {"model": "model-x", "messages": [HELLO]}).status == answered


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("ollama", "Start Ollama"),
        ("lmstudio", "Start LM Studio"),
        ("vllm", "Start the vLLM server"),
        ("openai", "is it running?"),
    ],
)
def test_a_server_that_does_not_run(gateway: Running, provider: str, words: str) -> None:
    with Upstream() as gone:
        pass
    key = _client(gateway, gone, provider)
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO]})
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert words in answer.error["message"]


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        (
            "ollama",
            {"error": {"message": 'model "x" not found, try pulling it first', "code": None}},
        ),
        ("vllm", {"error": {"message": "The model `x` does not exist.", "code": 404}}),
    ],
)
def test_a_model_that_is_not_pulled(
    gateway: Running, upstream: Upstream, provider: str, body: Any
) -> None:
    upstream.always(Json(body, status=404))
    key = _client(gateway, upstream, provider)
    answer = gateway.chat(key, {"model": "x", "messages": [HELLO]})
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["message"] == body["error"]["message"]


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 8},
            },
            (13, 4, 8, None),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 4, "num_cached_tokens": 3}, (9, 4, 3, None)),
        ({"prompt_tokens": 9, "completion_tokens": 4, "reasoning_tokens": 2}, (9, 4, None, 2)),
    ],
)
def test_counts_in_vendors_own_words(
    gateway: Running, upstream: Upstream, usage: Any, counted: Any
) -> None:
    upstream.always(Json(completion(usage=False) | {"usage": usage}))
    assert _counted(gateway, _client(gateway, upstream, "xai")) == counted


@pytest.mark.parametrize("done", [False, True])
def test_perplexitys_stream_has_one_end(gateway: Running, upstream: Upstream, done: bool) -> None:
    upstream.always(Sse(chunks(usage=True), done=done))
    key = _client(gateway, upstream, "perplexity")
    answer = gateway.chat(key, {"model": "model-x", "messages": [HELLO], "stream": True})
    assert answer.body.count(b"data: [DONE]\n\n") == 1
    assert answer.body.endswith(b"data: [DONE]\n\n")
