"""What an upstream's failure means: its status first, its words last."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dialects import anthropic, gemini
from gateway.dialects.openai import error_body
from gateway.errors import (
    UpstreamError,
    UpstreamForbidden,
    UpstreamOverloaded,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnauthorized,
)
from gateway.providers.failures import judge, judge_inside, told_by

KEY = "sk-proj-0123456789abcdef"
PLAIN = orjson.dumps({"error": {"message": "Sorry", "type": "t", "param": "p", "code": "c"}})
RETRYABLE = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}


def judged(status: int, body: Any = PLAIN, **headers: str) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return judge(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, KEY
    )


class TestTheStatus:
    @pytest.mark.parametrize(
        ("status", "kind", "answered", "code"),
        [
            *[(status, UpstreamRejected, status, "c") for status in (400, 404, 405, 409, 413)],
            *[(status, UpstreamRejected, status, "c") for status in (410, 415, 418, 422, 425)],
            (401, UpstreamUnauthorized, 502, "upstream_authentication_error"),
            (402, UpstreamQuotaExceeded, 502, "upstream_quota_exceeded"),
            (403, UpstreamUnauthorized, 502, "upstream_authentication_error"),
            (408, UpstreamTimeout, 504, "upstream_timeout"),
            (429, UpstreamRateLimited, 429, "c"),
            (498, UpstreamRejected, 498, "c"),
            (503, UpstreamOverloaded, 503, "upstream_overloaded"),
            (529, UpstreamOverloaded, 503, "upstream_overloaded"),
            (504, UpstreamTimeout, 504, "upstream_timeout"),
            *[(status, UpstreamError, 502, "upstream_error") for status in (499, 500, 501, 502)],
            *[(status, UpstreamError, 502, "upstream_error") for status in (520, 524, 599, 300)],
            *[(status, UpstreamError, 502, "upstream_error") for status in (301, 304, 307, 999)],
        ],
    )
    def test_decides(
        self, status: int, kind: type[UpstreamError], answered: int, code: str
    ) -> None:
        error = judged(status)
        assert type(error) is kind
        assert (error.status, error.code) == (answered, code)

    def test_of_a_rejection_comes_with_its_words(self) -> None:
        error = judged(404)
        assert (error.message, error.type, error.param, error.code) == ("Sorry", "t", "p", "c")

    @pytest.mark.parametrize("status", range(300, 600))
    def test_tells_whether_another_try_may_help(self, status: int) -> None:
        assert judged(status).retryable == (status in RETRYABLE)

    @pytest.mark.parametrize("status", range(300, 600))
    def test_tells_whether_another_target_may_help(self, status: int) -> None:
        error = judged(status)
        assert error.sticky == (type(error) is UpstreamRejected and status not in RETRYABLE)

    def test_of_a_redirect_is_said(self) -> None:
        assert "302, a redirect" in judged(302, b"<html>").message

    @pytest.mark.parametrize("body", [b"", b" \r\n", {}, {"error": {}}, {"error": None}, [], None])
    def test_is_said_where_nothing_else_was(self, body: Any) -> None:
        assert judged(500, body).message == "Upstream answered 500 and gave no reason"
        assert judged(400, body).message == "Upstream gave no reason"
        assert judged(401, body).message == "Upstream does not accept the gateway's key"


class TestTheReasonOfA403:
    @pytest.mark.parametrize(
        "body",
        [
            {"error": {"message": "Flagged by moderation", "code": 403}},
            {"error": {"message": "No", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
            {"error": {"message": "Violates our usage policy"}},
            {"error": {"code": "content_filter", "message": "No"}},
            {"code": "SAFETY_CHECK_TYPE", "error": "No: safety_check_type"},
            b"Request blocked for harmful text",
        ],
    )
    def test_may_be_the_content(self, body: Any) -> None:
        error = judged(403, body)
        assert type(error) is UpstreamForbidden
        assert (error.status, error.retryable, error.sticky) == (403, False, True)

    @pytest.mark.parametrize(
        "body", [{"error": {"message": "No access"}}, b"Forbidden", b"<html>content</html>", b""]
    )
    def test_is_the_key_else(self, body: Any) -> None:
        assert type(judged(403, body)) is UpstreamUnauthorized


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("name", ["code", "type"])
def test_an_empty_account_is_not_worth_another_try(status: int, name: str) -> None:
    error = judged(status, {"error": {"message": "You exceeded", name: "insufficient_quota"}})
    assert type(error) is UpstreamQuotaExceeded
    assert (error.status, error.code) == (502, "upstream_quota_exceeded")
    assert (error.retryable, error.sticky) == (False, False)


MISTRAL_422 = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "x"}]}
AZURE_FILTER = {
    "error": {
        "code": "content_filter",
        "message": "The response was filtered",
        "type": None,
        "param": "prompt",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
}
OLLAMA = 'model "x" not found, try pulling it first'
LMSTUDIO = "'response_format.type' must be 'json_schema' or 'text'"
SHAPES: dict[str, tuple[Any, str, str | None, str | None]] = {
    "openai": (PLAIN, "Sorry", "t", "c"),
    "azure's filter": (AZURE_FILTER, "The response was filtered", None, "content_filter"),
    "azure's front": ({"statusCode": 429, "message": "Rate limit"}, "Rate limit", None, None),
    "mistral": (
        {"object": "error", "message": "Bad", "type": "invalid_request_error", "code": "3230"},
        "Bad",
        "invalid_request_error",
        "3230",
    ),
    "mistral, within": ({"message": MISTRAL_422}, "body.seed: Extra inputs", None, None),
    "mistral's 422": (MISTRAL_422, "body.seed: Extra inputs", None, None),
    "ollama": ({"error": {"message": OLLAMA, "type": "api_error"}}, OLLAMA, "api_error", None),
    "lm studio": ({"error": LMSTUDIO}, LMSTUDIO, None, None),
    "perplexity": ({"error": {"message": "No", "code": 401}}, "No", None, "401"),
    "xai": ({"code": "Some text", "error": "Words"}, "Words", None, "Some text"),
    "cohere": ({"id": "1", "message": "invalid"}, "invalid", None, None),
    "google, in an array": ([{"error": {"message": "Bad", "status": "X"}}], "Bad", None, "X"),
    "google, by another": (
        {"error": {"message": json.dumps({"error": {"message": "Bad"}})}},
        "Bad",
        None,
        None,
    ),
    "anthropic": ({"type": "error", "error": {"type": "x", "message": "No"}}, "No", "x", None),
    "vllm": (
        {"error": {"message": "m", "type": "Bad Request", "code": 400}},
        "m",
        "Bad Request",
        "400",
    ),
    "faults": (
        {"detail": [{"loc": 5, "msg": "a"}, {"message": "b"}, "c", 7]},
        "5: a; b; c; 7",
        None,
        None,
    ),
    "a place that is text": ({"detail": [{"loc": "body", "msg": "a"}]}, "body: a", None, None),
    "an object": ({"message": {"a": None}}, '{"a":null}', None, None),
    "a number": ({"error": 5}, "5", None, None),
    "odd members": ({"error": {"message": "m", "type": {}, "code": [1]}}, "m", None, None),
    "text": (b" Too many requests\n", "Too many requests", None, None),
    "json text": ("Sorry", "Sorry", None, None),
    "html": (b"<!DOCTYPE html><p>x", "an HTML page", None, None),
    "not utf-8": (b"\xffx", "\ufffdx", None, None),
}


@pytest.mark.parametrize(("body", "message", "type_", "code"), SHAPES.values(), ids=SHAPES)
def test_every_shape_is_understood(
    body: Any, message: str, type_: str | None, code: str | None
) -> None:
    told = told_by(body if isinstance(body, bytes) else orjson.dumps(body))
    assert (told.message, told.type, told.code) == (message, type_, code)


class TestWhatElseAnErrorHolds:
    def test_is_kept(self) -> None:
        error = judged(400, AZURE_FILTER)
        assert error.extra == {"status": 400, "innererror": AZURE_FILTER["error"]["innererror"]}
        assert error_body(error)["error"]["innererror"] == {"code": "ResponsibleAIPolicyViolation"}

    def test_is_left_where_there_is_too_much_of_it(self) -> None:
        assert judged(400, {"error": {"message": "m", "more": ["x" * 1000] * 100}}).extra == {}

    def test_is_left_where_it_is_nested_too_deeply_to_be_written(self) -> None:
        body = b'{"error":{"message":"m","more":' + b"[" * 500 + b"]" * 500 + b"}}"
        error = judged(400, body)
        assert error.message == "m"
        assert orjson.dumps(error_body(error))


@pytest.mark.parametrize("length", [10_000, 1_000_000])
def test_long_words_are_cut(length: int) -> None:
    assert len(judged(400, b"x" * length).message) == 500
    assert len(judged(400, {"error": {"message": "x" * length}}).message) == 2001


class TestTheWait:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry_after": "20"}, 20),
            ({"retry_after": "1.5"}, 1.5),
            ({"retry_after": "0"}, 0),
            ({"retry_after_ms": "250"}, 0.25),
            ({"x_ms_retry_after_ms": "250"}, 0.25),
            ({"retry_after_ms": "250", "retry_after": "9"}, 0.25),
            ({"retry_after_ms": "soon", "retry_after": "9"}, 9),
            ({"retry_after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0),
            *[({"retry_after": odd}, None) for odd in ("", "soon", "-1", "nan", "inf", "1e99")],
            ({"retry_after": "Mon, 01 Jan 2100 00:00:00 +99999999999999999999"}, None),
            ({"retry_after": "Mon, 99 Foo 99999999999999999999 00:00:00 GMT"}, None),
            ({}, None),
        ],
    )
    def test_is_found_in_the_headers(self, headers: dict[str, str], seconds: float | None) -> None:
        assert judged(429, **headers).retry_after == seconds

    def test_may_be_until_a_date(self) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        wait = judged(429, retry_after=date).retry_after
        assert wait is not None and 0 < wait <= 3600

    @pytest.mark.parametrize(
        ("message", "seconds"),
        [
            ("Please retry after 7 seconds.", 7),
            ("Please retry after 1 second.", 1),
            ("Retry after 0.5 seconds", 0.5),
            ("Please retry after a while", None),
            (f"Please retry after {'9' * 400} seconds", None),
        ],
    )
    def test_is_found_in_the_text(self, message: str, seconds: float | None) -> None:
        assert judged(429, {"error": {"message": message}}).retry_after == seconds

    @pytest.mark.parametrize(
        ("status", "after", "header"),
        [(429, "20", "20"), (503, "1.5", "1.5"), (429, "0", "0"), (529, "100", "100")],
    )
    def test_is_told_to_the_client(self, status: int, after: str, header: str) -> None:
        assert judged(status, retry_after=after).headers == {"retry-after": header}

    @pytest.mark.parametrize("status", [400, 500, 504])
    def test_is_not_told_with_other_statuses(self, status: int) -> None:
        assert judged(status, retry_after="20").headers == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.just(500.0),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "code", "type", "param", "loc", "msg", "status_code"]
            ),
            inner | st.sampled_from(["insufficient_quota", "503", "9" * 5000, "\uff15"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
DEEP = [
    b"[" * 1000 + b"]" * 1000,
    b'{"message":' * 1000 + b"1" + b"}" * 1000,
    b'{"error":{"message":' + b'{"detail":' * 800 + b"[]" + b"}" * 800 + b"}}",
    b'{"detail":[' + b"[" * 700 + b"]" * 700 + b"]}",
    b'{"detail":[{"loc":[' + b"[" * 300 + b"]" * 300 + b"]}]}",
]


def nested_texts(levels: int) -> bytes:
    """JSON objects within the texts of one another."""
    text = "end"
    for _ in range(levels):
        text = json.dumps({"message": {"message": {"message": text}}})
    return text.encode()


class TestAnyBody:
    @given(
        st.sampled_from([302, 400, 401, 402, 403, 404, 408, 422, 425, 429, 498, 500, 503, 529]),
        st.one_of(st.binary(), JSON.map(orjson.dumps), st.sampled_from(DEEP)),
        st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(), max_size=1),
    )
    @example(400, nested_texts(8), {})
    def test_is_an_error_that_can_be_worded(
        self, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        error = judge(status, headers, body, KEY)
        assert error.message and 400 <= error.status < 600
        assert orjson.dumps(error_body(error))

    @pytest.mark.parametrize("body", DEEP, ids=lambda body: repr(body[:30]))
    def test_may_be_deep(self, body: bytes) -> None:
        for error in (
            judge(400, {}, body, KEY),
            judge_inside(body.decode(), KEY),
            judge_inside({"error": orjson.loads(body)}, KEY),
        ):
            assert error.message
            assert orjson.dumps(error_body(error))

    @given(st.text() | st.dictionaries(st.just("error"), JSON, min_size=1))
    def test_inside_a_200_too(self, found: Any) -> None:
        error = judge_inside(found, KEY)
        assert (error.message != "", error.status) == (True, 502)
        assert orjson.dumps(error_body(error))


class TestTheKey:
    @pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
    @pytest.mark.parametrize(
        "body",
        [
            {"error": {"message": f"Incorrect API key provided: {KEY}."}},
            {"error": {"message": "x", "code": KEY, "type": KEY, "param": KEY, "more": [KEY]}},
            {"error": {"message": "x" * 1990 + KEY}},
            {"detail": [{"loc": [KEY], "msg": KEY}]},
            {"error": json.dumps({"error": {"message": KEY}})},
            f"Bad key {KEY}".encode(),
            ("x" * 490 + KEY).encode(),
        ],
    )
    def test_is_struck_out(self, status: int, body: Any) -> None:
        shown = repr(error_body(judged(status, body)))
        assert KEY[:8] not in shown

    @given(
        st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40),
        st.sampled_from(["plain", "slashes", "web", "nested", "nested web"]),
    )
    @example('a"b\\c/d<e>f&g', "nested web")
    def test_is_struck_out_however_it_is_written(self, key: str, how: str) -> None:
        raw = written({"error": {"message": f"Bad key <<{key}>>", "more": f"={key}"}}, how)
        error = judge(400, {}, raw.encode(), key)
        assert key not in error.message
        assert key not in str(error.extra.get("more"))

    @given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40))
    def test_is_struck_out_of_an_error_inside_a_200(self, key: str) -> None:
        for found in ({"error": {"message": key}}, f"<p>{key}", f"Bad {key}"):
            assert key not in judge_inside(found, key).message

    def test_in_its_masked_form_is_struck_out_too(self) -> None:
        masked = {"error": {"message": "Incorrect API key provided: sk-pr****cdef. Find yours"}}
        assert judged(401, masked).message.endswith(": *** Find yours")

    @pytest.mark.parametrize("key", [None, ""])
    def test_need_not_be_there(self, key: str | None) -> None:
        assert judge(400, {}, PLAIN, key).message == "Sorry"


def written(found: Any, how: str) -> str:
    """JSON as other writers write it: with `\\/` or `\\u003c`, or within another text."""
    text = json.dumps(found)
    if "web" in how:
        text = "".join(f"\\u{ord(c):04X}" if c in "<>&'+/=" else c for c in text)
    if how == "slashes":
        text = text.replace("/", "\\/")
    return json.dumps({"error": {"message": text, "more": text}}) if "nested" in how else text


class TestAnErrorInsideA200:
    @pytest.mark.parametrize(
        ("told", "retryable", "sticky"),
        [
            ({"code": 502}, True, False),
            ({"code": "503"}, True, False),
            ({"code": 429}, True, False),
            ({"code": 400}, False, True),
            ({"code": 404}, False, True),
            ({"code": 401}, False, False),
            ({"code": 402}, False, False),
            ({"code": 403}, False, False),
            ({"code": 403, "metadata": {"reasons": ["x"]}}, False, True),
            ({"code": 408}, True, False),
            ({"code": 501}, False, False),
            ({"status_code": 400, "code": "x"}, False, True),
            ({"type": "invalid_request_error", "code": "3230"}, False, True),
            ({"type": "rate_limit_error"}, True, False),
            ({"type": "insufficient_quota"}, False, False),
            ({"code": "insufficient_quota"}, False, False),
            ({"type": "server_error"}, True, False),
            ({"code": 7}, True, False),
            ({"code": -400}, True, False),
            ({"code": 400.5}, True, False),
            ({"code": "9" * 5000}, True, False),
            ({}, True, False),
        ],
    )
    def test_is_502_and_judged_by_its_own_status(
        self, told: dict[str, Any], retryable: bool, sticky: bool
    ) -> None:
        error = judge_inside({"error": {"message": "Sorry", **told}}, KEY)
        assert (type(error), error.status, error.message) == (UpstreamError, 502, "Sorry")
        assert (error.retryable, error.sticky) == (retryable, sticky)

    def test_keeps_its_own_type_and_code(self) -> None:
        error = judge_inside({"id": "c", "error": {"message": "m", "type": "t", "code": "c"}}, KEY)
        assert (error.type, error.code, error.extra) == ("t", "c", {})

    @pytest.mark.parametrize(
        ("found", "words"),
        [("", "empty"), ("<html>", "an HTML page"), ("Hello", "Hello"), ('{"id": 1}', "empty")],
    )
    def test_may_be_rubbish(self, found: str, words: str) -> None:
        error = judge_inside(found, KEY)
        assert error.message == f"Upstream's answer is not what it should be: {words}"
        assert (error.code, error.retryable, error.extra) == ("upstream_error", True, {})


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


class TestWhenALimitIsOver:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"x-ratelimit-reset-requests": "6m0s"}, 360),
            ({"x-ratelimit-reset-tokens": "1s"}, 1),
            ({"x-ratelimit-reset-tokens": "1h1m1.5s"}, 3661.5),
            ({"x-ratelimit-reset-tokens": "250ms"}, 0.25),
            ({"x-ratelimit-reset-tokens": "20"}, 20),
            ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-reset-tokens": "2s"}, 2),
            (
                {
                    "x-ratelimit-reset-requests": "9s",
                    "x-ratelimit-remaining-requests": "0",
                    "x-ratelimit-reset-tokens": "2s",
                    "x-ratelimit-remaining-tokens": "5",
                },
                9,
            ),
            ({"x-ratelimit-reset-tokens": "1s", "retry-after": "7"}, 7),
            ({"x-ratelimit-reset-tokens": "soon"}, None),
            ({"anthropic-ratelimit-tokens-reset": "never"}, None),
            ({"anthropic-ratelimit-requests-reset": "2001-01-01T00:00:00Z"}, 0),
        ],
    )
    def test_is_when_to_try_again(self, headers: dict[str, str], seconds: float | None) -> None:
        assert judge(429, headers, PLAIN, KEY).retry_after == seconds
        if "retry-after" not in headers:
            assert judge(500, headers, PLAIN, KEY).retry_after is None

    @pytest.mark.parametrize("what", ["requests", "tokens", "input-tokens", "output-tokens"])
    def test_is_told_by_anthropic_as_a_time(self, what: str) -> None:
        wait = judge(429, {f"anthropic-ratelimit-{what}-reset": in_seconds(30)}, PLAIN, KEY)
        assert wait.retry_after is not None and 20 < wait.retry_after <= 30

    def test_is_told_by_google_in_the_body(self) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
        error = judged(429, {"error": {"code": 429, "message": "Slow", "details": [info]}})
        assert (error.retry_after, error.headers) == (17, {"retry-after": "17"})


class TestAPromptThatIsTooLong:
    WORDS = (
        "prompt is too long: 9 tokens > 8 maximum",
        "This model's maximum context length is 8 tokens. However, your messages resulted in 9",
        "This endpoint's maximum context length is 8 tokens. However, you requested about 9 tokens",
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "This model's maximum prompt length is 8 but the request contains 9 tokens.",
        "Prompt contains 9 tokens, too large for model with 8 maximum context length",
        "request (9 tokens) exceeds the available context size (8 tokens), try increasing it",
    )

    @pytest.mark.parametrize("message", WORDS)
    @pytest.mark.parametrize("status", [400, 413, 422])
    def test_has_one_code(self, message: str, status: int) -> None:
        error = judged(status, {"error": {"message": message, "code": 400}})
        assert (error.status, error.code) == (status, "context_length_exceeded")
        assert error.message == message

    @pytest.mark.parametrize("message", WORDS)
    def test_inside_a_200_too(self, message: str) -> None:
        assert judge_inside({"error": {"message": message}}, KEY).code == "context_length_exceeded"

    def test_is_not_what_a_server_says_that_broke(self) -> None:
        assert judged(500, {"error": {"message": self.WORDS[0]}}).code == "upstream_error"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (None, 'model "x" not found, try pulling it first', "model_not_found"),
        (404, "The model `x` does not exist.", "model_not_found"),
        (None, "No such path", None),
        (
            "DeploymentNotFound",
            "The API deployment for this model is not there",
            "DeploymentNotFound",
        ),
    ],
)
def test_a_model_that_is_not_there_has_a_code(code: Any, message: str, expected: Any) -> None:
    assert judged(404, {"error": {"message": message, "code": code}}).code == expected


@pytest.mark.parametrize(
    ("told", "meant", "code", "retryable"),
    [
        ({"type": "overloaded_error"}, 503, "overloaded", True),
        ({"type": "rate_limit_error"}, 429, "rate_limit_exceeded", True),
        ({"type": "timeout_error"}, 504, "upstream_error", True),
        ({"type": "api_error"}, 502, "upstream_error", True),
        ({"type": "not_found_error"}, 404, "model_not_found", False),
        ({"type": "authentication_error"}, 502, "upstream_authentication_error", False),
        ({"type": "billing_error"}, 502, "upstream_quota_exceeded", False),
        ({"status": "UNAVAILABLE"}, 503, "UNAVAILABLE", True),
        ({"status": "INVALID_ARGUMENT"}, 400, "INVALID_ARGUMENT", False),
        ({"statusCode": 429}, 429, "upstream_error", True),
        ({}, None, "upstream_error", True),
    ],
)
def test_an_error_inside_a_200_stands_for_a_status(
    told: dict[str, Any], meant: int | None, code: str, retryable: bool
) -> None:
    error = judge_inside({"error": {"message": "Sorry", **told}}, KEY)
    assert (error.status, error.meant, error.code) == (502, meant, code)
    assert error.retryable == retryable


@pytest.mark.parametrize(
    ("told", "word", "status"),
    [
        ({"type": "overloaded_error"}, "overloaded_error", "UNAVAILABLE"),
        ({"type": "rate_limit_error"}, "rate_limit_error", "RESOURCE_EXHAUSTED"),
        ({"code": 400}, "invalid_request_error", "INVALID_ARGUMENT"),
        ({"type": "authentication_error"}, "api_error", "INTERNAL"),
        ({}, "api_error", "INTERNAL"),
    ],
)
def test_a_stream_says_what_it_stands_for(told: dict[str, Any], word: str, status: str) -> None:
    error = judge_inside({"error": {"message": "Sorry", **told}}, KEY)
    assert f'"type":"{word}"'.encode() in anthropic.error_event(error)
    assert f'"status":"{status}"'.encode() in gemini.error_event(error)
