"""Where a question goes: aliases, defaults, fallbacks and retries, and whose key goes with it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.running import Answered, Running
from tests.upstream import (
    Answer,
    Comment,
    Html,
    Json,
    Received,
    Sse,
    Upstream,
    chunks,
    completion,
    error,
    failure,
)

HELLO = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True)
class Vendors:
    """Upstreams that know one key each: the client's own, and those of config.yaml."""

    own: Upstream
    openai: Upstream
    groq: Upstream
    mistral: Upstream

    def __iter__(self) -> Iterator[tuple[str, Upstream]]:
        yield from zip(("own", "openai", "groq", "mistral"), _upstreams(self), strict=True)

    def asked(self) -> dict[str, list[str | None]]:
        """The models that each was asked for; who was not asked is left out."""
        return {
            name: [received.model for received in upstream.requests]
            for name, upstream in self
            if upstream.requests
        }


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    with ExitStack() as stack:
        yield Vendors(*(stack.enter_context(Upstream()) for _ in range(4)))


@pytest.fixture(autouse=True)
def every_key_stays_at_home(vendors: Vendors) -> Iterator[None]:
    """After each test: no upstream saw another's key, nor a client's."""
    yield
    keys = {f"key-of-{name}" for name, _ in vendors}
    for name, upstream in vendors:
        for received in upstream.requests:
            assert received.keys == {f"key-of-{name}"}
            seen = _all_of(received)
            assert not [key for key in keys if key in seen and key != f"key-of-{name}"]
            assert "gm_" not in seen
        upstream.clear()


@pytest.fixture(scope="module")
def router(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with keys of its own for three vendors and a dead one, which tries once."""
    upstream = {"max_retries": 0, "first_byte_timeout": 0.3, "idle_timeout": 0.3}
    with Running(tmp_path_factory.mktemp("router"), _settings(vendors, upstream)) as running:
        yield running


@pytest.fixture(scope="module")
def patient(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same, but it tries each target three times, and waits for a moment at most."""
    upstream = {"max_retries": 2, "max_retry_delay": 0.05, "first_byte_timeout": 0.3}
    with Running(tmp_path_factory.mktemp("patient"), _settings(vendors, upstream)) as running:
        yield running


# Names


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("gpt-4", "exact"),
        ("gpt-4o", "gpt-4-family"),
        ("gpt-4", "exact"),
        ("gpt-3", "gpt-family"),
        ("gpt-", "gpt-family"),
        ("gpt", "anything"),
        ("claude", "anything"),
        ("exact", "anything"),
    ],
)
def test_the_very_alias_else_the_longest(
    router: Running, vendors: Vendors, asked: str, model: str
) -> None:
    key = _client(
        router,
        vendors,
        model_aliases={
            "*": "anything",
            "gpt-*": "gpt-family",
            "gpt-4*": "gpt-4-family",
            "gpt-4": "exact",
        },
    )
    vendors.own.always(Json(completion()))
    answer = _ask(router, key, model=asked)
    assert vendors.asked() == {"own": [model]}
    assert answer.headers["x-gateway-model"] == model
    row = _row(router, answer)
    assert (row["model_asked"], row["model"]) == (asked, model)


def test_an_alias_for_another_providers_model(router: Running, vendors: Vendors) -> None:
    key = _client(router, vendors, model_aliases={"fast": "groq/openai/gpt-oss-20b"})
    vendors.groq.always(Json(completion()))
    answer = _ask(router, key, model="fast")
    assert vendors.asked() == {"groq": ["openai/gpt-oss-20b"]}
    assert answer.headers["x-gateway-provider"] == "groq"


