"""What is counted, and what never stands in the log."""

import logging
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from gateway.config import load
from gateway.telemetry import (
    OTHER,
    Ended,
    Metrics,
    RedactingFormatter,
    redact_record,
    redacted,
)

# What follows a client's prefix: 256 random bits.
BITS = "pZ0QxN3v_Lr-8uTq1YwK5sJdGhB2nMcE7fAoXi4RkVt"
SECRET_TEXTS = [
    ("Authorization: Bearer {}", "gm_" + BITS),
    ("authorization: bearer {}", BITS),
    ("'Authorization': 'Bearer {}'", "local-key"),
    ("Authorization: Basic {}", "YWRtaW46aHVudGVyMg=="),
    ("sent Bearer {}.", "abc123def"),
    ("curl -H 'x-api-key: {}'", "plain"),
    ("x-goog-api-key={}", "AIzaSyA-0123456789abcdefghijklmnopqrstu"),
    ("api-key: {}", "0123456789abcdef0123456789abcdef"),
    ("apiKey = {}", "k"),
    ("GET /v1beta/models?key={} HTTP/1.1", "AIza-short"),
    ("GET /v1beta/models?pageSize=5&key={}&x=1", "zzz"),
    ("Incorrect API key provided: {}.", "sk-proj-0123456789abcdefABCDEF"),
    ("Incorrect API key provided: {}.", "sk-ant-api03-" + BITS),
    ("key {} was refused", "gsk_0123456789abcdef"),
    ("key {} was refused", "xai-0123456789abcdef"),
    ("key {} was refused", "pplx-0123456789abcdef"),
    ("key {} was refused", "gm_" + BITS),
    ("key {} was refused", "acme_" + BITS),
    ("key {} was refused", "AIzaSyA-0123456789abcdefghijklmnopqrstu"),
    ("token {}", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
    ('{{"api_key":"{}","model":"gpt-4o"}}', "any thing at all"),
    ('{{"provider_api_key": "{}"}}', 'with \\" quote'),
    ('body "{{\\"api_key\\": \\"{}\\"}}"', "nested one"),
    ("{{'password': '{}'}}", "p@ss,w;o)r}d]&x"),
    ("GATEWAY_ADMIN_PASSWORD={}", "p,;)}]&\"'x!"),
    ("OPENAI_API_KEY={} make run", "k-1"),
    ("password: {}", "hunter"),
    ("client_secret={}", "s3cret"),
    ("secret_key: {}", "s3cret"),
    ("accessToken={}", "t0ken"),
    ("key={}", "value-1"),
    ('"key": "{}"', "value-1"),
    ("postgresql://user:{}@host:5432/db", "p@:ss,word"),
    ("redis://:{}@host", "hunter2"),
    ("proxy http://me:{}@proxy.example:3128/", "a!b"),
]
ORDINARY_TEXTS = [
    "The basic idea, and the bearer of bad news",
    "basic authentication is off; a bearer token is missing.",
    "max_tokens=100, prompt_tokens: 5, tokens_per_minute=9",
    "a key-value store; key_prefix is wrong; primary key: id; keys=3; monkey=1",
    "Passwords must have 12 characters; the secretary: Bob",
    "sk-learn and gm_tools, but no keys",
    "req_0123456789abcdef01234567 claude-sonnet-4-5-20250929 openai/gpt-4o-2024-08-06",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "GET https://api.openai.com:443/v1/models?limit=5&after=x -> 200 in 0.31 s",
    "http://localhost:8090/health and user@example.com",
    'File "/srv/gateway/store/client_fields.py", line 12, in _key_prefix',
    "a_name_of_more_than_forty_characters_is_no_secret_1",
]


class TestTheLog:
    @pytest.mark.parametrize(("text", "secret"), SECRET_TEXTS)
    def test_has_no_secret(self, text: str, secret: str) -> None:
        shown = redacted(text.format(secret))
        half = len(secret) // 2
        assert "***" in shown and secret not in shown
        assert half < 4 or not {secret[:half], secret[half:]} & parts(shown, half)

    @pytest.mark.parametrize("text", ORDINARY_TEXTS)
    def test_has_ordinary_text_as_it_is(self, text: str) -> None:
        assert redacted(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ('{"api_key":"abc","model":"m"}', '{"api_key":"***","model":"m"}'),
            ("/v1beta/models?key=abc&pageSize=5", "/v1beta/models?key=***&pageSize=5"),
            ("Authorization: Bearer abc", "Authorization: ***"),
            ("postgresql://user:abc@host/db", "postgresql://user:***@host/db"),
            ("Incorrect key: sk-abc123def.", "Incorrect key: sk-***."),
        ],
    )
    def test_keeps_what_stands_around_a_secret(self, text: str, shown: str) -> None:
        assert redacted(text) == shown

    @given(
        st.text(
            st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="="),
            min_size=1,
        ),
        st.sampled_from([("password=", ""), ("x-api-key: ", ""), ("Authorization: ", "Bearer ")]),
    )
    def test_has_no_secret_of_any_characters(self, secret: str, before: tuple[str, str]) -> None:
        unquoted = secret.lstrip("\"'\\") or "x"
        assert redacted(f"{''.join(before)}{unquoted} and so on") == f"{before[0]}*** and so on"

    @given(st.text(st.characters(exclude_characters="\n"), min_size=8))
    def test_has_no_secret_in_quotes(self, secret: str) -> None:
        text = '{"api_key":"' + secret.replace("\\", "\\\\").replace('"', '\\"') + '","x":1}'
        assert redacted(text) == '{"api_key":"***","x":1}'

    @given(st.text())
    def test_may_say_anything(self, text: str) -> None:
        assert isinstance(redacted(text), str)

    @pytest.mark.parametrize("text", ["key" * 100_000, "a-" * 100_000 + " ", "://" + ":" * 100_000])
    def test_is_not_slowed_down_by_long_text(self, text: str) -> None:
        assert redacted(text) == text

    def test_has_no_secret_in_a_traceback(self) -> None:
        shown = RedactingFormatter("%(message)s").format(record_of_a_failure())
        assert BITS not in shown and "0123456789abcdef" not in shown
        assert "ValueError" in shown

    def test_has_no_secret_in_a_traceback_that_others_write(self) -> None:
        record = record_of_a_failure()
        assert redact_record(record)
        shown = logging.Formatter("%(message)s").format(record)
        assert BITS not in shown and "0123456789abcdef" not in shown
        assert "Traceback" in shown and "ValueError" in shown and "***" in shown

    def test_has_no_secret_of_a_view_that_fails(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        app = create_app(load({"GATEWAY_DATA_DIR": str(tmp_path)}))

        def fails() -> str:
            raise ValueError(f"no such key: {BITS}")

        app.add_url_rule("/fails", view_func=fails)
        assert app.test_client().get("/fails").status_code == 500
        app.extensions["gateway"].stop()
        told = capfd.readouterr().err
        assert "ValueError" in told and "/fails" in told
        assert BITS not in told


def record_of_a_failure() -> logging.LogRecord:
    try:
        raise ValueError("no such key: sk-0123456789abcdef")
    except ValueError:
        found = sys.exc_info()
    return logging.LogRecord("gateway", logging.ERROR, "x.py", 1, "%s", ("gm_" + BITS,), found)


def parts(text: str, size: int) -> set[str]:
    return {text[at : at + length] for at in range(len(text)) for length in (size, size + 1)}


def ended(provider: str = "openai", model: str = "gpt-4o", status: int = 200) -> Ended:
    return Ended(provider, model, status, 1.5, 0.2, 9, 4)


def series(metrics: Metrics, name: str) -> dict[str, float]:
    lines = metrics.text().decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(name))
    return {labels.removeprefix(name): float(value) for labels, _, value in found}


