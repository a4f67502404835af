"""GET /v1/models: the models a client may use, and never another client's."""

from contextlib import ExitStack
from typing import Any

import openai
import pytest

from tests.failure.caller import Caller, request
from tests.running import Answered, Running
from tests.upstream import Answer, Html, Json, Upstream, failure, model_list, redirect

SECRET = "sk-upstream-secret-0123456789"


def test_a_client_sees_the_models_it_is_allowed(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["gpt-x", "gpt-y"])
    key = _client(gateway, upstream, allowed_models=["gpt-y", "vendor/z"])
    assert _ids(gateway, key) == ["gpt-y", "vendor/z"]
    assert upstream.requests == []


def test_else_its_vendors(gateway: Running, upstream: Upstream, sdk: openai.OpenAI) -> None:
    upstream.models(["gpt-x", "vendor/gpt-y"])
    key = _client(gateway, upstream)
    models = sdk.with_options(api_key=key).models.list().data
    assert [(one.id, one.object, one.owned_by) for one in models] == [
        ("gpt-x", "model", "upstream"),
        ("vendor/gpt-y", "model", "upstream"),
    ]
    asked = upstream.requests[0]
    assert (asked.method, asked.path, asked.keys) == ("GET", "/v1/models", {"own-key"})


@pytest.mark.parametrize("model", ["gpt-x", "vendor/gpt-y", "a/b/c:free", "ü %2F"])
def test_one_model(gateway: Running, upstream: Upstream, sdk: openai.OpenAI, model: str) -> None:
    upstream.models(["gpt-w", model])
    key = _client(gateway, upstream)
    assert sdk.with_options(api_key=key).models.retrieve(model).id == model


@pytest.mark.parametrize("path", ["/v1/models/vendor/gpt-y", "/models/vendor/gpt-y"])
def test_one_model_with_its_slash_as_it_is(gateway: Running, upstream: Upstream, path: str) -> None:
    upstream.models(["vendor/gpt-y"])
    answer = _get(gateway, _client(gateway, upstream), path)
    assert answer.json["id"] == "vendor/gpt-y"


def test_a_model_that_is_not_there(
    gateway: Running, upstream: Upstream, sdk: openai.OpenAI
) -> None:
    upstream.models(["gpt-x"])
    chat = sdk.with_options(api_key=_client(gateway, upstream))
    with pytest.raises(openai.NotFoundError) as caught:
        chat.models.retrieve("vendor/none")
    assert caught.value.code == "model_not_found"


def test_models_without_v1(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["gpt-x"])
    key = _client(gateway, upstream)
    assert _get(gateway, key, "/models").json == _get(gateway, key, "/v1/models").json


def test_a_vendors_list_is_asked_for_once(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["gpt-x", "gpt-y"])
    key = _client(gateway, upstream)
    for _ in range(3):
        assert _ids(gateway, key) == ["gpt-x", "gpt-y"]
    assert _get(gateway, key, "/v1/models/gpt-y").status == 200
    assert len(upstream.requests) == 1


def test_no_list_is_shared_between_keys(gateway: Running, upstream: Upstream) -> None:
    upstream.always(lambda received: Json(model_list(f"of-{key}" for key in received.keys)))
    keys = {name: _client(gateway, upstream, provider_api_key=name) for name in ("one", "two")}
    for _ in range(2):
        assert _ids(gateway, keys["one"]) == ["of-one"]
        assert _ids(gateway, keys["two"]) == ["of-two"]
        assert _get(gateway, keys["one"], "/v1/models/of-two").status == 404
    assert len(upstream.requests) == 2


def test_a_new_key_gets_a_new_list(gateway: Running, upstream: Upstream) -> None:
    upstream.always(lambda received: Json(model_list(sorted(received.keys))))
    made = gateway.new_client(**_fields(upstream))
    assert _ids(gateway, made["api_key"]) == ["own-key"]
    changed = gateway.admin(
        "PATCH", f"/clients/{made['client']['id']}", {"provider_api_key": "new-key"}
    )
    assert changed.status == 200
    assert _ids(gateway, made["api_key"]) == ["new-key"]


@pytest.mark.parametrize("status", [404, 405])
def test_a_vendor_without_a_list_has_the_default_model(
    gateway: Running, upstream: Upstream, status: int
) -> None:
    upstream.always(failure(status, "no such path"))
    assert _ids(gateway, _client(gateway, upstream, default_model="gpt-d")) == ["gpt-d"]
    assert _ids(gateway, _client(gateway, upstream, provider_api_key="other")) == []


def test_perplexity_has_a_list_of_its_own(gateway: Running, upstream: Upstream) -> None:
    key = gateway.client(
        provider="perplexity", provider_base_url=upstream.origin, provider_api_key="k"
    )
    assert "sonar-pro" in _ids(gateway, key)
    assert upstream.requests == []


def test_the_demo_lists_its_models(gateway: Running) -> None:
    key = gateway.client()
    assert _ids(gateway, key)[0] == "demo"
    assert _get(gateway, key, "/v1/models/demo").json["object"] == "model"


