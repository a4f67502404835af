"""Images and files that a question names by address: whether vendor or gateway fetches them."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import Json, Upstream, completion, failure, redirect

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 10
PDF = b"%PDF-1.7\nHello"
DATA = base64.b64encode(PNG).decode()
PDF_DATA = base64.b64encode(PDF).decode()
DATA_URI = f"data:image/png;base64,{DATA}"
ELSEWHERE = "https://example.org/cat.png"

ANSWERS: dict[str, Any] = {
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}
        ]
    },
}


@pytest.fixture(scope="module")
def _media() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def media(_media: Upstream) -> Iterator[Upstream]:
    """A host of images and files; its address is on the gateway's list."""
    image = Json(PNG, headers={"content-type": "image/png"})
    _media.always(image)
    _media.script("/paper", Json(PDF, headers={"content-type": "application/pdf"}))
    _media.script("/page", Json(b"<html>", headers={"content-type": "text/html"}))
    _media.script("/gone", failure(404))
    _media.script("/inside", redirect(f"http://169.254.169.254:{_media.port}/latest"))
    _media.script("/large", Json(bytes(2 << 20), headers={"content-type": "image/png"}))
    yield _media
    _media.clear()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory, _media: Upstream) -> Iterator[Running]:
    settings = {
        "upstream": {"max_retries": 0},
        "fetch": {
            "allow": ["127.0.0.1/32", "localhost"],
            "ports": [_media.port],
            "max_mb": 1,
            "max_files": 3,
            "timeout": 20,
        },
    }
    with Running(tmp_path_factory.mktemp("fetching"), settings) as running:
        yield running


def new_key(gateway: Running, upstream: Upstream, provider: str, **fields: Any) -> str:
    native = provider in ("anthropic", "gemini")
    upstream.always(Json(ANSWERS.get(provider) or completion()))
    return gateway.client(
        provider=provider,
        provider_base_url=upstream.origin if native else upstream.base_url,
        provider_api_key="upstream-key",
        **fields,
    )


def of(media: Upstream, name: str = "cat") -> str:
    return f"{media.origin}/{name}"


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def chat(*parts: Any, model: str = "model-x") -> dict[str, Any]:
    content = [{"type": "text", "text": "What is it?"}, *parts]
    return {"model": model, "messages": [{"role": "user", "content": content}]}


def claude(*blocks: Any, model: str = "model-x") -> dict[str, Any]:
    return chat(*blocks, model=model) | {"max_tokens": 9}