class TestMetrics:
    def test_count_an_exchange(self) -> None:
        metrics = Metrics()
        metrics.began()
        metrics.began()
        metrics.ended(ended())
        metrics.ended(ended(status=429))
        labels = '{model="gpt-4o",provider="openai"}'
        requests = series(metrics, "ai_gateway_requests_total")
        assert requests == {
            '{model="gpt-4o",provider="openai",status="200"}': 1.0,
            '{model="gpt-4o",provider="openai",status="429"}': 1.0,
        }
        assert series(metrics, "ai_gateway_requests_in_progress") == {"": 0.0}
        assert series(metrics, "ai_gateway_input_tokens_total") == {labels: 18.0}
        assert series(metrics, "ai_gateway_output_tokens_total") == {labels: 8.0}
        assert series(metrics, "ai_gateway_request_duration_seconds_count") == {labels: 2.0}
        assert series(metrics, "ai_gateway_time_to_first_token_seconds_sum") == {labels: 0.4}

    def test_count_no_first_token_of_a_whole_answer(self) -> None:
        metrics = Metrics()
        metrics.ended(Ended("openai", "m", 200, 1.0, None, 0, 0))
        counts = series(metrics, "ai_gateway_time_to_first_token_seconds_count")
        assert set(counts.values()) == {0.0}

    def test_name_a_bounded_number_of_models(self) -> None:
        metrics = Metrics()
        for number in range(700):
            metrics.ended(ended(model=f"model-{number}"))
        metrics.ended(ended(model="model-0"))
        metrics.ended(ended(provider="groq", model="model-new"))
        requests = series(metrics, "ai_gateway_requests_total")
        assert len(requests) == 502
        assert sum(requests.values()) == 702
        assert requests[f'{{model="{OTHER}",provider="openai",status="200"}}'] == 200
        assert requests['{model="model-0",provider="openai",status="200"}'] == 2

    def test_name_a_bounded_number_of_codes(self) -> None:
        metrics = Metrics()
        for number in range(300):
            metrics.upstream_failed("openai", f"code-{number}")
        errors = series(metrics, "ai_gateway_upstream_errors_total")
        assert len(errors) == 101
        assert errors[f'{{code="{OTHER}",provider="openai"}}'] == 200

    def test_are_each_their_own(self) -> None:
        one, other = Metrics(), Metrics()
        one.ended(ended())
        assert series(other, "ai_gateway_requests_total") == {}