@pytest.mark.parametrize(
    ("asked", "went"),
    [
        ("vendor/model", {"own": ["vendor/model"]}),
        ("openai-compatible/gpt-x", {"own": ["gpt-x"]}),
        ("openai-compatible/openai/gpt-x", {"own": ["openai/gpt-x"]}),
        ("openai/gpt-x", {"openai": ["gpt-x"]}),
        ("groq/openai/gpt-x", {"groq": ["openai/gpt-x"]}),
        ("openai/", {"own": ["openai/"]}),
        ("Openai/gpt-x", {"own": ["Openai/gpt-x"]}),
    ],
)
def test_a_providers_name_in_front(
    router: Running, vendors: Vendors, asked: str, went: dict[str, list[str]]
) -> None:
    for _, upstream in vendors:
        upstream.always(Json(completion()))
    assert _ask(router, _client(router, vendors), model=asked).status == 200
    assert vendors.asked() == went


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}])
def test_the_default_model(router: Running, vendors: Vendors, body: dict[str, Any]) -> None:
    vendors.own.always(Json(completion()))
    key = _client(router, vendors, default_model="gpt-d", allowed_models=["gpt-x"])
    answer = router.chat(key, {"messages": HELLO} | body)
    assert answer.headers["x-gateway-model"] == "gpt-d"
    assert vendors.asked() == {"own": ["gpt-d"]}


def test_no_model_and_no_default(router: Running, vendors: Vendors) -> None:
    answer = router.chat(_client(router, vendors), {"messages": HELLO})
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert vendors.asked() == {}


@pytest.mark.parametrize("asked", ["gpt-x", "fast", "openai-compatible/gpt-x", "groq/llama"])
def test_an_allowed_model(router: Running, vendors: Vendors, asked: str) -> None:
    vendors.own.always(Json(completion()))
    vendors.groq.always(Json(completion()))
    key = _confined(router, vendors)
    assert _ask(router, key, model=asked).status == 200


@pytest.mark.parametrize(
    "asked", ["gpt-y", "dear", "fas", "GPT-X", "openai/gpt-x", "groq/gpt-x", "llama", "gpt-x "]
)
def test_a_model_that_is_not_allowed(router: Running, vendors: Vendors, asked: str) -> None:
    answer = _ask(router, _confined(router, vendors), model=asked)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["param"] == "model"
    assert vendors.asked() == {}


# Fallback


@pytest.mark.parametrize(
    "failed",
    [
        failure(500),
        failure(502),
        failure(503, retry_after=1),
        failure(504),
        failure(529),
        failure(408),
        failure(429),
        failure(429, code="insufficient_quota"),
        failure(401),
        failure(402),
        failure(403),
        Html(status=502),
        Html(status=200),
        Json(b""),
        Json(b"\x00"),
        Json(error("inside a 200")),
        Json({"choices": None}),
        Json(completion(), truncate=0.5),
        Json(completion(), length_error=9),
        Json(completion(), reset="before-head"),
        Json(completion(), close="mid-head"),
        Json(completion(), hang="before-head"),
        Json(completion(), hang=0.5),
    ],
)
def test_the_next_target_answers(router: Running, vendors: Vendors, failed: Answer) -> None:
    vendors.own.always(failed)
    vendors.openai.always(Json(completion("From the second")))
    answer = _ask(router, _client(router, vendors, fallback_models=["openai/gpt-f", "groq/g"]))
    assert answer.json["choices"][0]["message"]["content"] == "From the second"
    assert vendors.asked() == {"own": ["gpt-x"], "openai": ["gpt-f"]}
    assert _told(answer) == ("openai", "gpt-f", "2")
    row = _row(router, answer)
    assert (row["status"], row["provider"], row["model"]) == (200, "openai", "gpt-f")
    [attempt] = json.loads(row["attempt_log"])
    assert (attempt["provider"], attempt["model"]) == ("openai-compatible", "gpt-x")


@pytest.mark.parametrize(
    "failed",
    [
        failure(500),
        Sse([], done=False),
        Sse([Comment(), Comment()], done=False),
        Sse(chunks(), close=0),
        Sse([Comment(), *chunks()], reset=1),
        Sse(chunks(), reset=0.5),
        Sse([error("overloaded")]),
        Sse(["no JSON"]),
        Sse(chunks(), hang=0),
        Sse(chunks(), hang="before-head"),
        Html(),
        Json(error("inside a 200")),
    ],
)
def test_a_stream_falls_back_until_its_first_event(
    router: Running, vendors: Vendors, failed: Answer
) -> None:
    vendors.own.always(failed)
    vendors.groq.always(Sse(chunks(["From the second"])))
    answer = _ask(router, _client(router, vendors, fallback_models=["groq/g"]), stream=True)
    assert answer.status == 200
    assert b"From the second" in answer.body and answer.body.endswith(b"data: [DONE]\n\n")
    assert vendors.asked() == {"own": ["gpt-x"], "groq": ["g"]}
    assert _told(answer) == ("groq", "g", "2")


