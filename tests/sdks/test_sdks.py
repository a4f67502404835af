"""Every major of the vendors' SDKs reads the same at the gateway, whoever the vendor behind it is.

Each SDK runs in a process of its own and asks each case once; the upstream answers by the case's
name in the question.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import spoken
from tests.environments import node_environment, python_environment
from tests.running import Running
from tests.spoken import Call, Said
from tests.upstream import Answer, Json, Named, Received, Sse, Upstream, model_list

HERE = Path(__file__).parent
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOLS = [("weather", "city"), ("clock", "zone")]
CALLS = (
    Call("call_w1", "weather", {"city": "Zürich"}),
    Call("call_c1", "clock", {"zone": "Europe/Zurich"}),
)
RESULTS = ["21 °C", "12:30"]
CITY = {"name": "Bern", "rivers": ["Aare"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "rivers": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "rivers"],
    "additionalProperties": False,
}
STATUSES = [400, 404, 429, 500]
COUNTED = 7
MODELS = ["model-a", "model-b"]
TEXT = "Grüezi 🏔 from upstream"
SAID = {
    "plain": Said(TEXT),
    "stream": Said(TEXT),
    "tools": Said("", CALLS),
    "tools_stream": Said("", CALLS),
    "tool_result": Said("21 °C at 12:30"),
    "image": Said("A pixel"),
    "structured": Said(json.dumps(CITY)),
}
# Each vendor's way in, and a model of it.
VENDORS = {
    "openai": ("openai-compatible", "/v1", "some-model"),
    "anthropic": ("anthropic", "", "claude-sonnet-4-5"),
    "gemini": ("gemini", "", "gemini-2.5-flash"),
}
GOOGLES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
ANTHROPICS = {
    400: "invalid_request_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}
STAINLESS = {
    "400": ["BadRequestError", 400],
    "404": ["NotFoundError", 404],
    "429": ["RateLimitError", 429],
    "500": ["InternalServerError", 502],
    "key": ["AuthenticationError", 401],
}
# Google's has no class for each status, and Node's has but one.
GENAI: dict[str, list[Any]] = {
    "400": ["ClientError", 400],
    "404": ["ClientError", 404],
    "429": ["ClientError", 429],
    "500": ["ServerError", 502],
    "key": ["ClientError", 401],
}
ERRORS = {
    "openai_client.py": STAINLESS,
    "openai_client.mjs": STAINLESS,
    "anthropic_client.py": STAINLESS,
    "anthropic_client.mjs": STAINLESS,
    "genai_client.py": GENAI,
    "genai_client.mjs": {what: ["ApiError", status] for what, (_, status) in GENAI.items()},
}
_CASE = re.compile(rb"case (\w+)")


@dataclass(frozen=True)
class Sdk:
    """`driver` in Python, with the requirements of `environment` (None: those of the tests), or in
    Node.
    """

    name: str
    driver: str
    environment: str | None = None

    def command(self) -> list[str]:
        script = HERE / "drivers" / self.driver
        if script.suffix == ".mjs":
            modules = node_environment(HERE / "package.json")
            # It finds them from where it stands.
            return ["node", str(shutil.copy(str(script), str(modules.parent)))]
        if self.environment is None:
            return [sys.executable, str(script)]
        return [str(python_environment(HERE / f"{self.environment}.txt")), str(script)]


SDKS = [
    Sdk("openai", "openai_client.py"),
    Sdk("anthropic-0.125", "anthropic_client.py", "anthropic-0.125"),
    Sdk("anthropic-1.17", "anthropic_client.py", "anthropic-1.17"),
    Sdk("anthropic-2.12", "anthropic_client.py"),
    Sdk("google-genai-2.34", "genai_client.py", "google-genai-2.34"),
    Sdk("google-genai-3.4", "genai_client.py"),
    Sdk("node-openai", "openai_client.mjs"),
    Sdk("node-anthropic", "anthropic_client.mjs"),
    Sdk("node-google-genai", "genai_client.mjs"),
]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
def test_an_sdk_reads_every_case(
    gateway: Running, upstream: Upstream, sdk: Sdk, vendor: str
) -> None:
    upstream.always(lambda received: _answer(vendor, received))
    read = _run(sdk, gateway, upstream, vendor)
    tokens = [9, 4]
    for case, said in SAID.items():
        if case == "structured":
            assert read[case] == CITY
            continue
        calls = [[call.name, call.arguments] for call in said.calls]
        finish = "tool_calls" if calls else "stop"
        wanted = {"text": said.text, "calls": calls, "finish": finish, "tokens": tokens}
        assert read[case] == wanted, case
    assert read["errors"] == ERRORS[sdk.driver]
    assert read["mid_stream"] == ["Half", True]
    assert read["models"] == MODELS
    if not sdk.driver.startswith("openai"):
        # Where nobody counts, the gateway estimates.
        assert read["count"] > 0 if vendor == "openai" else read["count"] == COUNTED


def _run(sdk: Sdk, gateway: Running, upstream: Upstream, vendor: str) -> dict[str, Any]:
    provider, path, model = VENDORS[vendor]
    key = gateway.client(
        provider=provider, provider_base_url=upstream.origin + path, provider_api_key="k"
    )
    asked = {
        "origin": gateway.origin,
        "key": key,
        "model": model,
        "tools": TOOLS,
        "results": RESULTS,
        "pixel": PIXEL,
        "schema": SCHEMA,
        "statuses": STATUSES,
    }
    ran = subprocess.run(
        sdk.command(),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    read: dict[str, Any] = json.loads(ran.stdout)
    return read


def _answer(vendor: str, received: Received) -> Answer:
    if received.method == "GET":
        return _models(vendor)
    found = _CASE.search(received.body)
    assert found is not None, received.body
    case = found[1].decode()
    if case == "count":
        return Json({"input_tokens": COUNTED, "totalTokens": COUNTED})
    if case == "mid_stream":
        return _broken(vendor)
    if case.startswith("error_"):
        return _error(vendor, int(case.removeprefix("error_")))
    if case == "tool_result":
        results = spoken.results(vendor, received.json)
        assert [result for result in RESULTS if result in "".join(results)] == RESULTS
    if case == "structured":
        assert b'"rivers"' in received.body
    if case == "image":
        # Google's own SDK writes URL-safe base64, which is relayed as it came.
        assert PIXEL in received.body.decode().replace("-", "+").replace("_", "/")
    return spoken.answer(vendor, SAID[case], received)


def _models(vendor: str) -> Answer:
    if vendor == "gemini":
        methods = ["generateContent"]
        rows = [{"name": f"models/{id}", "supportedGenerationMethods": methods} for id in MODELS]
        return Json({"models": rows})
    if vendor == "anthropic":
        rows = [
            {"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"}
            for id in MODELS
        ]
        return Json({"data": rows, "has_more": False, "first_id": None, "last_id": None})
    return Json(model_list(MODELS))


def _broken(vendor: str) -> Sse:
    """Half a stream, and an error in the vendor's words."""
    whole = spoken.STREAMS[vendor](Said("HalfHalf"))
    pieces = {"openai": 2, "anthropic": 3, "gemini": 1}[vendor]
    error = _failure(vendor, 503)
    last = Named("error", error) if vendor == "anthropic" else error
    return Sse([*whole.events[:pieces], last], done=False)


def _error(vendor: str, status: int) -> Json:
    return Json(_failure(vendor, status), status=status)


def _failure(vendor: str, status: int) -> dict[str, Any]:
    message = f"upstream says {status}"
    if vendor == "gemini":
        return {"error": {"code": status, "message": message, "status": GOOGLES[status]}}
    if vendor == "anthropic":
        return {"type": "error", "error": {"type": ANTHROPICS[status], "message": message}}
    return {"error": {"message": message, "type": "api_error", "param": None, "code": None}}
