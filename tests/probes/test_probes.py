"""Each probe: what a provider that can, refuses, hangs, or talks rubbish comes to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.probes import PROBES
from tests.probes.scripted import (
    MODEL,
    WEATHER,
    client_of,
    details,
    ended,
    new_client,
    outcome,
    play,
    probe_of,
    results,
    shown,
)
from tests.running import Running
from tests.spoken import Call, Said, answer, offered
from tests.upstream import (
    Answer,
    Html,
    Json,
    Received,
    Sse,
    Upstream,
    chunks,
    completion,
    failure,
    model_list,
)

ALL_OK = dict.fromkeys(PROBES, "ok")
FEATURES = ("tools", "parallel_tools", "json_schema", "image")
REFUSAL = failure(400, "this model cannot do that", type="invalid_request_error")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway whose probes wait for a second."""
    with Running(tmp_path_factory.mktemp("impatient"), {"admin": {"test_timeout": 1}}) as running:
        yield running


def test_a_provider_that_can_do_all(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    test = outcome(gateway, client_of(gateway, upstream))
    assert results(test) == ALL_OK
    assert (test["state"], test["model"], test["provider"], test["actor"]) == (
        *("done", MODEL, "openai-compatible", "token"),
    )
    assert [one["title"] for one in test["results"]] == list(PROBES.values())
    assert all(one["ms"] >= 0 for one in test["results"])
    told = details(test)
    assert told["models"] == f"2 models. “{MODEL}” is among them."
    assert told["stream"].startswith("The text came in 2 pieces, the first after ")
    assert told["stream_usage"] == "9 tokens in, 4 out."
    assert told["tools"] == 'It called get_weather({"city": "Bern"}).'
    assert {key for asked in upstream.requests for key in asked.keys} == {"upstream-secret-key"}


# Of one probe, what the provider answers, and what that shows.
SHOWN: list[tuple[str, Answer, str, str]] = [
    ("models", failure(404), "not_supported", "no list"),
    ("models", failure(401, "bad key"), "failed", "does not accept the gateway's key: bad key"),
    ("models", Html(status=502), "failed", "HTML page"),
    ("models", Json(b"rubbish"), "failed", "rubbish"),
    ("models", Json(model_list(["another"])), "ok", f"“{MODEL}” is not among them"),
    ("whole", Json(completion("", finish="length")), "unclear", "it was cut off before"),
    ("whole", Json(completion(None)), "unclear", "without a text"),
    ("stream", Sse(chunks(["one two"], usage=True)), "ok", "in one piece"),
    ("stream", Sse(chunks([], usage=True)), "unclear", "without a text"),
    ("tools", REFUSAL, "not_supported", "this model cannot do that"),
    ("tools", failure(404, "No endpoints support tools"), "not_supported", "No endpoints"),
    ("tools", failure(500, "broken"), "failed", "broken"),
    ("tools", Json(completion("It rains.")), "unclear", "answered without calling the tool"),
    ("tools", Json(completion("", finish="length")), "unclear", "it was cut off before"),
    ("tools", Json(completion(None, tool_calls=[("other", {})])), "failed", "not given"),
    ("tools", Json(b"{"), "failed", "not what it should be"),
    ("parallel_tools", REFUSAL, "not_supported", "this model cannot do that"),
    (
        *("parallel_tools", Json(completion(None, tool_calls=[WEATHER]))),
        *("unclear", "“get_weather” alone"),
    ),
    ("parallel_tools", Json(completion("No.")), "unclear", "without calling a tool"),
    ("json_schema", REFUSAL, "not_supported", "this model cannot do that"),
    ("json_schema", Json(completion("Tokyo, 37 million")), "not_supported", "is no JSON"),
    ("json_schema", Json(completion('{"name": "Tokyo"}')), "not_supported", "does not fit"),
    ("json_schema", Json(completion('{"city": "To', finish="length")), "unclear", "cut off"),
    ("json_schema", Html(), "failed", "HTML page"),
    ("image", REFUSAL, "not_supported", "this model cannot do that"),
    ("image", failure(415, "text only"), "not_supported", "text only"),
    ("image", Json(completion("Blue")), "unclear", "its colour not named: “Blue”"),
    ("image", failure(429, "slower"), "failed", "slower"),
]


@pytest.mark.parametrize(("probe", "answer", "status", "detail"), SHOWN)
def test_what_one_answer_shows(
    gateway: Running, upstream: Upstream, probe: str, answer: Answer, status: str, detail: str
) -> None:
    play(upstream, **{probe: answer})
    test = outcome(gateway, client_of(gateway, upstream))
    found = results(test)
    assert found[probe] == status
    assert detail in details(test)[probe]
    given_up = {"parallel_tools"} if found["tools"] in ("failed", "not_supported") else set()
    others = {name: result for name, result in found.items() if name != probe}
    assert others == {
        name: "not_tried" if name in given_up else "ok" for name in PROBES if name != probe
    }


def test_arguments_that_are_no_json(gateway: Running, upstream: Upstream) -> None:
    body = completion(None, tool_calls=[WEATHER])
    body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = "Bern!"
    play(upstream, tools=Json(body))
    test = outcome(gateway, client_of(gateway, upstream))
    assert results(test)["tools"] == "failed"
    assert "no JSON object: “Bern!”" in details(test)["tools"]


def test_a_stream_without_usage(gateway: Running, upstream: Upstream) -> None:
    play(upstream, stream=Sse(chunks(["one", "two"])))
    test = outcome(gateway, client_of(gateway, upstream))
    assert results(test) == ALL_OK | {"stream_usage": "not_supported"}


@pytest.mark.parametrize(
    "answer",
    [failure(400, "no streams"), Sse(chunks(["one"]), truncate=1.5), Json(b"rubbish")],
    ids=["refused", "cut", "rubbish"],
)
def test_a_stream_that_fails(gateway: Running, upstream: Upstream, answer: Answer) -> None:
    play(upstream, stream=answer)
    test = outcome(gateway, client_of(gateway, upstream))
    assert results(test) == ALL_OK | {"stream": "failed", "stream_usage": "not_tried"}


def test_a_model_that_only_streams(gateway: Running, upstream: Upstream) -> None:
    play(upstream, whole=failure(400, "this model only streams"))
    test = outcome(gateway, client_of(gateway, upstream))
    assert results(test) == ALL_OK | {"whole": "failed"} | dict.fromkeys(FEATURES, "not_tried")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (failure(401, "no such key upstream-secret-key"), "does not accept the gateway's key"),
        (failure(404, "no model of this name", code="model_not_found"), "no model of this name"),
        (failure(402, "pay first"), "pay first"),
        (failure(429, "too many"), "too many"),
    ],
    ids=["wrong-key", "unknown-model", "unpaid", "limited"],
)
def test_what_meets_every_question_is_met_once(
    gateway: Running, upstream: Upstream, answer: Answer, why: str
) -> None:
    play(upstream, whole=answer)
    test = outcome(gateway, client_of(gateway, upstream))
    found = results(test)
    assert (found.pop("models"), found.pop("whole")) == ("ok", "failed")
    assert set(found.values()) == {"not_tried"}
    assert why in details(test)["whole"]
    assert [probe_of(asked) for asked in upstream.requests] == ["models", "whole"]
    assert "upstream-secret-key" not in json.dumps(test)


