"""A provider of OpenAI's dialect that can do all that the probes are about, or less."""

import json
from collections.abc import Mapping
from typing import Any

from tests.running import Running
from tests.upstream import Answer, Json, Received, Sse, Upstream, chunks, completion, model_list

MODEL = "some-model"
WEATHER = ("get_weather", {"city": "Bern"})
TIME = ("get_time", {"city": "Tokyo"})
ABLE: Mapping[str, Answer] = {
    "models": Json(model_list([MODEL, "another"])),
    "whole": Json(completion("OK")),
    "stream": Sse(chunks(["one", " two"], usage=True)),
    "tools": Json(completion(None, tool_calls=[WEATHER])),
    "parallel_tools": Json(completion(None, tool_calls=[WEATHER, TIME])),
    "json_schema": Json(completion(json.dumps({"city": "Tokyo", "inhabitants": 37_000_000}))),
    "image": Json(completion("Red.")),
}


def play(upstream: Upstream, **answers: Answer) -> None:
    """Answers each probe as ABLE does, but for those that are named."""
    upstream.always(lambda received: {**ABLE, **answers}[probe_of(received)])


def probe_of(received: Received) -> str:
    if received.method == "GET":
        return "models"
    body = received.json
    if "tools" in body:
        return "tools" if len(body["tools"]) == 1 else "parallel_tools"
    if "response_format" in body:
        return "json_schema"
    if body.get("stream"):
        return "stream"
    return "image" if isinstance(body["messages"][-1]["content"], list) else "whole"


def client_of(gateway: Running, upstream: Upstream, **fields: Any) -> int:
    """A client whose provider this is."""
    return int(new_client(gateway, upstream, **fields)["client"]["id"])


def new_client(gateway: Running, upstream: Upstream, **fields: Any) -> dict[str, Any]:
    """The same, with its key."""
    usual: dict[str, Any] = {
        "provider": "openai-compatible",
        "provider_base_url": upstream.base_url,
        "provider_api_key": "upstream-secret-key",
        "default_model": MODEL,
    }
    return gateway.new_client(**{**usual, **fields})


def outcome(gateway: Running, client_id: int, body: Any = None) -> dict[str, Any]:
    """A client's new test, at its end."""
    began = gateway.admin("POST", f"/clients/{client_id}/test", body)
    assert began.status == 202, began.body
    return ended(gateway, client_id)


def ended(gateway: Running, client_id: int) -> dict[str, Any]:
    gateway.wait_until(lambda: shown(gateway, client_id)["state"] != "running", "the test's end")
    return shown(gateway, client_id)


def shown(gateway: Running, client_id: int) -> dict[str, Any]:
    test: dict[str, Any] = gateway.admin("GET", f"/clients/{client_id}/test").json
    return test


def results(test: Mapping[str, Any]) -> dict[str, str]:
    return {one["probe"]: one["status"] for one in test["results"]}


def details(test: Mapping[str, Any]) -> dict[str, str]:
    return {one["probe"]: one["detail"] for one in test["results"]}