def test_azure_lists_with_its_own_address(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["gpt-x"])
    fields = {"provider": "azure-openai", "provider_base_url": upstream.origin}
    key = gateway.client(**fields, provider_api_key="k", provider_api_version="2024-10-21")
    assert _ids(gateway, key) == ["gpt-x"]
    newer = gateway.client(**fields, provider_api_key="k")
    assert _ids(gateway, newer) == ["gpt-x"]
    asked = [(one.path, one.query, one.headers["api-key"]) for one in upstream.requests]
    assert asked == [
        ("/openai/models", "api-version=2024-10-21", "k"),
        ("/openai/v1/models", "", "k"),
    ]


def test_aliases_are_listed_but_for_patterns(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["gpt-x"])
    aliases = {"fast": "gpt-x", "claude-*": "gpt-x", "*": "gpt-x"}
    assert _ids(gateway, _client(gateway, upstream, model_aliases=aliases)) == ["gpt-x", "fast"]


def test_an_alias_is_listed_only_where_it_may_be_used(gateway: Running, upstream: Upstream) -> None:
    key = _client(
        gateway,
        upstream,
        allowed_models=["gpt-x"],
        model_aliases={"fast": "gpt-x", "dear": "gpt-pro"},
    )
    assert _ids(gateway, key) == ["gpt-x", "fast"]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "gpt-x", "name": "X", "pricing": {"prompt": "0.1"}}]},
        {
            "object": "list",
            "data": [{"id": "gpt-x", "object": "model", "name": "X"}, {}, "x", None],
        },
        [{"id": "gpt-x", "name": "X", "created": 5}],
    ],
)
def test_a_list_in_a_vendors_own_words(gateway: Running, upstream: Upstream, body: Any) -> None:
    upstream.always(Json(body))
    [model] = _get(gateway, _client(gateway, upstream), "/v1/models").json["data"]
    assert (model["id"], model["object"], model["name"]) == ("gpt-x", "model", "X")
    assert isinstance(model["created"], int) and model["owned_by"] == "openai-compatible"


PAGES: dict[str, list[Any]] = {
    "gemini": [
        {"models": [{"name": "models/a"}], "nextPageToken": "t/1"},
        {"models": [{"name": "models/b"}]},
    ],
    "anthropic": [
        {"data": [{"type": "model", "id": "a"}], "has_more": True, "last_id": "a"},
        {"data": [{"type": "model", "id": "b"}], "has_more": False, "last_id": "b"},
    ],
    "cohere": [
        {"models": [{"name": "a", "context_length": 9}], "next_page_token": "t"},
        {"models": [{"name": "b"}], "next_page_token": None},
    ],
}


@pytest.mark.parametrize(
    ("provider", "base", "path", "queries"),
    [
        ("gemini", "", "/v1beta/models", ["pageSize=1000", "pageSize=1000&pageToken=t%2F1"]),
        ("anthropic", "", "/v1/models", ["limit=1000", "limit=1000&after_id=a"]),
        (
            "cohere",
            "/compatibility/v1",
            "/v1/models",
            ["endpoint=chat&page_size=1000", "endpoint=chat&page_size=1000&page_token=t"],
        ),
    ],
)
def test_all_pages_of_a_list(
    gateway: Running,
    upstream: Upstream,
    provider: str,
    base: str,
    path: str,
    queries: list[str],
) -> None:
    upstream.always([Json(page) for page in PAGES[provider]])
    key = gateway.client(
        provider=provider, provider_base_url=upstream.origin + base, provider_api_key="k"
    )
    assert _ids(gateway, key) == ["a", "b"]
    assert [(one.path, one.query) for one in upstream.requests] == [(path, q) for q in queries]


def test_what_is_nested_too_deeply_is_left_out(gateway: Running, upstream: Upstream) -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    upstream.always(
        Json(f'{{"data": [{{"id": "gpt-x", "more": {deep}}}, {{"id": "gpt-y"}}]}}'.encode())
    )
    assert _ids(gateway, _client(gateway, upstream)) == ["gpt-x", "gpt-y"]


def test_a_list_without_end_ends(gateway: Running, upstream: Upstream) -> None:
    upstream.always(Json(PAGES["gemini"][0]))
    key = gateway.client(provider="gemini", provider_base_url=upstream.origin, provider_api_key="k")
    assert len(_ids(gateway, key)) == len(upstream.requests) == 50


def _ollama(received: Any) -> Answer:
    if received.path == "/api/tags":
        tag = {"model": "m", "modified_at": "2026-01-01T00:00:00.123456Z", "size": 5}
        return Json({"models": [{"name": "llama:1b"} | tag, {"name": "broken"} | tag]})
    if received.path == "/api/show" and received.json == {"model": "llama:1b"}:
        info = {"general.architecture": "llama", "llama.context_length": 131072}
        told = {"model_info": info, "parameters": "stop x\nnum_ctx    4096"}
        return Json(told | {"capabilities": ["tools"]})
    return failure(500)