def test_nothing_falls_back_behind_the_first_event(router: Running, vendors: Vendors) -> None:
    vendors.own.always(Sse(chunks(["one", "two"]), close=2))
    answer = _ask(router, _client(router, vendors, fallback_models=["groq/g"]), stream=True)
    assert answer.status == 200 and b"one" in answer.body
    last = answer.body.rstrip().rpartition(b"\n\n")[2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_unreachable"
    assert vendors.asked() == {"own": ["gpt-x"]}
    assert _row(router, answer)["status"] == 502


def test_targets_are_tried_in_their_order(router: Running, vendors: Vendors) -> None:
    targets = ["openai/gpt-f", "vllm/gone", "gpt-own", "groq/openai/g", "mistral/m", "groq/never"]
    for upstream in (vendors.own, vendors.openai, vendors.groq):
        upstream.always(failure(500))
    vendors.mistral.always(Json(completion("At last")))
    answer = _ask(router, _client(router, vendors, fallback_models=targets))
    assert answer.json["choices"][0]["message"]["content"] == "At last"
    assert vendors.asked() == {
        "own": ["gpt-x", "gpt-own"],
        "openai": ["gpt-f"],
        "groq": ["openai/g"],
        "mistral": ["m"],
    }
    arrived = [upstream.requests[0].at for upstream in _upstreams(vendors)]
    assert arrived == sorted(arrived)
    assert _told(answer) == ("mistral", "m", "6")
    tried = json.loads(_row(router, answer)["attempt_log"])
    assert [(one["provider"], one["code"]) for one in tried] == [
        ("openai-compatible", "upstream_error"),
        ("openai", "upstream_error"),
        ("vllm", "upstream_unreachable"),
        ("openai-compatible", "upstream_error"),
        ("groq", "upstream_error"),
    ]


def test_the_last_failure_is_the_answer(router: Running, vendors: Vendors) -> None:
    vendors.own.always(failure(500))
    vendors.openai.always(failure(503))
    vendors.groq.always(failure(429, "slower", retry_after=7))
    answer = _ask(router, _client(router, vendors, fallback_models=["openai/gpt-f", "groq/g"]))
    assert (answer.status, answer.error["message"]) == (429, "slower")
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-should-retry"] == "false"
    assert _told(answer) == ("groq", "g", "3")


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_neither_tried_again_nor_elsewhere(
    patient: Running, vendors: Vendors, status: int, stream: bool
) -> None:
    refused = failure(status, "not like this", code="why", param="x", type="some_error")
    vendors.own.always(refused)
    key = _client(patient, vendors, fallback_models=["openai/gpt-f"])
    answer = _ask(patient, key, stream=stream)
    assert answer.status == status
    assert answer.error == {
        "message": "not like this",
        "type": "some_error",
        "param": "x",
        "code": "why",
    }
    assert vendors.asked() == {"own": ["gpt-x"]}
    assert "x-should-retry" not in answer.headers


def test_a_refusal_for_its_content_stays_a_403(router: Running, vendors: Vendors) -> None:
    vendors.own.always(failure(403, "flagged by moderation"))
    answer = _ask(router, _client(router, vendors, fallback_models=["openai/gpt-f"]))
    assert (answer.status, answer.error["message"]) == (403, "flagged by moderation")
    assert vendors.asked() == {"own": ["gpt-x"]}


def test_a_vendor_that_cannot_honour_the_question_is_passed_over(
    router: Running, vendors: Vendors
) -> None:
    vendors.own.always(Json(completion()))
    key = _client(router, vendors, fallback_models=["gpt-x"])
    answer = _ask(router, key, model="groq/g", logprobs=True)
    assert _told(answer) == ("openai-compatible", "gpt-x", "1")
    assert vendors.asked() == {"own": ["gpt-x"]}


def test_the_first_refusal_is_told_if_nobody_can_honour_it(
    router: Running, vendors: Vendors
) -> None:
    key = _client(router, vendors, fallback_models=["groq/g2"])
    answer = _ask(router, key, model="groq/g", logprobs=True)
    assert (answer.status, answer.error["param"]) == (400, "logprobs")
    assert answer.error["code"] == "unsupported_parameter"
    assert vendors.asked() == {}


# Credentials


def test_a_target_without_credentials_is_skipped(router: Running, vendors: Vendors) -> None:
    vendors.own.always(failure(500))
    vendors.groq.always(Json(completion()))
    key = _client(router, vendors, fallback_models=["xai/grok", "cohere/command", "groq/g"])
    answer = _ask(router, key)
    assert _told(answer) == ("groq", "g", "2")
    noted = json.loads(_row(router, answer)["attempt_log"])
    assert [one["skipped"].partition(":")[0] for one in noted if "skipped" in one] == [
        "No credentials for xAI",
        "No credentials for Cohere",
    ]


def test_nobody_has_credentials(router: Running, vendors: Vendors) -> None:
    key = router.client(provider="xai", fallback_models=["cohere/command"])
    answer = _ask(router, key)
    assert (answer.status, answer.error["code"]) == (502, "no_credentials")
    assert "xAI" in answer.error["message"]
    assert vendors.asked() == {}


def test_a_client_without_a_key_of_its_own_has_the_gateways(
    router: Running, vendors: Vendors
) -> None:
    vendors.openai.always(Json(completion()))
    assert _ask(router, router.client(provider="openai")).status == 200
    assert vendors.asked() == {"openai": ["gpt-x"]}


def test_the_gateways_key_goes_to_no_address_of_a_client(router: Running, vendors: Vendors) -> None:
    for provider in ("openai", "groq", "mistral", "vllm"):
        made = router.new_client(provider=provider, provider_base_url=vendors.own.base_url)
        answer = _ask(router, made["api_key"])
        if provider == "vllm":  # it needs no key, and gets none
            assert vendors.own.requests[0].keys == set()
            vendors.own.clear()
        else:
            assert (answer.status, answer.error["code"]) == (502, "no_credentials")
    assert vendors.asked() == {}


def test_a_clients_key_goes_to_no_address_of_the_gateways(
    router: Running, vendors: Vendors
) -> None:
    vendors.groq.always(failure(500))
    vendors.openai.always(failure(500))
    vendors.own.always(failure(500))
    key = router.client(
        provider="openai",
        provider_base_url=vendors.own.base_url,
        provider_api_key="key-of-own",
        fallback_models=["groq/g", "openai/gpt-f", "mistral/m"],
    )
    vendors.mistral.always(failure(500))
    assert _ask(router, key).status == 502
    assert vendors.asked() == {"own": ["gpt-x", "gpt-f"], "groq": ["g"], "mistral": ["m"]}


@pytest.mark.parametrize(
    "failed",
    [
        failure(400, "key-of-own is bad"),
        failure(401, "key-of-own is bad"),
        failure(429, "key-of-own is busy"),
        failure(500, "key-of-own is bad", headers={"x-key": "key-of-own"}),
        Html("<h1>key-of-own</h1>", status=500),
        Json(b"key-of-own", status=500),
        Json(b"key-of-own"),
        Json({"error": {"message": "x", "key-of-own": "key-of-own"}}),
        Sse([error("key-of-own is bad")]),
        Sse([*chunks()[:2], error("key-of-own is bad")]),
    ],
)
def test_upstreams_key_is_told_to_nobody(router: Running, vendors: Vendors, failed: Answer) -> None:
    vendors.own.always(failed)
    answer = _ask(router, _client(router, vendors), stream=isinstance(failed, Sse))
    assert b"key-of-own" not in answer.body
    assert "key-of-own" not in str(answer.header_pairs)
    assert "key-of-own" not in str(_row(router, answer))
    assert "key-of-own" not in router.output


# Retries


@pytest.mark.parametrize(
    "failed",
    [
        failure(500),
        failure(503),
        failure(529),
        failure(429),
        failure(429, retry_after=0),
        failure(429, headers={"retry-after-ms": "20"}),
        failure(503, headers={"x-ms-retry-after-ms": "20"}),
        Json(b""),
        Json(completion(), reset="mid-head"),
        Json(error("overloaded")),
    ],
)
def test_a_failure_that_may_pass_is_tried_again(
    patient: Running, vendors: Vendors, failed: Answer
) -> None:
    vendors.own.always([failed, failed, Json(completion("Third time lucky"))])
    answer = _ask(patient, _client(patient, vendors, fallback_models=["openai/gpt-f"]))
    assert answer.json["choices"][0]["message"]["content"] == "Third time lucky"
    assert vendors.asked() == {"own": ["gpt-x"] * 3}
    assert _told(answer) == ("openai-compatible", "gpt-x", "3")
    assert "x-should-retry" not in answer.headers
    assert len(json.loads(_row(patient, answer)["attempt_log"])) == 2


def test_a_stream_is_tried_again(patient: Running, vendors: Vendors) -> None:
    vendors.own.always([Sse(chunks(), close=0), failure(503), Sse(chunks(["Third"]))])
    answer = _ask(patient, _client(patient, vendors), stream=True)
    assert b"Third" in answer.body and _told(answer)[2] == "3"


def test_in_the_end_the_client_need_not_try_again(patient: Running, vendors: Vendors) -> None:
    vendors.own.always(failure(503, "busy"))
    vendors.groq.always(failure(500, "broken"))
    answer = _ask(patient, _client(patient, vendors, fallback_models=["groq/g"]))
    assert (answer.status, answer.error["message"]) == (502, "broken")
    assert vendors.asked() == {"own": ["gpt-x"] * 3, "groq": ["g"] * 3}
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-gateway-attempts"] == "6"


@pytest.mark.parametrize(
    "headers", [{"retry-after": "3600"}, {"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}]
)
def test_who_wants_too_long_a_wait_is_not_asked_again(
    patient: Running, vendors: Vendors, headers: dict[str, str]
) -> None:
    vendors.own.always(failure(429, headers=headers))
    answer = _ask(patient, _client(patient, vendors))
    assert answer.status == 429 and float(answer.headers["retry-after"]) >= 3600
    assert vendors.asked() == {"own": ["gpt-x"]}
    assert "x-should-retry" not in answer.headers


@pytest.mark.parametrize("failed", [failure(401), failure(402), Json("", hang="before-head")])
def test_what_will_not_pass_is_not_tried_again(
    patient: Running, vendors: Vendors, failed: Answer
) -> None:
    vendors.own.always(failed)
    vendors.groq.always(Json(completion()))
    answer = _ask(patient, _client(patient, vendors, fallback_models=["groq/g"]))
    assert answer.status == 200
    assert vendors.asked() == {"own": ["gpt-x"], "groq": ["g"]}


# What a client's settings put in


def test_a_system_prompt_comes_first(router: Running, vendors: Vendors) -> None:
    vendors.own.always(failure(500))
    vendors.groq.always(Json(completion()))
    key = _client(router, vendors, system_prompt="Be “brief”.\n", fallback_models=["groq/g"])
    asked = [{"role": "system", "content": "Be kind."}, *HELLO]
    _ask(router, key, messages=asked)
    prompt = {"role": "system", "content": "Be “brief”.\n"}
    for upstream in (vendors.own, vendors.groq):
        assert upstream.requests[0].json["messages"] == [prompt, *asked]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"max_tokens": 100}),
        ({"max_tokens": None}, {"max_tokens": 100}),
        ({"max_tokens": 5000}, {"max_tokens": 100}),
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 5000}, {"max_completion_tokens": 100}),
        (
            {"max_tokens": 5000, "max_completion_tokens": 7},
            {"max_tokens": 100, "max_completion_tokens": 7},
        ),
    ],
)
def test_the_output_is_capped(
    router: Running, vendors: Vendors, asked: dict[str, Any], sent: dict[str, int]
) -> None:
    vendors.own.always(Json(completion()))
    _ask(router, _client(router, vendors, max_output_tokens=100), **asked)
    assert _caps(vendors.own.requests[0]) == sent