def test_nobody_is_there(gateway: Running, upstream: Upstream) -> None:
    client_id = client_of(gateway, upstream, provider_base_url="http://127.0.0.1:9/v1")
    test = outcome(gateway, client_id)
    told = details(test)
    assert "127.0.0.1:9 refused the connection" in told["models"]
    assert "127.0.0.1:9 refused the connection" in told["whole"]
    assert set(list(results(test).values())[2:]) == {"not_tried"}


def test_without_a_key_nothing_goes_out(gateway: Running) -> None:
    made = gateway.new_client(provider="mistral", default_model="mistral-small")
    test = outcome(gateway, made["client"]["id"])
    assert "No credentials for Mistral" in details(test)["whole"]


def test_an_answer_without_end_is_left(gateway: Running, upstream: Upstream) -> None:
    play(upstream, stream=Sse(chunks(["x" * 50_000] * 40, usage=True)))
    test = outcome(gateway, client_of(gateway, upstream))
    assert "has no end" in details(test)["stream"]


def test_hostile_words_stay_short_and_on_one_line(gateway: Running, upstream: Upstream) -> None:
    play(upstream, whole=Json(completion("<b>\n\0\u202e" + "y" * 10_000)))
    test = outcome(gateway, client_of(gateway, upstream))
    said = details(test)["whole"]
    assert said.startswith("It said “<b> y") and len(said) < 200 and said.isprintable()


