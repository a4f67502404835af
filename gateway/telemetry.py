"""Metrics for Prometheus, and the one place where the process's log is kept free of secrets."""

import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Each keeps its first group and strikes out the rest. A value in quotes ends with them; any other
# at a blank, or where the next member of a query begins.
_SECRETS = (
    re.compile(
        r"""(?ix)
        ((?: api[-_]?key | passw(?:or)?d | secret(?:[-_]?key)? | token | authorization
           | (?<![\w-])key(?=["'=]) ) \\*["']? \s*[:=]\s* (?P<quote>\\*["'])?)
        (?(quote) (?:(?!(?P=quote))(?:\\.|.))* | (?:(?:bearer|basic)\s+)? (?:(?!&[\w.-]+=)\S)+ )
        """
    ),
    re.compile(r"((?i:\b(?:bearer|basic))\s+)(?![a-z]+(?![^\s,.;:)]))[^\s\"',;]{6,}"),
    re.compile(r"((?<![^\W_])(?:sk|gm|gsk|xai|pplx)[-_])(?:(?=[\w-]*\d)[\w-]{6,}|[\w-]{20,})"),
    re.compile(r"(\b(?:AIza|eyJ))[\w.-]{20,}"),
    re.compile(r"(://[^\s/:@]*:)[^\s/]+(?=@)"),
    # A client's key may begin as its admin likes; what follows is 43 letters, digits, - and _.
    re.compile(r"(?<![\w-])()(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{40,}"),
)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_MANY_MODELS = 500
_MANY_CODES = 100
OTHER = "other"
_IN_PROGRESS = "ai_gateway_requests_in_progress"
_DEGRADED = "ai_gateway_counters_degraded"
_BREAKER_OPEN = "ai_gateway_breaker_open"
_PLAIN = logging.Formatter()


def redacted(text: str) -> str:
    """The text with everything that looks like a credential struck out."""
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return text


def redact_record(record: logging.LogRecord) -> bool:
    """A filter for others' handlers: strikes out secrets, and lets every record pass."""
    record.msg, record.args = redacted(record.getMessage()), None
    if record.exc_info:
        record.exc_text = _PLAIN.formatException(record.exc_info)
        record.exc_info = None  # a handler would write what stands here anew
    if record.exc_text:
        record.exc_text = redacted(record.exc_text)
    if record.stack_info:
        record.stack_info = redacted(record.stack_info)
    return True


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def configure_logging(level: str, app: str) -> None:
    """One handler to standard error for the gateway, and for what Flask logs as `app`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("gateway", app):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level.upper())
        logger.propagate = False


class Ended(NamedTuple):
    """What the metrics want to know of an exchange that has ended; times in seconds."""

    provider: str
    model: str
    status: int
    seconds: float
    first_byte: float | None
    input_tokens: int
    output_tokens: int


class Standing(NamedTuple):
    """How all workers stand now. `open_breakers`: provider, model, and how many workers pass it
    over.
    """

    in_flight: int
    alone: int
    """Workers that count by themselves."""
    open_breakers: tuple[tuple[str, str, int], ...]


class _Bound(NamedTuple):
    """The children of one provider, model and status: to look them up again costs too much."""

    requests: Any
    duration: Any
    first_token: Any
    input_tokens: Any
    output_tokens: Any


class Metrics:
    """The process's counters; over all workers where PROMETHEUS_MULTIPROC_DIR is set.

    What a call tells is only taken down; `flush` counts it. Each counter is a lock and a write to
    a file that all workers share, and a call would touch ten of them.
    """

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
            _IN_PROGRESS,
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
        self._degraded = Gauge(
            _DEGRADED,
            "Workers that count by themselves, since the shared counters cannot be used",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._breaker_open = Gauge(
            _BREAKER_OPEN,
            "Workers that pass a target over because it keeps failing",
            by_model,
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._bound: dict[tuple[str, str, int], _Bound] = {}
        self._models: set[str] = set()
        self._codes: set[str] = set()
        self._open = 0
        self._ended: list[Ended] = []

    def began(self) -> None:
        """A call is in progress."""
        self._open += 1

    def ended(self, ended: Ended) -> None:
        """A call is over."""
        self._open -= 1
        self._ended.append(ended)

    def flush(self) -> None:
        """Brings the counters up to date."""
        self._in_progress.set(self._open)
        ended, self._ended = self._ended, []
        alike: dict[tuple[str, str, int], list[Ended]] = {}
        for one in ended:
            alike.setdefault((one.provider, one.model, one.status), []).append(one)
        for key, some in alike.items():
            self._count(self._bound.get(key) or self._bind(key), some)

    def _count(self, bound: _Bound, some: list[Ended]) -> None:
        bound.requests.inc(len(some))
        bound.input_tokens.inc(sum(one.input_tokens for one in some))
        bound.output_tokens.inc(sum(one.output_tokens for one in some))
        _observe(bound.duration, (one.seconds for one in some))
        _observe(bound.first_token, (one.first_byte for one in some))

    def upstream_failed(self, provider: str, code: str) -> None:
        self._upstream_errors.labels(provider, _bounded(code, self._codes, _MANY_CODES)).inc()

    def counters_degraded(self, degraded: bool) -> None:
        self._degraded.set(int(degraded))

    def breaker(self, provider: str, model: str, is_open: bool) -> None:
        """Notes that a target is passed over, or no longer."""
        gauge = self._breaker_open.labels(provider, _bounded(model, self._models, _MANY_MODELS))
        gauge.inc() if is_open else gauge.dec()

    def standing(self) -> Standing:
        """What the gauges of all workers tell, up to a quarter of a second ago."""
        found: dict[str, list[tuple[dict[str, str], int]]] = {}
        for sample in self._gauges():
            found.setdefault(sample.name, []).append((sample.labels, round(sample.value)))
        breakers = sorted(
            (labels["provider"], labels["model"], count)
            for labels, count in found.get(_BREAKER_OPEN, ())
            if count > 0
        )
        in_flight = sum(count for _, count in found.get(_IN_PROGRESS, ()))
        alone = sum(count for _, count in found.get(_DEGRADED, ()))
        return Standing(max(0, in_flight), alone, tuple(breakers))

    def text(self) -> bytes:
        """All workers' figures in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.flush()
        registry = self.registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _gauges(self) -> Iterator[Any]:
        from prometheus_client.multiprocess import MultiProcessCollector

        families: Any = (self._in_progress, self._degraded, self._breaker_open)
        if not self._shared:
            families = [family for gauge in families for family in gauge.collect()]
        else:  # the gauges' files alone: those of the histograms are long
            folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
            files = [str(path) for path in folder.glob("gauge_livesum_*.db")]
            families = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        for family in families:
            yield from family.samples

    def _bind(self, key: tuple[str, str, int]) -> _Bound:
        provider, model, status = key
        model = _bounded(model, self._models, _MANY_MODELS)
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


def _observe(histogram: Any, values: Iterable[float | None]) -> None:
    for value in values:
        if value is not None:
            histogram.observe(value)


def _bounded(name: str, known: set[str], most: int) -> str:
    """The name, or OTHER once there are too many: clients and upstreams choose them."""
    if name not in known and len(known) >= most:
        return OTHER
    known.add(name)
    return name
