"""Which of a route's targets are worth asking: those that can do what the question needs."""

from gateway.chat import ChatRequest
from gateway.dialects.needs import needs_of
from gateway.estimate import question_tokens
from gateway.prices import Prices
from gateway.providers.base import Target

# Smaller than any model's context.
_ALWAYS_FITS = 16_000
# The estimate errs high, as reservations want it; here a model is passed over for it.
_OF_THE_ESTIMATE = 0.75

Targets = tuple[Target, ...]
Reasons = dict[tuple[str, str, str], str]


def fitting(targets: Targets, request: ChatRequest, prices: Prices) -> tuple[Targets, list[str]]:
    """The targets that fit, and why others do not. All of them, if none seems to."""
    if len(targets) < 2 or request.kind != "chat":
        return targets, []
    reasons = _lacking(targets, request) | _too_small(targets, request, prices)
    chosen = tuple(target for target in targets if target.place not in reasons)
    return (chosen, list(reasons.values())) if chosen else (targets, [])


def named(target: Target) -> str:
    return f"{target.provider.id}/{target.model}"


def _lacking(targets: Targets, request: ChatRequest) -> Reasons:
    if not any(target.provider.lacks for target in targets):
        return {}
    needs = needs_of(request)
    return {
        target.place: f"{named(target)} lacks {', '.join(sorted(lacking))}"
        for target in targets
        if (lacking := needs & target.provider.lacks)
    }


def _too_small(targets: Targets, request: ChatRequest, prices: Prices) -> Reasons:
    if len(request.raw) <= _ALWAYS_FITS and request.earlier is None:
        return {}
    tokens = int(question_tokens(request) * _OF_THE_ESTIMATE)
    windows = [
        (target, prices.limits_of(target.provider.id, target.model).context_window)
        for target in targets
    ]
    return {
        target.place: f"{named(target)} takes {window} tokens, and these are about {tokens}"
        for target, window in windows
        if window is not None and tokens > window
    }
