"""Errors at the Anthropic door, and Anthropic's own."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from gateway.dialects.anthropic import code_of, error_body, is_overflow, status_of
from gateway.errors import (
    BadRequest,
    BodyTooLarge,
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    ModelNotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from tests.dialects.anthropic_sdk import ALL
from tests.upstream import Json, Upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def raised(upstream: Upstream, error: GatewayError) -> anthropic.APIStatusError:
    upstream.always(Json(error_body(error, "req_1"), status=error.status))
    with anthropic.Anthropic(base_url=upstream.origin, api_key="k", max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.create(
                model="m", max_tokens=1, messages=[{"role": "user", "content": "q"}]
            )
    return caught.value


@pytest.mark.parametrize(
    ("error", "word", "kind"),
    [
        (BadRequest("b"), "invalid_request_error", anthropic.BadRequestError),
        (Unauthenticated("u"), "authentication_error", anthropic.AuthenticationError),
        (Forbidden("f"), "permission_error", anthropic.PermissionDeniedError),
        (ModelNotFound("m"), "not_found_error", anthropic.NotFoundError),
        (MethodNotAllowed("m"), "invalid_request_error", anthropic.APIStatusError),
        (BodyTooLarge("b"), "request_too_large", anthropic.APIStatusError),
        (RateLimited("r"), "rate_limit_error", anthropic.RateLimitError),
        (UpstreamRateLimited("r"), "rate_limit_error", anthropic.RateLimitError),
        (GatewayError("g"), "api_error", anthropic.InternalServerError),
        (UpstreamError("e"), "api_error", anthropic.InternalServerError),
        (UpstreamUnauthorized("u"), "api_error", anthropic.InternalServerError),
        (Unavailable("u"), "overloaded_error", anthropic.InternalServerError),
        (UpstreamOverloaded("o"), "overloaded_error", anthropic.InternalServerError),
        (UpstreamTimeout("t"), "timeout_error", anthropic.InternalServerError),
    ],
)
def test_the_sdk_knows_every_error(
    upstream: Upstream, error: GatewayError, word: str, kind: type[Exception]
) -> None:
    caught = raised(upstream, error)
    assert isinstance(caught, kind)
    assert caught.type == word
    assert caught.body == {
        "type": "error",
        "error": {"type": word, "message": error.message},
        "request_id": "req_1",
    }


def test_what_upstreams_own_error_held_besides_is_handed_on() -> None:
    error = UpstreamRejected("no", code="x")
    error.status = 400
    error.extra = {"details": {"error_code": "y"}, "message": "hidden"}
    assert error_body(error) == {
        "type": "error",
        "error": {
            "details": {"error_code": "y"},
            "type": "invalid_request_error",
            "message": "no",
        },
    }


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted "
            "in 9001 tokens. Please reduce the length of the messages.",
            "prompt is too long: 9001 tokens > 8192 maximum",
        ),
        (
            "This model's maximum context length is 4097 tokens. However, you requested 5000 "
            "tokens (4000 in the messages, 1000 in the completion).",
            "prompt is too long: 5000 tokens > 4097 maximum",
        ),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed "
            "(1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        (
            "prompt is too long: 208310 tokens > 200000 maximum",
            "prompt is too long: 208310 tokens > 200000 maximum",
        ),
        (
            "Your input exceeds the context window of this model.",
            "prompt is too long: Your input exceeds the context window of this model.",
        ),
    ],
)
def test_an_overflow_is_worded_so_that_agents_know_it(message: str, said: str) -> None:
    for error in (
        UpstreamRejected(message),
        UpstreamRejected(message, code="context_length_exceeded"),
    ):
        error.status = 400
        body = error_body(error)
        assert body["error"] == {"type": "invalid_request_error", "message": said}
    assert is_overflow(message)


def test_the_code_alone_tells_an_overflow_too() -> None:
    error = BadRequest("Too much.", code="context_length_exceeded")
    assert error_body(error)["error"]["message"] == "prompt is too long: Too much."


def test_other_words_are_left_alone() -> None:
    error = BadRequest("`max_tokens` is too long a name")
    assert error_body(error)["error"]["message"] == error.message


@pytest.mark.parametrize(
    ("found", "code", "status"),
    [
        (
            {
                "type": "invalid_request_error",
                "message": "prompt is too long: 2 tokens > 1 maximum",
            },
            "context_length_exceeded",
            400,
        ),
        ({"type": "invalid_request_error", "message": "no"}, None, 400),
        ({"type": "authentication_error", "message": "no"}, "invalid_api_key", 401),
        ({"type": "billing_error", "message": "no"}, "insufficient_quota", 402),
        ({"type": "not_found_error", "message": "no"}, "model_not_found", 404),
        ({"type": "rate_limit_error", "message": "no"}, "rate_limit_exceeded", 429),
        ({"type": "overloaded_error", "message": "no"}, "overloaded", 529),
        ({"type": ["odd"], "message": 3}, None, None),
        ({}, None, None),
    ],
)
def test_its_own_errors_have_openais_codes(
    found: dict[str, Any], code: str | None, status: int | None
) -> None:
    assert (code_of(found), status_of(found)) == (code, status)


def test_the_recorded_errors_are_understood() -> None:
    failed = [row for row in ALL if row.status != 200]
    told = sorted(
        (row.status, code_of(row.response["error"])) for row in failed if row.status != 400
    )
    assert told == [(404, "model_not_found")] * 2
    assert all(status_of(row.response["error"]) == row.status for row in failed)