@pytest.mark.parametrize(
    ("model", "asked", "field"),
    [
        ("openai/gpt-x", {}, "max_completion_tokens"),
        ("groq/g", {}, "max_tokens"),
        ("mistral/m", {}, "max_tokens"),
        ("mistral/m", {"max_completion_tokens": 5000}, "max_tokens"),
    ],
)
def test_the_cap_goes_into_the_vendors_field(
    router: Running, vendors: Vendors, model: str, asked: dict[str, int], field: str
) -> None:
    for _, upstream in vendors:
        upstream.always(Json(completion()))
    _ask(router, _client(router, vendors, max_output_tokens=100), model=model, **asked)
    [received] = [one for _, upstream in vendors for one in upstream.requests]
    assert _caps(received) == {field: 100}


def test_a_hint_that_a_vendor_does_not_know_is_dropped_and_named(
    router: Running, vendors: Vendors
) -> None:
    vendors.mistral.always(Json(completion()))
    answer = _ask(router, _client(router, vendors), model="mistral/m", user="me", store=True)
    dropped = answer.headers["x-gateway-dropped-params"].split(", ")
    assert sorted(dropped) == ["store", "user"]
    assert vendors.mistral.requests[0].json == {"model": "m", "messages": HELLO}
    assert sorted(json.loads(_row(router, answer)["dropped_params"])) == ["store", "user"]


