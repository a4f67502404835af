"""What a client may still do: its standing, and its limits on requests over all workers."""

import math
import time

from gateway.errors import Forbidden, RateLimited
from gateway.store.clients import Client
from gateway.store.counters import DAY, Limit, State
from gateway.store.shared import Shared

_WINDOWS = (
    ("rate_limit_minute", "minute", 60),
    ("rate_limit_hour", "hour", 3600),
    ("rate_limit_day", "day", DAY),
)


def check_standing(client: Client) -> None:
    """Raises Forbidden for a client that is disabled or has expired."""
    if not client.is_active:
        raise Forbidden("This client is disabled")
    if client.expires_at is not None and client.expires_at <= time.time():
        raise Forbidden("This client has expired", code="client_expired")


def admit(client: Client, shared: Shared) -> dict[str, str]:
    """Counts a call and gives the answer's `x-ratelimit-*` headers.

    Raises RateLimited, which names the limit, its size, what is used and when it frees; a refused
    call counts nowhere.
    """
    limits = limits_of(client)
    if not limits:
        return {}
    taken = shared.take(limits)
    if taken.refused is not None:
        raise _refusal(taken.refused)
    return _headers(min(taken.states, key=_room))


def limits_of(client: Client) -> list[Limit]:
    return [
        Limit(f"{client.id}:requests:{name}", size, window)
        for field, name, window in _WINDOWS
        if (size := getattr(client, field)) is not None
    ]


def _room(state: State) -> tuple[int, int]:
    return state.remaining, state.limit.window


def _headers(state: State) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(state.limit.size),
        "x-ratelimit-remaining-requests": str(state.remaining),
        "x-ratelimit-reset-requests": duration(state.resets_in),
    }


def _refusal(state: State) -> RateLimited:
    name = state.limit.key.rpartition(":")[2]
    wait = max(1, math.ceil(state.frees_in))
    return RateLimited(
        f"Rate limit reached: {state.limit.size} requests per {name}, {state.used} used. "
        f"Try again in {wait} s.",
        headers={**_headers(state), "retry-after": str(wait)},
    )


def duration(seconds: float) -> str:
    """Seconds as OpenAI words a duration: `1h0m3s`, `6m0s`, `12s`, `250ms`."""
    if (milliseconds := round(seconds * 1000)) < 1000:
        return f"{max(1, milliseconds)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
