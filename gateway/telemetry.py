"""Metrics for Prometheus, and the one place where the process's log is kept free of secrets."""

import logging
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

_SECRET = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:sk|gm|gsk|xai|key|pplx)[-_]|[?&]key=|"
    r"\b(?:api[-_]?key|password|token|secret)[\"']?\s*[:=]\s*[\"']?)[^\s\"'&,;)}\]]{4,}"
)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_MANY_MODELS = 500
OTHER = "other"


def redacted(text: str) -> str:
    """The text with everything that looks like a credential struck out."""
    return _SECRET.sub(r"\1***", text)


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def configure_logging(level: str) -> None:
    """One handler to standard error for the whole process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("gateway")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What the metrics want to know of an exchange that has ended; times in seconds."""

    provider: str
    model: str
    status: int
    seconds: float
    first_byte: float | None
    input_tokens: int
    output_tokens: int


class _Bound(NamedTuple):
    """The children of one provider, model and status: to look them up again costs too much."""

    requests: Any
    duration: Any
    first_token: Any
    input_tokens: Any
    output_tokens: Any


class Metrics:
    """The process's counters; over all workers where PROMETHEUS_MULTIPROC_DIR is set."""

    def __init__(self) -> None:
        # Imported late: prometheus_client looks for the variable when it is imported.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.registry = registry = CollectorRegistry()
        by_model = ("provider", "model")
        self._requests = Counter(
            "ai_gateway_requests_total",
            "Calls that have ended",
            (*by_model, "status"),
            registry=registry,
        )
        self._in_progress = Gauge(
            "ai_gateway_requests_in_progress",
            "Calls that are being answered",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._input_tokens = Counter(
            "ai_gateway_input_tokens_total", "Input tokens", by_model, registry=registry
        )
        self._output_tokens = Counter(
            "ai_gateway_output_tokens_total", "Output tokens", by_model, registry=registry
        )
        self._duration = Histogram(
            "ai_gateway_request_duration_seconds",
            "From the request's arrival to the answer's end",
            by_model,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_token = Histogram(
            "ai_gateway_time_to_first_token_seconds",
            "From the request's arrival to the first event of a streamed answer",
            by_model,
            buckets=_SECONDS,
            registry=registry,
        )
        self._upstream_errors = Counter(
            "ai_gateway_upstream_errors_total",
            "Tries at a provider that failed",
            ("provider", "code"),
            registry=registry,
        )
        self._bound: dict[tuple[str, str, int], _Bound] = {}
        self._models: set[str] = set()
        self.began = self._in_progress.inc
        self._over = self._in_progress.dec

    def ended(self, ended: Ended) -> None:
        """Counts an exchange; takes it out of those in progress."""
        self._over()
        key = (ended.provider, ended.model, ended.status)
        bound = self._bound.get(key) or self._bind(key)
        bound.requests.inc()
        bound.duration.observe(ended.seconds)
        if ended.first_byte is not None:
            bound.first_token.observe(ended.first_byte)
        if ended.input_tokens:
            bound.input_tokens.inc(ended.input_tokens)
        if ended.output_tokens:
            bound.output_tokens.inc(ended.output_tokens)

    def upstream_failed(self, provider: str, code: str) -> None:
        self._upstream_errors.labels(provider, code).inc()

    def text(self) -> bytes:
        """All workers' figures in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _bind(self, key: tuple[str, str, int]) -> _Bound:
        provider, model, status = key
        # Clients choose models' names, so their number needs a bound.
        if model not in self._models and len(self._models) >= _MANY_MODELS:
            model = OTHER
        self._models.add(model)
        labels = (provider, model)
        bound = _Bound(
            self._requests.labels(provider, model, str(status)),
            self._duration.labels(*labels),
            self._first_token.labels(*labels),
            self._input_tokens.labels(*labels),
            self._output_tokens.labels(*labels),
        )
        if model != OTHER:
            self._bound[key] = bound
        return bound