def test_strict_params_allow_no_dropping(router: Running, vendors: Vendors) -> None:
    vendors.own.always(Json(completion()))
    key = _client(router, vendors, strict_params=True)
    answer = _ask(router, key, model="mistral/m", user="me")
    assert (answer.status, answer.error["param"]) == (400, "user")
    assert answer.error["code"] == "unsupported_parameter"
    assert vendors.asked() == {}
    assert _ask(router, key, user="me").status == 200


def test_the_demo_heeds_a_clients_settings(router: Running) -> None:
    bare = _ask(router, router.client(), model="demo").json["usage"]
    key = router.client(max_output_tokens=5, system_prompt="Be brief and kind. " * 10)
    answer = _ask(router, key, model="demo").json
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["prompt_tokens"] > bare["prompt_tokens"]


def _upstreams(vendors: Vendors) -> tuple[Upstream, ...]:
    return vendors.own, vendors.openai, vendors.groq, vendors.mistral


def _settings(vendors: Vendors, upstream: dict[str, Any]) -> dict[str, Any]:
    """config.yaml, with a dead address for vllm. No target is ever passed over for its failures."""
    with Upstream() as gone:
        pass
    providers = {
        name: {"api_key": f"key-of-{name}", "base_url": vendor.base_url}
        for name, vendor in vendors
        if name != "own"
    }
    providers["vllm"] = {"api_key": "key-of-vllm", "base_url": gone.base_url}
    return {
        "upstream": upstream,
        "breaker": {"failures": 1_000_000},
        "providers": providers,
        "logging": {"batch_ms": 10},
    }