def test_what_a_provider_does_not_know_is_left_out_and_told(
    gateway: Running, upstream: Upstream
) -> None:
    """DeepSeek has no json_schema; the gateway asks for the same in words."""
    play(upstream)
    client_id = client_of(gateway, upstream, provider="deepseek", default_model="deepseek-chat")
    test = outcome(gateway, client_id)
    assert results(test)["json_schema"] == "ok"
    assert "told of it in words" in details(test)["json_schema"]


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_other_dialects_are_asked_in_their_own(
    gateway: Running, upstream: Upstream, provider: str
) -> None:
    upstream.always(lambda received: said_by(provider, received))
    client_id = client_of(
        gateway, upstream, provider=provider, provider_base_url=upstream.origin, default_model="m-1"
    )
    test = outcome(gateway, client_id)
    assert results(test) == ALL_OK
    assert details(test)["models"] == "1 model. “m-1” is among them."
    assert details(test)["stream_usage"] == "9 tokens in, 4 out."


def said_by(provider: str, received: Received) -> Answer:
    """What each probe hopes for, by what the question says or offers."""
    if received.method == "GET":
        names = [{"name": "models/m-1", "supportedGenerationMethods": ["generateContent"]}]
        return Json({"data": [{"id": "m-1", "type": "model"}], "models": names})
    calls = tuple(
        Call(f"call_{name}", name, {"city": "Bern"}) for name in offered(provider, received.json)
    )
    asked = received.body.decode()
    if "Which colour" in asked:
        return answer(provider, Said("Red"), received)
    if "Name a large city" in asked:
        return answer(provider, Said('{"city": "Tokyo", "inhabitants": 37000000}'), received)
    return answer(provider, Said("" if calls else "OK", calls), received)