def by_url(kind: str, url: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": "url", "url": url}}


def ask(gateway: Running, key: str, path: str, body: Any) -> Answered:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return gateway.call("POST", path, data, headers)


def at_messages(gateway: Running, key: str, body: Any) -> Answered:
    return ask(gateway, key, "/v1/messages", body)


# Ollama takes data alone.


def test_a_relayed_question_is_the_same_but_for_the_image(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama")
    url = of(media)
    raw = (
        b'{ "model":"model-x","big":123456789012345678901234567890, "messages" : [{"role":"user",'
        b'"content":[{"type":"text","text":"\\u00e9"}, {"image_url":{"detail":"low","url" : "%b"},'
        b'"type":"image_url"},{"type":"image_url","image_url":"%b"}]}], "top":{"a":1,"a":2}}'
    )
    answer = fetching.chat(key, raw % (url.encode(), url.encode()))
    assert answer.status == 200, answer.body
    assert upstream.requests[0].body == raw % (DATA_URI.encode(), DATA_URI.encode())
    assert len(media.requests) == 1
    assert "authorization" not in media.requests[0].headers


def test_a_host_is_found_by_its_name(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama")
    url = f"http://localhost:{media.port}/cat"
    answer = fetching.chat(key, chat(image(url)))
    assert answer.status == 200, answer.body
    assert media.requests[0].headers["host"] == f"localhost:{media.port}"
    unknown = fetching.chat(key, chat(image(f"http://no.such.name.invalid:{media.port}/")))
    assert (unknown.status, unknown.error["code"]) == (400, "media_not_fetched")


@pytest.mark.parametrize("door", ["anthropic", "gemini", "responses"])
def test_ollama_behind_the_other_doors(
    fetching: Running, upstream: Upstream, media: Upstream, door: str
) -> None:
    key, url = new_key(fetching, upstream, "ollama"), of(media)
    if door == "anthropic":
        answer = at_messages(fetching, key, claude(by_url("image", url)))
    elif door == "gemini":
        file = {"fileData": {"fileUri": url, "mimeType": "image/png"}}
        body = {"contents": [{"role": "user", "parts": [file]}]}
        answer = ask(fetching, key, "/v1beta/models/model-x:generateContent", body)
    else:
        content = [{"type": "input_image", "image_url": url}]
        asked = {"model": "model-x", "input": [{"role": "user", "content": content}]}
        answer = ask(fetching, key, "/v1/responses", asked)
    assert answer.status == 200, answer.body
    content = upstream.requests[0].json["messages"][0]["content"]
    assert content[-1]["image_url"]["url"] == DATA_URI


def test_without_an_address_nothing_is_fetched(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama")
    raw = json.dumps(chat(image(DATA_URI))).encode()
    assert fetching.chat(key, raw).status == 200
    assert upstream.requests[0].body == raw
    assert media.requests == []


# Gemini, by its generations.


@pytest.mark.parametrize(
    ("model", "url", "fetched"),
    [
        ("gemini-2.0-flash", "{media}/cat.png", True),
        ("gemini-2.0-flash", "{media}/cat", True),
        ("gemini-2.5-flash", "{media}/cat.png", True),  # not by https
        ("gemini-2.5-flash", ELSEWHERE, False),
        ("gemini-3-pro-preview", ELSEWHERE, False),
        ("gemini-flash-latest", ELSEWHERE, False),
        ("gemini-2.0-flash", "gs://bucket/cat.png", False),
        (
            "gemini-2.0-flash",
            "https://generativelanguage.googleapis.com/v1beta/files/abc-123",
            False,
        ),
    ],
)
def test_gemini_is_told_an_address_where_it_takes_one(
    fetching: Running, upstream: Upstream, media: Upstream, model: str, url: str, fetched: bool
) -> None:
    key, url = new_key(fetching, upstream, "gemini"), url.format(media=media.origin)
    answer = fetching.chat(key, chat(image(url), model=model))
    assert answer.status == 200, answer.body
    part = upstream.requests[0].json["contents"][0]["parts"][1]
    if fetched:
        assert part == {"inlineData": {"mimeType": "image/png", "data": DATA}}
    else:
        assert part["fileData"]["fileUri"] == url
    assert len(media.requests) == fetched


def test_an_image_in_a_tools_result(fetching: Running, upstream: Upstream, media: Upstream) -> None:
    key = new_key(fetching, upstream, "gemini")
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [by_url("image", of(media))],
    }
    body = claude(model="gemini-3-pro-preview") | {
        "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ]
    }
    assert at_messages(fetching, key, body).status == 200
    response = upstream.requests[0].json["contents"][2]["parts"][0]["functionResponse"]
    assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": DATA}}]


@pytest.mark.parametrize("query", ["", "?alt=sse"])
@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
def test_geminis_own_dialect_says_what_it_means(
    fetching: Running, upstream: Upstream, media: Upstream, method: str, query: str
) -> None:
    key = new_key(fetching, upstream, "gemini")
    file = {"fileData": {"fileUri": of(media, "cat.png"), "mimeType": "image/png"}}
    body = {"contents": [{"role": "user", "parts": [file]}]}
    ask(fetching, key, f"/v1beta/models/gemini-2.0-flash:{method}{query}", body)
    assert upstream.requests[0].json["contents"][0]["parts"] == [file]
    assert media.requests == []


# Who fetches by itself.


@pytest.mark.parametrize("provider", ["openai", "mistral", "openai-compatible", "vllm"])
def test_images_are_relayed_by_address(
    fetching: Running, upstream: Upstream, media: Upstream, provider: str
) -> None:
    key = new_key(fetching, upstream, provider)
    raw = json.dumps(chat(image(of(media)))).encode()
    assert fetching.chat(key, raw).status == 200
    assert upstream.requests[0].body == raw
    assert media.requests == []


@pytest.mark.parametrize("kind", ["image", "document"])
def test_anthropic_fetches_by_itself(
    fetching: Running, upstream: Upstream, media: Upstream, kind: str
) -> None:
    key = new_key(fetching, upstream, "anthropic")
    if kind == "image":
        asked, sent = image(of(media)), by_url("image", of(media))
    else:
        asked = {"type": "file", "file": {"file_data": of(media), "filename": "a.pdf"}}
        sent = by_url("document", of(media)) | {"title": "a.pdf"}
    assert fetching.chat(key, chat(asked)).status == 200
    assert upstream.requests[0].json["messages"][0]["content"][1] == sent
    assert media.requests == []


def test_openais_dialect_has_no_address_of_a_file(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "openai")
    blocks = by_url("document", of(media, "paper")), by_url("image", ELSEWHERE)
    answer = at_messages(fetching, key, claude(*blocks))
    assert answer.status == 200, answer.body
    file, picture = upstream.requests[0].json["messages"][0]["content"][1:]
    assert file["file"]["file_data"] == f"data:application/pdf;base64,{PDF_DATA}"
    assert picture["image_url"]["url"] == ELSEWHERE


# What cannot be fetched.

REFUSED = [
    ("gone", "status 404"),
    ("page", "not an image"),
    ("paper", "not an image"),
    ("inside", "not a public one"),
    ("large", "1 MB"),
]


@pytest.mark.parametrize(("name", "told"), REFUSED)
def test_a_refusal_names_the_field_in_openais_words(
    fetching: Running, upstream: Upstream, media: Upstream, name: str, told: str
) -> None:
    key = new_key(fetching, upstream, "ollama")
    answer = fetching.chat(key, chat(image(of(media, name))))
    assert answer.status == 400
    assert answer.error["param"] == "messages[0].content[1].image_url.url"
    assert answer.error["param"] in answer.error["message"]
    assert told in answer.error["message"]
    assert "169.254" not in answer.error["message"]
    assert (answer.error["type"], answer.error["code"]) == (
        "invalid_request_error",
        "media_not_fetched",
    )
    assert upstream.requests == []
    [row] = fetching.rows(1, request_id=answer.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == (400, "media_not_fetched")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:22/",
        "http://10.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://169.254.169.254:{port}/latest/meta-data/",
        "http://a.localhost:{port}/",
        "http://2130706434:{port}/",
        "http://user:word@127.0.0.1:{port}/",
    ],
)
def test_what_is_not_on_the_list_is_not_asked(
    fetching: Running, upstream: Upstream, media: Upstream, url: str
) -> None:
    key = new_key(fetching, upstream, "ollama")
    answer = fetching.chat(key, chat(image(url.format(port=media.port))))
    assert (answer.status, answer.error["code"]) == (400, "media_not_fetched")
    assert media.requests == upstream.requests == []


def test_the_anthropic_door_names_its_own_field(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "gemini")
    body = claude(by_url("document", of(media, "gone")), model="gemini-2.0-flash")
    answer = at_messages(fetching, key, body)
    error = answer.json["error"]
    assert (answer.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith("`messages[0].content[1].source.url` cannot be fetched")


def test_the_gemini_door_names_its_own_field(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama")
    file = {"fileData": {"fileUri": of(media, "gone"), "mimeType": "image/png"}}
    body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}, file]}]}
    answer = ask(fetching, key, "/v1beta/models/model-x:generateContent", body)
    error = answer.json["error"]
    assert (answer.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert "`contents[0].parts[1].fileData.fileUri` cannot be fetched" in error["message"]


def test_too_many_addresses(fetching: Running, upstream: Upstream, media: Upstream) -> None:
    key = new_key(fetching, upstream, "ollama")
    answer = fetching.chat(key, chat(*(image(of(media, str(at))) for at in range(4))))
    assert (answer.status, answer.error["param"]) == (
        400,
        "messages[0].content[4].image_url.url",
    )
    assert media.requests == []


def test_it_can_be_switched_off(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, media: Upstream
) -> None:
    off = {"enabled": False, "allow": ["127.0.0.1/32"], "ports": [media.port]}
    with Running(tmp_path_factory.mktemp("off"), {"fetch": off}) as running:
        answer = running.chat(new_key(running, upstream, "ollama"), chat(image(of(media))))
    assert answer.status == 400 and "fetch.enabled" in answer.error["message"]
    assert media.requests == upstream.requests == []


# Among the rest of a call.


def test_a_client_over_its_limit_has_nothing_fetched(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama", rate_limit_minute=1)
    assert fetching.chat(key, chat(image(of(media)))).status == 200
    assert fetching.chat(key, chat(image(of(media)))).status == 429
    assert len(media.requests) == 1


def test_two_targets_share_what_was_fetched(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    key = new_key(fetching, upstream, "ollama", fallback_models=["other"])
    upstream.script("model-x", failure(500))
    answer = fetching.chat(key, chat(image(of(media))))
    assert (answer.status, answer.headers["x-gateway-model"]) == (200, "other")
    for received in upstream.requests:
        assert received.json["messages"][0]["content"][1] == image(DATA_URI)
    assert len(media.requests) == 1


def test_who_hangs_up_ends_the_fetch(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    media.script("/slow", Json(PNG).but(hang="before-head"))
    key = new_key(fetching, upstream, "ollama")
    connection = http.client.HTTPConnection("127.0.0.1", fetching.port)
    body = json.dumps(chat(image(of(media, "slow"))))
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
    [received] = media.wait(1)
    connection.close()
    assert received.hung_up.wait(10)
    assert upstream.requests == []
    assert fetching.rows(1, status=499)


def test_others_are_answered_while_something_is_fetched(
    fetching: Running, upstream: Upstream, media: Upstream
) -> None:
    media.script("/slow", Json(PNG).but(hang="before-head"))
    key = new_key(fetching, upstream, "ollama")
    connection = http.client.HTTPConnection("127.0.0.1", fetching.port)
    body = json.dumps(chat(image(of(media, "slow"))))
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
    media.wait(1)
    assert fetching.chat(key, chat()).status == 200
    media.release()
    assert connection.getresponse().status == 200
    connection.close()
