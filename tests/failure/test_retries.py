"""When a call is tried again, and when not."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.failure.caller import QUESTION, STREAMED
from tests.failure.calls import STREAM, WHOLE, ask, both, client_of, events_of, good_for, written
from tests.running import Running
from tests.upstream import Answer, Html, Json, Raw, Sse, Upstream, error, failure, redirect


@pytest.fixture(scope="module")
def retrying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that tries three times, with next to no pause."""
    settings = {"max_retries": 2, "max_retry_delay": 0.1}
    with Running(tmp_path_factory.mktemp("retrying"), {"upstream": settings}) as running:
        yield running


RETRIED: dict[str, Answer] = {
    **{str(status): failure(status) for status in (408, 429, 500, 502, 503, 504, 520, 524, 529)},
    "a reset": WHOLE.but(reset="before-head"),
    "half an answer": WHOLE.but(close=0.5),
    "half an event": STREAM.but(close=0.5),
    "garbage": Raw(b"garbage"),
    "an empty answer": Json(b""),
    "a page": Html(),
    "an error inside a 200": Json(error("Sorry", code=503)),
}


class TestAnotherTry:
    @both
    @pytest.mark.parametrize("said", RETRIED.values(), ids=RETRIED.keys())
    def test_may_help(
        self, retrying: Running, upstream: Upstream, question: Any, said: Answer
    ) -> None:
        good = good_for(question)
        upstream.always([said, said, good])
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.body) == (200, written(good))
        assert answer.headers["x-gateway-attempts"] == "3"
        assert "x-should-retry" not in answer.headers
        assert [r.json for r in upstream.requests] == [upstream.requests[0].json] * 3

    @both
    def test_may_not_help_and_the_client_shall_not_repeat_it(
        self, retrying: Running, upstream: Upstream, question: Any
    ) -> None:
        upstream.always(failure(500, "Sorry"))
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.error["message"]) == (502, "Sorry")
        assert answer.headers["x-gateway-attempts"] == "3"
        assert answer.headers["x-should-retry"] == "false"
        assert len(upstream.requests) == 3

    @both
    def test_ends_with_what_upstream_said_last(
        self, retrying: Running, upstream: Upstream, question: Any
    ) -> None:
        upstream.always([failure(500), failure(503), failure(400, "No")])
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert (answer.status, answer.error["message"]) == (400, "No")
        assert len(upstream.requests) == 3

    @both
    @pytest.mark.parametrize(
        "said",
        [
            *[failure(status) for status in (400, 401, 402, 403, 404, 409, 413, 422, 501)],
            failure(429, code="insufficient_quota"),
            failure(429, retry_after=60),
            redirect("http://127.0.0.1:1/"),
            Json(error("Sorry", type="invalid_request_error")),
        ],
        ids=lambda said: f"{said.status} {said.body}",
    )
    def test_is_not_made_where_it_cannot_help(
        self, retrying: Running, upstream: Upstream, question: Any, said: Answer
    ) -> None:
        upstream.always(said)
        answer = ask(retrying, client_of(retrying, upstream), question)
        assert answer.status >= 400
        assert answer.headers["x-gateway-attempts"] == "1"
        assert "x-should-retry" not in answer.headers
        assert len(upstream.requests) == 1

    def test_is_made_when_upstream_asks_for_a_short_wait(
        self, retrying: Running, upstream: Upstream
    ) -> None:
        upstream.always([failure(429, retry_after="0.05"), WHOLE])
        answer = ask(retrying, client_of(retrying, upstream), QUESTION)
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "2")

    @pytest.mark.parametrize(
        "headers",
        [
            {"retry-after-ms": "60000"},
            {"x-ms-retry-after-ms": "60000"},
            {"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"},
        ],
    )
    def test_is_not_made_when_upstream_asks_for_a_long_wait(
        self, retrying: Running, upstream: Upstream, headers: dict[str, str]
    ) -> None:
        upstream.always(failure(429, headers=headers))
        answer = ask(retrying, client_of(retrying, upstream), QUESTION)
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (429, "1")
        assert float(answer.headers["retry-after"]) >= 60

    def test_is_not_made_once_the_stream_has_begun(
        self, retrying: Running, upstream: Upstream
    ) -> None:
        upstream.always(STREAM.but(reset=2))
        answer = ask(retrying, client_of(retrying, upstream), STREAMED)
        assert "error" in events_of(answer)[-1]
        assert len(upstream.requests) == 1


def test_a_models_accident_is_worth_one_more_try(retrying: Running, upstream: Upstream) -> None:
    """Groq's `tool_use_failed`: its model wrote a call that is none."""
    bad = failure(400, "Failed to call a function", code="tool_use_failed")
    row = {"provider_base_url": upstream.base_url, "provider_api_key": "k"}
    key = retrying.client(provider="groq", **row)
    upstream.always([bad, WHOLE])
    assert ask(retrying, key, QUESTION).headers["x-gateway-attempts"] == "2"
    upstream.always(bad)
    answer = ask(retrying, key, QUESTION)
    assert (answer.status, answer.error["code"]) == (400, "tool_use_failed")
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.headers["x-should-retry"] == "false"
    other = retrying.client(provider="openai", **row)
    assert ask(retrying, other, QUESTION).headers["x-gateway-attempts"] == "1"


@pytest.mark.parametrize(("word", "attempts"), [("conflict_error", "3"), ("spent", "1")])
def test_anthropics_own_reasons(
    retrying: Running, upstream: Upstream, word: str, attempts: str
) -> None:
    """A conflict passes; a limit of spending does not."""
    told = {"type": "rate_limit_error", "message": "Sorry"}
    if word == "spent":
        told["details"] = {"error_code": "enforced_spend_limit_reached"}  # type: ignore[assignment]
    status = 429 if word == "spent" else 409
    upstream.always(Json({"type": "error", "error": told}, status=status))
    key = retrying.client(
        provider="anthropic", provider_base_url=upstream.origin, provider_api_key="k"
    )
    answer = ask(retrying, key, QUESTION)
    assert (answer.status, answer.headers["x-gateway-attempts"]) == (status, attempts)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", ["", "Hel"])
def test_a_call_that_gemini_spoilt(
    retrying: Running, upstream: Upstream, stream: bool, text: str
) -> None:
    """Another try, unless something of the answer was said."""

    def said(word: str, text: str) -> dict[str, Any]:
        parts = [{"text": text}] if text else []
        content = {"role": "model", "parts": parts}
        return {"candidates": [{"content": content, "finishReason": word, "index": 0}]}

    spoilt, good = said("MALFORMED_FUNCTION_CALL", text), said("STOP", "Hello")
    answers = [Sse([one], done=False) if stream else Json(one) for one in (spoilt, good)]
    upstream.always(answers)
    key = retrying.client(
        provider="gemini", provider_base_url=upstream.origin, provider_api_key="k"
    )
    answer = ask(retrying, key, STREAMED if stream else QUESTION)
    assert answer.status == 200
    assert (b"Hello" in answer.body) == (text == "")
    assert len(upstream.requests) == (1 if text else 2)