def _client(gateway: Running, vendors: Vendors, **fields: Any) -> str:
    return gateway.client(
        provider="openai-compatible",
        provider_base_url=vendors.own.base_url,
        provider_api_key="key-of-own",
        **fields,
    )


def _confined(gateway: Running, vendors: Vendors) -> str:
    return _client(
        gateway,
        vendors,
        allowed_models=["gpt-x", "groq/llama"],
        model_aliases={"fast": "gpt-x", "dear": "gpt-pro"},
    )


def _ask(gateway: Running, key: str, **question: Any) -> Answered:
    body = {"model": "gpt-x", "messages": HELLO} | question
    return gateway.chat(key, body)


def _told(answer: Answered) -> tuple[str, str, str]:
    names = ("x-gateway-provider", "x-gateway-model", "x-gateway-attempts")
    provider, model, attempts = (answer.headers[name] for name in names)
    return provider, model, attempts


def _row(gateway: Running, answer: Answered) -> dict[str, Any]:
    return gateway.rows(1, request_id=answer.headers["x-request-id"])[0]


def _caps(received: Received) -> dict[str, int]:
    names = ("max_tokens", "max_completion_tokens")
    return {name: received.json[name] for name in names if name in received.json}


def _all_of(received: Received) -> str:
    """Everything that a request bore, as one text."""
    lines = [received.path, received.query, *map(": ".join, received.header_pairs)]
    return "\n".join([*lines, received.body.decode()])
