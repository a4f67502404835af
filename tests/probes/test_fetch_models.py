"""The models that a provider lists for a client's key."""

from typing import Any

import pytest

from tests.probes.scripted import client_of
from tests.running import Answered, Running
from tests.upstream import Answer, Html, Json, Upstream, failure, model_list


def fetched(gateway: Running, client_id: int) -> Answered:
    return gateway.admin("POST", f"/clients/{client_id}/fetch-models")


def test_what_the_provider_lists_in_order(gateway: Running, upstream: Upstream) -> None:
    body = model_list(["zeta", "alpha", "openai/gpt-4o"])
    body["data"][1]["context_length"] = 128_000
    upstream.script("/models", Json(body))
    answer = fetched(gateway, client_of(gateway, upstream, allowed_models=["zeta"]))
    assert answer.status == 200
    assert answer.json == {
        "provider": "openai-compatible",
        "listed": True,
        "models": [
            {"id": "alpha", "context_window": 128_000},
            {"id": "openai-compatible/openai/gpt-4o"},
            {"id": "zeta"},
        ],
    }
    assert [asked.keys for asked in upstream.requests] == [{"upstream-secret-key"}]


def test_it_is_asked_anew_each_time(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["one"])
    client_id = client_of(gateway, upstream)
    fetched(gateway, client_id)
    upstream.models(["one", "two"])
    assert [one["id"] for one in fetched(gateway, client_id).json["models"]] == ["one", "two"]


def test_a_long_list(gateway: Running, upstream: Upstream) -> None:
    names = [f"vendor/model-{number:03}" for number in range(400)]
    upstream.models(names)
    answer = fetched(gateway, client_of(gateway, upstream))
    assert [one["id"] for one in answer.json["models"]] == names


@pytest.mark.parametrize("provider", ["demo", "perplexity"])
def test_a_provider_without_a_list_of_which_models_are_known(
    gateway: Running, provider: str
) -> None:
    made = gateway.new_client(provider=provider, provider_api_key="key")
    answer = fetched(gateway, made["client"]["id"]).json
    assert answer["listed"] is False and len(answer["models"]) > 3


FAILURES: list[tuple[Answer, int, str, str]] = [
    (failure(401, "no such key"), 502, "upstream_authentication_error", "the gateway's key"),
    (failure(404), 404, "no_model_list", "has no list of models here"),
    (Html(status=503), 503, "upstream_overloaded", "HTML page"),
    (Json(b"<rubbish"), 502, "upstream_error", "not what it should be"),
]


@pytest.mark.parametrize(("answer", "status", "code", "words"), FAILURES)
def test_a_failure_is_told(
    gateway: Running, upstream: Upstream, answer: Answer, status: int, code: str, words: str
) -> None:
    upstream.always(answer)
    told = fetched(gateway, client_of(gateway, upstream))
    assert (told.status, told.error["code"]) == (status, code)
    assert words in told.error["message"]
    assert b"upstream-secret-key" not in told.body


def test_nobody_is_there(gateway: Running, upstream: Upstream) -> None:
    client_id = client_of(gateway, upstream, provider_base_url="http://127.0.0.1:9/v1")
    told = fetched(gateway, client_id)
    assert (told.status, told.error["code"]) == (502, "upstream_unreachable")
    assert "refused the connection" in told.error["message"]


def test_no_key_no_question(gateway: Running) -> None:
    told = fetched(gateway, gateway.new_client(provider="mistral")["client"]["id"])
    assert (told.status, told.error["code"]) == (502, "no_credentials")


def test_the_audit_log_tells_who_asked(gateway: Running, upstream: Upstream) -> None:
    upstream.models(["one"])
    client_id = client_of(gateway, upstream)
    fetched(gateway, client_id)
    newest: dict[str, Any] = gateway.admin("GET", "/audit").json["items"][0]
    assert (newest["action"], newest["subject_id"]) == ("client.fetch-models", client_id)