def test_ollamas_list_is_of_what_is_pulled(gateway: Running, upstream: Upstream) -> None:
    upstream.always(_ollama)
    key = gateway.client(provider="ollama", provider_base_url=upstream.base_url)
    first, second = _get(gateway, key, "/v1/models").json["data"]
    known = {"context_window": 131072, "num_ctx": 4096, "capabilities": ["tools"]}
    assert {name: first[name] for name in known} == known
    assert (first["id"], first["owned_by"]) == ("llama:1b", "library")
    assert first["created"] == 1767225600
    assert (second["id"], "context_window" in second) == ("broken", False)


@pytest.mark.parametrize("provider", ["ollama", "lmstudio"])
def test_a_server_that_has_only_the_usual_list(
    gateway: Running, upstream: Upstream, provider: str
) -> None:
    upstream.always(lambda received: failure(404))
    upstream.script("/v1/models", Json(model_list(["m"])))
    key = gateway.client(provider=provider, provider_base_url=upstream.base_url)
    assert _ids(gateway, key) == ["m"]
    assert [one.method for one in upstream.requests] == ["GET", "GET"]


@pytest.mark.parametrize("name", ["max_context_length", "max_model_len", "context_length"])
def test_how_much_a_model_reads_has_one_name(
    gateway: Running, upstream: Upstream, name: str
) -> None:
    upstream.always(Json({"data": [{"id": "m", name: 4096}]}))
    [model] = _get(gateway, _client(gateway, upstream), "/v1/models").json["data"]
    assert (model["context_window"], model[name]) == (4096, 4096)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (failure(401, f"Incorrect key: {SECRET}"), 502, "upstream_authentication_error"),
        (failure(403, f"{SECRET} may not"), 502, "upstream_authentication_error"),
        (failure(500, SECRET), 502, "upstream_error"),
        (failure(429, "slower"), 429, "rate_limit_exceeded"),
        (failure(503, "later"), 503, "upstream_overloaded"),
        (Json(b"\x00garbage"), 502, "upstream_error"),
        (Json(b""), 502, "upstream_error"),
        (Html(), 502, "upstream_error"),
        (redirect("http://127.0.0.1:1/"), 502, "upstream_error"),
        (Json({}, reset="before-head"), 502, "upstream_unreachable"),
        (Json({"data": []}, length_error=5), 502, "upstream_unreachable"),
        (Json({"error": {"message": f"bad key {SECRET}"}}), 502, "upstream_error"),
        (Json("a list"), 502, "upstream_error"),
    ],
)
def test_a_list_that_cannot_be_had(
    gateway: Running, upstream: Upstream, answer: Answer, status: int, code: str
) -> None:
    upstream.always(answer)
    key = _client(gateway, upstream, provider_api_key=SECRET)
    failed = _get(gateway, key, "/v1/models")
    assert (failed.status, failed.error["code"]) == (status, code)
    assert SECRET.encode() not in failed.body
    assert failed.headers["x-request-id"].startswith("req_")
    upstream.models(["gpt-x"])
    assert _ids(gateway, key) == ["gpt-x"]


def test_a_vendor_that_is_not_there(gateway: Running) -> None:
    with Upstream() as gone:
        pass
    answer = _get(gateway, _client(gateway, gone), "/v1/models")
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize(
    ("answer", "status"), [(Json(model_list(["gpt-x"])), 200), (failure(500, "no"), 502)]
)
def test_those_who_ask_meanwhile_wait_for_the_same_list(
    gateway: Running, upstream: Upstream, answer: Answer, status: int
) -> None:
    upstream.always([answer.but(hang="before-head"), answer])
    key = _client(gateway, upstream)
    with ExitStack() as callers:
        asked = [callers.enter_context(Caller(gateway)) for _ in range(6)]
        for caller in asked:
            caller.send(request(key, None, method="GET", path="/v1/models"))
        upstream.wait(1)
        # An answer that comes after theirs began: they have been read, and wait.
        assert gateway.call("GET", "/health").status == 200
        upstream.release()
        answers = [caller.answer() for caller in asked]
    assert [one.status for one in answers] == [status] * 6
    assert len(upstream.requests) == 1


def test_who_may_not_call_may_not_list(gateway: Running, upstream: Upstream) -> None:
    assert gateway.call("GET", "/v1/models").status == 401
    assert _get(gateway, "gm_nobody", "/v1/models/gpt-x").status == 401
    assert _get(gateway, _client(gateway, upstream, is_active=False), "/models").status == 403
    assert upstream.requests == []


def _client(gateway: Running, upstream: Upstream, **fields: Any) -> str:
    return gateway.client(**_fields(upstream) | fields)


def _fields(upstream: Upstream) -> dict[str, Any]:
    return {
        "provider": "openai-compatible",
        "provider_base_url": upstream.base_url,
        "provider_api_key": "own-key",
    }


def _get(gateway: Running, key: str, path: str) -> Answered:
    return gateway.call("GET", path, headers={"Authorization": f"Bearer {key}"})


def _ids(gateway: Running, key: str) -> list[str]:
    answer = _get(gateway, key, "/v1/models")
    assert answer.status == 200, answer.body
    assert answer.json["object"] == "list"
    return [one["id"] for one in answer.json["data"]]
