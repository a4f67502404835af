"""A preview by the admin API and by `flask explain`: what it shows is what upstream then gets."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Settings
from gateway.fetcher import Fetcher
from gateway.memory import Memory
from gateway.preview import Asked, door_of, preview
from gateway.prices import Prices
from gateway.providers import ways
from gateway.store.state import States
from gateway.store.vault import Vault
from tests.clients import client
from tests.doors.test_fetching import ANSWERS
from tests.running import ROOT, TOKEN, Answered, Running
from tests.upstream import Json, Received, Upstream, completion

TEXT = "Wie geht's? é"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PIXEL = "iVBORw0KGgo="
EXAMPLE = "https://example.org/cat.png"
VENDORS = {
    "openai": "gpt-4o",
    "openai-compatible": "model-x",
    "mistral": "mistral-small",
    "azure-openai": "deployed",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
}
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
    "responses": "/v1/responses",
}


def body_for(door: str, model: str) -> dict[str, Any]:
    """A question with a tool, an image, and a hint that not every vendor knows."""
    data_uri = f"data:image/png;base64,{PIXEL}"
    if door == "openai":
        parts = [
            {"type": "text", "text": TEXT},
            {"type": "image_url", "image_url": {"url": data_uri}},
        ]
        tool = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
        messages = [{"role": "user", "content": parts}]
        return {"model": model, "messages": messages, "tools": [tool], "user": "me"}
    if door == "anthropic":
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        content = [{"type": "text", "text": TEXT}, {"type": "image", "source": source}]
        return {
            "model": model,
            "max_tokens": 99,
            "system": "Be brief",
            "messages": [{"role": "user", "content": content}],
            "tools": [{"name": "weather", "input_schema": SCHEMA}],
            "top_k": 5,
        }
    if door == "gemini":
        parts = [{"text": TEXT}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}]
        declared = {"name": "weather", "parametersJsonSchema": SCHEMA}
        return {
            "contents": [{"role": "user", "parts": parts}],
            "tools": [{"functionDeclarations": [declared]}],
            "generationConfig": {"topK": 5, "temperature": 0.5},
        }
    content = [
        {"type": "input_text", "text": TEXT},
        {"type": "input_image", "image_url": data_uri},
    ]
    function = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    asked = [{"role": "user", "content": content}]
    return {"model": model, "input": asked, "tools": [function], "user": "me"}


def new_client(
    gateway: Running, upstream: Upstream, provider: str, **fields: Any
) -> tuple[int, str]:
    native = provider in ("anthropic", "gemini", "azure-openai")
    upstream.always(Json(ANSWERS.get(provider) or completion()))
    made = gateway.new_client(
        provider=provider,
        provider_base_url=upstream.origin if native else upstream.base_url,
        provider_api_key="upstream-key",
        **fields,
    )
    return made["client"]["id"], made["api_key"]


def previewed(
    gateway: Running, number: int, raw: bytes, query: str = "", **headers: str
) -> Answered:
    given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call("POST", f"/admin/api/clients/{number}/preview{query}", raw, given)


def asked(
    gateway: Running, key: str, door: str, model: str, raw: bytes, **headers: str
) -> Answered:
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call("POST", PATHS[door].format(model=model), raw, given)


def the_same(shown: Mapping[str, Any], received: Received, origin: str) -> None:
    """What was shown is what arrived, but for the key."""
    address = received.path + (f"?{received.query}" if received.query else "")
    assert (shown["method"], shown["url"]) == (received.method, origin + address)
    assert shown["body"] == received.json
    hidden = {name: value for name, value in shown["headers"].items() if "••••" in value}
    assert len(hidden) == 1
    for name, value in shown["headers"].items():
        assert received.headers[name.lower()] == value.replace("••••", "upstream-key")


@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize("door", PATHS)
def test_what_is_shown_is_what_arrives(
    gateway: Running, upstream: Upstream, door: str, provider: str
) -> None:
    model = VENDORS[provider]
    fields = {"system_prompt": "Speak plainly", "max_output_tokens": 50}
    number, key = new_client(gateway, upstream, provider, **fields)
    raw = json.dumps(body_for(door, model), ensure_ascii=False).encode()
    shown = previewed(gateway, number, raw, f"?door={door}&model={model}")
    assert shown.status == 200, shown.body
    assert upstream.requests == []
    answer = asked(gateway, key, door, model, raw)
    [received] = upstream.requests
    told = shown.json
    assert (told["door"], told["model"], told["error"], told["skipped"]) == (door, model, None, [])
    [target] = told["targets"]
    assert (target["provider"], target["model"], target["chosen"]) == (provider, model, True)
    the_same(target, received, upstream.origin)
    assert received.body.strip() in shown.body
    dropped = answer.headers.get("x-gateway-dropped-params", "")
    assert ", ".join(target["dropped"]) == dropped
    assert b"upstream-key" not in shown.body


@pytest.mark.parametrize("door", PATHS)
def test_a_stream_too(gateway: Running, upstream: Upstream, door: str) -> None:
    number, key = new_client(gateway, upstream, "gemini")
    body = body_for(door, "gemini-2.5-flash")
    query = "?door=gemini&model=gemini-2.5-flash&stream=true"
    if door != "gemini":
        body, query = body | {"stream": True}, ""
    shown = previewed(gateway, number, json.dumps(body).encode(), query).json
    path = PATHS[door].format(model="gemini-2.5-flash").replace(":generate", ":streamGenerate")
    headers = {"Authorization": f"Bearer {key}"}
    gateway.call("POST", path, json.dumps(body).encode(), headers)
    assert (shown["door"], shown["stream"]) == (door, True)
    the_same(shown["targets"][0], upstream.requests[0], upstream.origin)
    assert shown["targets"][0]["url"].endswith(":streamGenerateContent?alt=sse")


def test_every_byte_is_shown_as_it_would_be_sent(gateway: Running, upstream: Upstream) -> None:
    number, key = new_client(gateway, upstream, "openai-compatible")
    raw = (
        b'{"model":"m", "big": 123456789012345678901234567890,"a":{"x":1,"x":2},'
        b'"messages":[{"role":"user","content":"\\u00e9"}]}'
    )
    for sent in (raw, b'{"door": "openai", "body": ' + raw + b"}"):
        assert b'"body":' + raw in previewed(gateway, number, sent).body
    assert asked(gateway, key, "openai", "m", raw).status == 200
    assert upstream.requests[0].body == raw


def test_headers_that_a_vendor_may_see(gateway: Running, upstream: Upstream) -> None:
    number, key = new_client(gateway, upstream, "anthropic")
    raw = json.dumps(body_for("anthropic", "claude-x")).encode()
    headers = {"anthropic_beta": "context-1m-2025-08-07", "anthropic_version": "2023-01-01"}
    shown = previewed(gateway, number, raw, **headers).json
    asked(gateway, key, "anthropic", "claude-x", raw, **headers)
    the_same(shown["targets"][0], upstream.requests[0], upstream.origin)
    assert shown["targets"][0]["headers"]["anthropic-beta"] == "context-1m-2025-08-07"


# Which target.


def test_the_targets_in_their_order_and_those_that_are_skipped(
    gateway: Running, upstream: Upstream
) -> None:
    fallbacks = ["second", "openai/gpt-4o", "demo/demo"]
    aliases = {"gpt-*": "first"}
    number, _ = new_client(
        gateway, upstream, "mistral", fallback_models=fallbacks, model_aliases=aliases
    )
    raw = json.dumps(body_for("openai", "gpt-5")).encode()
    told = previewed(gateway, number, raw).json
    found = [(one["provider"], one["model"], one["chosen"]) for one in told["targets"]]
    assert found == [
        ("mistral", "first", True),
        ("mistral", "second", False),
        ("demo", "demo", False),
    ]
    assert told["targets"][0]["dropped"] == ["user"]
    assert told["targets"][2]["dropped"] == []
    [skipped] = told["skipped"]
    assert skipped.startswith("No credentials for OpenAI")


def test_a_target_that_cannot_is_passed_over(gateway: Running, upstream: Upstream) -> None:
    number, key = new_client(gateway, upstream, "ollama", fallback_models=["demo/demo"])
    body = {"model": "m", "n": 2, "messages": [{"role": "user", "content": "Hello"}]}
    raw = json.dumps(body).encode()
    told = previewed(gateway, number, raw).json
    ollama, demo = told["targets"]
    assert (ollama["chosen"], ollama["body"], demo["chosen"]) == (False, None, True)
    assert (ollama["error"]["status"], ollama["error"]["param"]) == (400, "n")
    assert told["error"] is None
    assert asked(gateway, key, "openai", "m", raw).headers["x-gateway-provider"] == "demo"


def test_a_target_that_lacks_what_is_needed_is_skipped(
    gateway: Running, upstream: Upstream
) -> None:
    number, key = new_client(gateway, upstream, "deepseek", fallback_models=["demo/demo"])
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    messages = [{"role": "user", "content": "Hello"}]
    raw = json.dumps({"model": "m", "messages": messages, "response_format": schema}).encode()
    told = previewed(gateway, number, raw).json
    assert told["skipped"] == ["deepseek/m lacks json_schema"]
    assert [(one["provider"], one["chosen"]) for one in told["targets"]] == [("demo", True)]
    assert asked(gateway, key, "openai", "m", raw).headers["x-gateway-provider"] == "demo"


# What the client would get instead.


@pytest.mark.parametrize(
    ("door", "raw"),
    [
        ("openai", b"{"),
        ("openai", b"[]"),
        ("openai", b'{"messages": "Hello"}'),
        ("openai", b'{"messages": [{"role": "user", "content": "Hello"}], "n": 2}'),
        ("openai", b'{"model": "other", "messages": [{"role": "user", "content": "Hello"}]}'),
        ("anthropic", b'{"messages": []}'),
        ("anthropic", b'{"messages": [{"role": "user", "content": [{"type": "image"}]}]}'),
        ("gemini", b'{"contents": [{"role": "nobody", "parts": []}]}'),
        ("responses", b'{"model": "m"}'),
    ],
)
def test_the_error_that_the_client_would_get(
    gateway: Running, upstream: Upstream, door: str, raw: bytes
) -> None:
    fields = {"default_model": "m", "allowed_models": ["m"]}
    number, key = new_client(gateway, upstream, "ollama", **fields)
    shown = previewed(gateway, number, raw, f"?door={door}&model=m")
    assert shown.status == 200
    answer = asked(gateway, key, door, "m", raw)
    assert shown.json["error"] == {"status": answer.status, "body": answer.json}
    assert answer.status in (400, 404)
    assert not any(one["chosen"] for one in shown.json["targets"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"is_active": False}, "client_disabled"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "client_expired"),
    ],
)
def test_a_client_that_may_not_call(
    gateway: Running, upstream: Upstream, fields: dict[str, Any], code: str
) -> None:
    number, _ = new_client(gateway, upstream, "mistral")
    assert gateway.admin("PATCH", f"/clients/{number}", fields).status == 200
    raw = json.dumps(body_for("openai", "m")).encode()
    error = previewed(gateway, number, raw).json["error"]
    assert (error["status"], error["body"]["error"]["code"]) == (403, code)


def test_it_counts_nowhere(gateway: Running, upstream: Upstream) -> None:
    number, key = new_client(gateway, upstream, "mistral", rate_limit_minute=1)
    raw = json.dumps(body_for("openai", "m")).encode()
    for _ in range(3):
        assert previewed(gateway, number, raw).json["error"] is None
    assert asked(gateway, key, "openai", "m", raw).status == 200
    [row] = gateway.rows(1, client_id=number)
    assert row["status"] == 200


# What would be fetched.


def test_an_address_that_would_be_fetched_is_named(gateway: Running, upstream: Upstream) -> None:
    number, _ = new_client(gateway, upstream, "ollama")
    with Upstream() as media:
        part = {"type": "image_url", "image_url": {"url": EXAMPLE}}
        body = {"model": "m", "messages": [{"role": "user", "content": [part, part]}]}
        [target] = previewed(gateway, number, json.dumps(body).encode()).json["targets"]
        assert media.connections == 0
    assert target["fetches"] == [EXAMPLE]
    content = target["body"]["messages"][0]["content"]
    assert content[0]["image_url"]["url"] == f"data:image/*;base64,(what {EXAMPLE} holds)"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "8.8.8.8:22"])
def test_an_address_that_would_be_refused_is_so(
    gateway: Running, upstream: Upstream, host: str
) -> None:
    number, key = new_client(gateway, upstream, "ollama")
    part = {"type": "image_url", "image_url": {"url": f"http://{host}/cat.png"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    raw = json.dumps(body).encode()
    error = previewed(gateway, number, raw).json["error"]
    assert error["body"] == asked(gateway, key, "openai", "m", raw).json


# The admin API's own rules.


@pytest.mark.parametrize(
    ("body", "query", "field"),
    [
        ({"contents": []}, "", "model"),
        ({"messages": []}, "?door=telnet", "door"),
        ({"messages": []}, "?dor=openai", "dor"),
        ({"body": {"messages": []}, "door": ["openai"]}, "", "door"),
        ({"body": {"contents": []}, "model": 1}, "", "model"),
        ({"body": {"messages": []}, "stream": "perhaps"}, "", "stream"),
        ({"body": {"messages": []}, "headers": {}}, "", "headers"),
    ],
)
def test_a_field_that_is_wrong(
    gateway: Running, upstream: Upstream, body: Any, query: str, field: str
) -> None:
    number, _ = new_client(gateway, upstream, "mistral")
    answer = previewed(gateway, number, json.dumps(body).encode(), query)
    assert answer.status == 422
    assert [*answer.json["error"]["fields"]] == [field]


def test_a_client_that_is_none(gateway: Running) -> None:
    answer = previewed(gateway, 10**12, b"{}")
    assert (answer.status, answer.json["error"]["code"]) == (404, "client_not_found")


def test_a_user_in_an_address_is_hidden(tmp_path: Path) -> None:
    address = "https://me:secret@example.org/v1"
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "providers": {"vllm": {"base_url": address}}}
    )
    memory = Memory(States(tmp_path / "state.db", settings.state, Vault(settings)), 1)
    raw = json.dumps(body_for("openai", "m")).encode()
    told = preview(
        client(provider="vllm"),
        ways(settings),
        Prices(settings),
        Fetcher(settings.fetch),
        memory,
        Asked(raw, "openai"),
    )
    assert told["targets"][0]["url"] == "https://••••@example.org/v1/chat/completions"
    assert "secret" not in str(told)


def test_what_is_remembered_for_a_client_is_shown(gateway: Running, upstream: Upstream) -> None:
    number, key = new_client(gateway, upstream, "openai-compatible")
    first = asked(gateway, key, "responses", "m", b'{"model": "m", "input": "Hello"}')
    follow = {"model": "m", "input": "And now?", "previous_response_id": first.json["id"]}
    raw = json.dumps(follow).encode()
    shown = previewed(gateway, number, raw, "?door=responses").json
    assert asked(gateway, key, "responses", "m", raw).status == 200
    the_same(shown["targets"][0], upstream.requests[1], upstream.origin)
    assert len(shown["targets"][0]["body"]["messages"]) == 3


@pytest.mark.parametrize("door", PATHS)
def test_a_door_is_guessed(door: str) -> None:
    assert door_of(json.dumps(body_for(door, "m")).encode()) == door


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"{}"])
def test_a_door_is_guessed_of_anything(raw: bytes) -> None:
    assert door_of(raw) == "openai"


# The command.


def explain(
    gateway: Running, *arguments: str, given: bytes
) -> "subprocess.CompletedProcess[bytes]":
    environment = {
        **os.environ,
        "GATEWAY_CONFIG": str(gateway.folder / "config.yaml"),
        "GATEWAY_DATA_DIR": str(gateway.data),
    }
    command = [sys.executable, "-m", "flask", "--app", "app", "explain", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=given, capture_output=True, check=False
    )


def test_the_command_shows_the_same(gateway: Running, upstream: Upstream) -> None:
    number, _ = new_client(gateway, upstream, "gemini")
    raw = json.dumps(body_for("openai", "gemini-2.5-flash")).encode()
    shown = explain(gateway, str(number), "--json", "--body", "-", given=raw)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == previewed(gateway, number, raw).body


def test_the_command_tells_people(gateway: Running, upstream: Upstream) -> None:
    name, fallbacks = "the shop of preview", ["demo/demo", "openai/gpt-4o"]
    number, _ = new_client(gateway, upstream, "ollama", name=name, fallback_models=fallbacks)
    part = {"type": "image_url", "image_url": {"url": EXAMPLE}}
    body = {"model": "m", "user": "me", "messages": [{"role": "user", "content": [part]}]}
    told = explain(gateway, name, "--body", "-", given=json.dumps(body).encode())
    text = told.stdout.decode()
    for line in (
        "1. ollama/m: asked first",
        "2. demo/demo: asked if those before it fail",
        f"POST {upstream.base_url}/chat/completions",
        "Authorization: Bearer ••••",
        "Left out: user",
        f"Fetched first: {EXAMPLE}",
        "Skipped: No credentials for OpenAI",
    ):
        assert line in text
    assert "upstream-key" not in text
    bad = explain(gateway, str(number), "--body", "-", given=b'{"messages": 1}')
    assert b"The client gets status 400" in bad.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody"], b"list-clients"),
        (["demo", "--door", "gemini"], b"--model"),
        (["demo", "--door", "telnet"], b"telnet"),
    ],
)
def test_the_command_says_what_was_typed_wrong(
    gateway: Running, arguments: list[str], told: bytes
) -> None:
    wrong = explain(gateway, *arguments, "--body", "-", given=b"{}")
    assert wrong.returncode != 0
    assert told in wrong.stderr