def test_aliases_lead_where_calls_go(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    client_id = client_of(gateway, upstream, default_model=None, model_aliases={"fast": MODEL})
    test = outcome(gateway, client_id)
    assert (test["model"], test["results"][1]["model"]) == ("fast", MODEL)


def test_a_model_may_be_named(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    test = outcome(gateway, client_of(gateway, upstream), {"model": "another"})
    assert {asked.model for asked in upstream.requests[1:]} == {"another"}
    assert test["model"] == "another"


def test_a_model_that_the_client_may_not_use(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    client_id = client_of(gateway, upstream, allowed_models=[MODEL])
    test = outcome(gateway, client_id, {"model": "another"})
    assert "this client may not use it" in details(test)["whole"]
    assert [probe_of(asked) for asked in upstream.requests] == ["models"]


@pytest.mark.parametrize(("listed", "tried"), [(["only"], True), (["one", "two"], False)])
def test_without_a_name_the_only_model_is_tried(
    gateway: Running, upstream: Upstream, listed: list[str], tried: bool
) -> None:
    play(upstream, models=Json(model_list(listed)))
    test = outcome(gateway, client_of(gateway, upstream, default_model=None))
    assert (results(test)["whole"] == "ok") is tried
    if not tried:
        assert "no default model" in details(test)["whole"]


def test_fallbacks_and_the_gateways_tools_stay_out_of_it(
    gateway: Running, upstream: Upstream
) -> None:
    assert gateway.admin("PUT", "/tools", {"enabled": ["get_time"]}).status == 200
    play(upstream, whole=failure(500, "broken"))
    client_id = client_of(
        gateway,
        upstream,
        fallback_models=["demo/demo"],
        tool_mode="gateway",
        server_tools=["*"],
        system_prompt="Be brief.",
    )
    test = outcome(gateway, client_id)
    gateway.admin("PUT", "/tools", {"enabled": []})
    assert results(test)["whole"] == "failed"
    whole = next(asked for asked in upstream.requests if probe_of(asked) == "whole")
    assert whole.json["messages"][0] == {"role": "system", "content": "Be brief."}


def test_it_is_in_the_log_with_its_cost_and_counts_against_no_limit(
    gateway: Running, upstream: Upstream
) -> None:
    play(upstream)
    limits: dict[str, Any] = {"rate_limit_day": 2, "budget_usd_day": 1, "max_concurrent": 1}
    made = new_client(gateway, upstream, **limits, quota_output_tokens_day=1)
    client_id = made["client"]["id"]
    test = outcome(gateway, client_id)
    assert results(test) == ALL_OK
    rows = gateway.rows(6, client_id=client_id)
    assert {json.loads(row["flags"])[0] for row in rows} == {"connection_test"}
    assert sum(row["output_tokens"] for row in rows) == 24
    named = {one["request_id"] for one in test["results"] if one["request_id"]}
    assert named == {row["request_id"] for row in rows}
    used = gateway.call("GET", "/v1/usage", headers={"Authorization": f"Bearer {made['api_key']}"})
    assert {one["used"] for one in used.json["limits"]} == {0}


def test_a_disabled_client_can_be_outcome(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    test = outcome(gateway, client_of(gateway, upstream, is_active=False))
    assert results(test) == ALL_OK


def test_one_at_a_time_and_each_result_as_it_comes(gateway: Running, upstream: Upstream) -> None:
    play(upstream, tools=Json(completion(None, tool_calls=[WEATHER]), hang=0))
    client_id = client_of(gateway, upstream)
    path = f"/clients/{client_id}/test"
    assert gateway.admin("POST", path).status == 202
    upstream.wait(4)
    gateway.wait_until(lambda: len(gateway.admin("GET", path).json["results"]) == 4, "4 results")
    test = gateway.admin("GET", path).json
    assert test["state"] == "running" and test["ended_at"] is None
    second = gateway.admin("POST", path)
    assert (second.status, second.error["code"]) == (409, "test_running")
    upstream.release()
    assert results(ended(gateway, client_id)) == ALL_OK
    play(upstream)
    assert results(outcome(gateway, client_id)) == ALL_OK


def test_a_client_that_goes_takes_its_test_along(gateway: Running, upstream: Upstream) -> None:
    play(upstream, whole=Json(completion("OK"), hang=0))
    client_id = client_of(gateway, upstream)
    assert gateway.admin("POST", f"/clients/{client_id}/test").status == 202
    upstream.wait(2)
    assert gateway.admin("DELETE", f"/clients/{client_id}").status == 204
    upstream.release()
    assert gateway.admin("GET", f"/clients/{client_id}/test").status == 404


def test_the_audit_log_tells_who_outcome(gateway: Running, upstream: Upstream) -> None:
    play(upstream)
    client_id = client_of(gateway, upstream)
    outcome(gateway, client_id)
    newest = gateway.admin("GET", "/audit").json["items"][0]
    assert (newest["actor"], newest["action"], newest["subject_id"]) == (
        *("token", "client.test", client_id),
    )
    assert newest["changes"] == {"model": {"from": None, "to": MODEL}}


@pytest.mark.parametrize(
    ("body", "status"),
    [({"model": 1}, 422), ({"model": "x" * 256}, 422), ({"colour": "red"}, 422), ([], 400)],
)
def test_what_cannot_be_asked_for(
    gateway: Running, upstream: Upstream, body: Any, status: int
) -> None:
    client_id = client_of(gateway, upstream)
    assert gateway.admin("POST", f"/clients/{client_id}/test", body).status == status
    assert gateway.admin("GET", f"/clients/{client_id}/test").json["state"] == "none"


@pytest.mark.parametrize("client_id", [987654, 10**30])
def test_a_client_that_is_not_there(gateway: Running, client_id: int) -> None:
    for method, path in (("GET", "test"), ("POST", "test"), ("POST", "fetch-models")):
        answer = gateway.admin(method, f"/clients/{client_id}/{path}")
        assert (answer.status, answer.error["code"]) == (404, "client_not_found")


def test_what_hangs_is_left_in_time(impatient: Running, upstream: Upstream) -> None:
    """The model streams, but gives no whole answer."""
    play(upstream, whole=Json(completion("OK"), hang="before-head"))
    client_id = client_of(impatient, upstream)
    test = outcome(impatient, client_id)
    found = results(test)
    assert (found["whole"], details(test)["whole"]) == ("failed", "No answer within 1 s")
    assert {found[name] for name in FEATURES} == {"not_tried"}
    row, *_ = impatient.rows(1, client_id=client_id, error_code="test_out_of_time")
    assert (row["status"], row["attempts"]) == (499, 1)


@pytest.mark.parametrize("probe", ["models", "stream", "tools"])
def test_whatever_hangs_the_test_goes_on(
    impatient: Running, upstream: Upstream, probe: str
) -> None:
    play(upstream, **{probe: Json(completion("OK"), hang=0)})
    test = outcome(impatient, client_of(impatient, upstream))
    assert (results(test)[probe], details(test)[probe]) == ("failed", "No answer within 1 s")
    assert results(test)["image"] in ("ok", "failed")


def test_a_worker_that_ends_leaves_no_test_open(tmp_path: Path, upstream: Upstream) -> None:
    play(upstream, whole=Json(completion("OK"), hang=0))
    with Running(tmp_path) as gateway:
        client_id = client_of(gateway, upstream)
        assert gateway.admin("POST", f"/clients/{client_id}/test").status == 202
        upstream.wait(2)
        gateway.stop()
        gateway.start()
        test = shown(gateway, client_id)
    assert test["state"] == "done"
    assert details(test)["whole"] == "The test was broken off."
