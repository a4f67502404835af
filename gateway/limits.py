"""What a client may still do: its standing, and its limits, counted over all workers.

    admit     before the body is read: whether the client may ask at all
    read      once the question is known: what it may hold
    stay      where it may ask more than once: its place among the calls under way, to its end
    reserve   for each target that is tried: what the call may use there, and the cap that follows
    settle    once, at the end: what it has used

A client with limits on requests alone is counted when it is admitted. One whose calls reserve is
counted with the first reservation, in the same transaction; then a refusal has cost nothing, and
a call that never comes so far is counted at its end.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, NamedTuple, NoReturn, Protocol

from gateway.chat import ChatRequest, Usage
from gateway.dialects.asked import asked_output
from gateway.errors import BadRequest, Forbidden, RateLimited
from gateway.estimate import question_tokens, text_tokens
from gateway.store.clients import Client
from gateway.store.counters import (
    DAY,
    GAUGE,
    HOUR,
    MINUTE,
    MONTH,
    NEVER,
    Charge,
    Hold,
    Limit,
    Settled,
    State,
    Taken,
    new_charge,
    new_settled,
)
from gateway.store.models import ClientRow
from gateway.store.shared import Shared

LEAST_OUTPUT = 16
"""Fewer output tokens than these are not worth a call, unless it asks for no more."""
_SMALL_BODY = 64 * 1024
_UNTIL_KNOWN = 0.05
_NANO = Decimal(10**9)


class Price(Protocol):
    """What a model costs, in nano-dollars where not said otherwise."""

    @property
    def per_request(self) -> int: ...

    def at(self, tier: str | None) -> "Price": ...

    def highest(self) -> tuple[int, int]: ...

    def cost(self, usage: Usage) -> Decimal | None: ...


class ModelSize(Protocol):
    @property
    def max_output(self) -> int | None: ...


class Prices(Protocol):
    def of(self, provider_id: str, model: str) -> Price | None: ...

    def limits_of(self, provider_id: str, model: str) -> ModelSize: ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of a client's limits: its field, its window, and how it is told."""

    field: str
    window: int
    noun: str
    per: str
    code: str = "rate_limit_exceeded"


_REQUESTS = (
    _Kind("rate_limit_minute", MINUTE, "requests", "minute"),
    _Kind("rate_limit_hour", HOUR, "requests", "hour"),
    _Kind("rate_limit_day", DAY, "requests", "day"),
    _Kind("quota_requests_day", DAY, "requests", "day (UTC)", "quota_exceeded"),
)
_CALLS = _Kind("max_concurrent", GAUGE, "calls", "", "concurrency_limit_exceeded")
_TOKENS = _Kind("tokens_per_minute", MINUTE, "tokens", "minute")
_INPUT = _Kind("quota_input_tokens_day", DAY, "input tokens", "day (UTC)", "quota_exceeded")
_OUTPUT = _Kind("quota_output_tokens_day", DAY, "output tokens", "day (UTC)", "quota_exceeded")
_MONEY = (
    _Kind("budget_usd_day", DAY, "dollars", "day (UTC)", "budget_exceeded"),
    _Kind("budget_usd_month", MONTH, "dollars", "month (UTC)", "budget_exceeded"),
)
_ALL = (*_REQUESTS, _CALLS, _TOKENS, _INPUT, _OUTPUT, *_MONEY)
_KINDS = {kind.field: kind for kind in _ALL}
_COUNTED = {
    **{kind.field: "requests" for kind in _REQUESTS},
    **{kind.field: "tokens" for kind in (_TOKENS, _INPUT, _OUTPUT)},
}
_HEADERS = {
    noun: tuple(f"x-ratelimit-{what}-{noun}" for what in ("limit", "remaining", "reset"))
    for noun in ("requests", "tokens")
}
_MONEY_FIELDS = tuple(kind.field for kind in _MONEY)


def check_standing(client: Client) -> None:
    """Raises Forbidden for a client that is disabled or has expired."""
    if not client.is_active:
        raise Forbidden("This client is disabled")
    if client.expires_at is not None and client.expires_at <= time.time():
        raise Forbidden("This client has expired", code="client_expired")


class Plan(NamedTuple):
    """A client's limits, sorted by what they need to know of a call."""

    client: Client
    requests: tuple[Limit, ...]
    calls: tuple[Limit, ...]
    tokens: tuple[Limit, ...]
    money: tuple[Limit, ...]
    holds: bool
    """Whether its calls reserve."""
    counted: tuple[Charge, ...]
    """What each call costs of the limits on requests, and what it holds of those on calls."""
    held: tuple[Charge, ...]


_plans: dict[int, Plan] = {}


def plan_of(client: Client) -> Plan:
    """The client's plan; made once for each that is known."""
    plan = _plans.get(client.id)
    if plan is None or plan.client is not client:
        plan = _plans[client.id] = _planned(client)
    return plan


def _planned(client: Client) -> Plan:
    requests, calls = _limits(client, *_REQUESTS), _limits(client, _CALLS)
    tokens, money = _limits(client, _TOKENS, _INPUT, _OUTPUT), _limits(client, *_MONEY)
    return Plan(
        client,
        requests,
        calls,
        tokens,
        money,
        holds=bool(calls or tokens or money),
        counted=tuple(Charge(limit, 1, held=False) for limit in requests),
        held=tuple(Charge(limit, 1) for limit in calls),
    )


def limits_of(client: Client | ClientRow) -> tuple[Limit, ...]:
    """All that is counted of a client."""
    return _limits(client, *_ALL)


def standing(client: Client | ClientRow, shared: Shared) -> list[dict[str, Any]]:
    """Where each of a client's limits stands now."""
    limits = limits_of(client)
    return [_told(state) for state in (shared.look(client.id, limits).states if limits else ())]


def standings(
    clients: Sequence[Client | ClientRow], shared: Shared
) -> dict[int, list[dict[str, Any]]]:
    """The same of many clients by their ids, in one read; who has no limits is left out."""
    asked = [(client.id, limits) for client in clients if (limits := limits_of(client))]
    found = shared.look_all(asked) if asked else []
    return {
        client_id: [_told(state) for state in taken.states]
        for (client_id, _), taken in zip(asked, found, strict=True)
    }


def _told(state: State) -> dict[str, Any]:
    return {
        "limit": state.limit.name,
        "size": _figure(state.limit.name, state.limit.size),
        "used": _figure(state.limit.name, state.used - state.reserved),
        "reserved": _figure(state.limit.name, state.reserved),
        "left": _figure(state.limit.name, state.remaining),
        "resets_in": None if state.limit.window == GAUGE else round(state.resets_in, 3),
    }


def _limits(client: Client | ClientRow, *kinds: _Kind) -> tuple[Limit, ...]:
    return tuple(
        Limit(kind.field, _size(value), kind.window)
        for kind in kinds
        if (value := getattr(client, kind.field)) is not None
    )


def _size(value: int | Decimal) -> int:
    return value if isinstance(value, int) else int(value * _NANO)


class Call:
    """One call's dealings with its client's limits."""

    __slots__ = (
        "_client",
        "_counted",
        "_ends",
        "_hold",
        "_input",
        "_place",
        "_plan",
        "_price",
        "_shared",
        "_states",
        "headers",
        "overrun",
        "refused",
    )

    def __init__(self, client: Client, shared: Shared) -> None:
        self._client = client
        self._shared = shared
        self._plan = plan_of(client)
        self._states: tuple[State, ...] = ()
        self._ends: Sequence[Settled] = ()
        self._hold: Hold | None = None
        self._place: Hold | None = None
        self._price: Price | None = None
        self._input = 0
        self._counted = False
        self.headers: dict[str, str] = {}
        """The answer's `x-ratelimit-*`."""
        self.refused = False
        """It was refused for a limit, so it consumes nothing."""
        self.overrun = False
        """It used more than was reserved."""

    def admit(self, size: int | None) -> None:
        """Lets the caller in; `size` is its body's, if it is known. Raises RateLimited."""
        plan = self._plan
        if not plan.requests:
            return
        if not plan.holds:
            self._take(plan.counted)
            self._counted = True
        elif size is None or size > _SMALL_BODY:
            # It is counted with its reservation; but a large body is read only if there is room.
            looked = self._shared.look(self._client.id, plan.requests)
            if looked.refused is not None:
                self._refuse(looked.refused, looked.states)

    def read(self, request: ChatRequest, added: int = 0) -> None:
        """Reckons the question's input, and the tokens that the gateway has `added` to it.

        Raises BadRequest above `max_input_tokens`, and for what could not be counted.
        """
        most, counts = self._client.max_input_tokens, self._plan.tokens or self._plan.money
        if most is None and not counts:
            return
        if counts and request.dialect == "responses" and request.body.get("background"):
            raise BadRequest(
                "What a response in the background will use cannot be counted, and this client "
                "has limits on tokens or money",
                param="background",
                code="unsupported_parameter",
            )
        prompt = (self._client.system_prompt or "").encode()
        self._input = question_tokens(request) + text_tokens(prompt) + added
        if most is not None and self._input > most and request.kind != "count":
            self.refused = True
            if self._counted:
                self._shared.give_back(self._client.id, self._plan.requests)
            raise BadRequest(
                f"The input is about {self._input} tokens (estimated); this client may send at "
                f"most {most} in one call (max_input_tokens)",
                code="max_input_tokens_exceeded",
            )

    def grow(self, tokens: int) -> None:
        """The next question is longer by so many tokens: it repeats what came of the last one."""
        self._input += tokens

    def stay(self) -> None:
        """Takes the call's place among those under way, for all that it will ask and wait for.

        Raises RateLimited.
        """
        if self._plan.held and self._place is None:
            self._place = self._take(self._plan.held).hold

    def reserve(
        self,
        request: ChatRequest,
        provider_id: str,
        model: str,
        prices: Prices | None,
        default_output: int,
    ) -> int | None:
        """Reserves for one target, and gives the cap of its output. Raises RateLimited.

        What was reserved for the target before is given back.
        """
        plan, client = self._plan, self._client
        if not plan.holds:
            return client.max_output_tokens
        self.settle(None)
        self._price = self._priced(request, provider_id, model, prices)
        charges = self._charges(request)
        wanted, answers = 0, 1
        if any([unit for _, _, unit, _ in charges]):
            size = prices.limits_of(provider_id, model).max_output if prices else None
            asked, answers = asked_output(request.dialect, request.body)
            most = (asked or default_output, client.max_output_tokens, size)
            wanted = answers * min(one for one in most if one is not None)
        if charges:
            taken = self._take(charges, wanted, min(wanted, LEAST_OUTPUT * answers))
            self._counted, self._hold = True, taken.hold
        return taken.units // answers if wanted else client.max_output_tokens

    def settle(self, usage: Usage | None, cost: Decimal | None = None) -> None:
        """Books what was used, None for nothing, and gives the rest back; `cost`: if known."""
        hold, self._hold = self._hold, None
        if hold is not None:
            self._ends = self._give_up(hold, self._used(usage, cost) if usage else {})

    def end(self, usage: Usage | None, cost: Decimal | None = None) -> None:
        """Settles for good, and counts a call that failed before it could reserve."""
        self.settle(usage, cost)
        place, self._place = self._place, None
        if place is not None:
            self._ends = [*self._ends, *self._give_up(place, {})]
        plan = self._plan
        if plan.requests and not self._counted and not self.refused:
            self._counted = True
            self._shared.reserve(self._client.id, plan.counted)

    def told(self) -> list[dict[str, Any]]:
        """The limits that applied, and what is left of each."""
        booked = {limit.name: used - held for limit, held, used in self._ends}
        told = {}
        for (name, size, _), used, _, _, _ in self._states:
            left = size - used - booked.get(name, 0)
            left = left if left > 0 else 0
            told[name] = {"limit": name, "size": _figure(name, size), "left": _figure(name, left)}
        return list(told.values())

    def _priced(
        self, request: ChatRequest, provider_id: str, model: str, prices: Prices | None
    ) -> Price | None:
        """The price, where there is a budget; to count tokens is free."""
        if not self._plan.money or request.kind == "count":
            return None
        price = prices.of(provider_id, model) if prices else None
        if price is None and not self._client.allow_unpriced:
            self.refused = True
            raise BadRequest(
                f"The price of `{model}` at {provider_id} is not known, and this client has a "
                "budget (allow_unpriced lets such calls pass)",
                param="model",
                code="unpriced_model",
            )
        # A vendor may not know the tier, or have no room in it: the dearer price is reserved.
        return price and max(price, price.at(request.tier), key=lambda one: one.highest())

    def _charges(self, request: ChatRequest) -> list[Charge]:
        plan, read, unit = self._plan, self._input, int(request.kind == "chat")
        charges = [] if self._counted else list(plan.counted)
        if self._place is None:
            charges += plan.held
        for limit in plan.tokens:
            name = limit[0]
            fixed = 0 if name == _OUTPUT.field else read
            charges.append(new_charge((limit, fixed, 0 if name == _INPUT.field else unit, True)))
        if self._price is not None:
            for_input, for_output = self._price.highest()
            fixed = self._price.per_request + read * for_input
            each = unit * for_output
            charges += [new_charge((limit, fixed, each, True)) for limit in plan.money]
        return charges

    def _take(self, charges: Sequence[Charge], wanted: int = 0, least: int = 0) -> Taken:
        """Takes the charges. Raises RateLimited."""
        taken = self._shared.reserve(self._client.id, charges, wanted, least)
        if taken.refused is not None and taken.refused.limit.window == GAUGE:
            # A caller may have its answer before the other workers know that the call has ended.
            time.sleep(_UNTIL_KNOWN)
            taken = self._shared.reserve(self._client.id, charges, wanted, least)
        if taken.refused is not None:
            name = taken.refused.limit.name
            (need,) = (one.fixed + one.unit * least for one in charges if one.limit.name == name)
            self._refuse(taken.refused, taken.states, need)
        self.refused = False
        self._note(taken.states)
        return taken

    def _refuse(self, refused: State, states: Sequence[State], need: int = 1) -> NoReturn:
        self.refused = True
        self._note(states)
        raise _refusal(refused, need, {**self.headers, **_headers([refused])})

    def _note(self, states: Sequence[State]) -> None:
        """Where the limits stand now; what was booked before is in it."""
        self._ends = ()
        self._states += tuple(states)
        self.headers |= _headers(states)

    def _give_up(self, hold: Hold, used: Mapping[str, int]) -> Sequence[Settled]:
        """Books what was used of each limit, and gives back what was held."""
        ends = []
        for limit, held in hold.amounts:
            spent = used.get(limit[0], 0)
            if spent > held:
                self.overrun = True
            ends.append(new_settled((limit, held, spent)))
        self._shared.settle(hold, ends)
        return ends

    def _used(self, usage: Usage, cost: Decimal | None) -> dict[str, int]:
        """What counts against each limit."""
        read, written = usage.input_tokens or 0, usage.output_tokens or 0
        used = {_TOKENS.field: read + written, _INPUT.field: read, _OUTPUT.field: written}
        if self._price is not None:
            cost = self._price.cost(usage) if cost is None else cost
            if cost is None:  # of something that has no price of its own
                for_input, for_output = self._price.highest()
                nano = self._price.per_request + read * for_input + written * for_output
            else:
                nano = int((cost * _NANO).to_integral_value(ROUND_CEILING))
            used |= dict.fromkeys(_MONEY_FIELDS, nano)
        return used


def _headers(states: Sequence[State]) -> dict[str, str]:
    """`x-ratelimit-*` of the limit with the least room: one on requests, and one on tokens."""
    nearest: dict[str, State] = {}
    rooms: dict[str, tuple[int, int]] = {}
    for state in states:
        (name, size, window), used, _, _, _ = state
        noun = _COUNTED.get(name)
        if noun is None:
            continue
        room = (size - used if used < size else 0, window)
        if noun not in rooms or room < rooms[noun]:
            rooms[noun], nearest[noun] = room, state
    headers: dict[str, str] = {}
    for noun, state in nearest.items():
        limit, remaining, reset = _HEADERS[noun]
        headers[limit] = str(state.limit.size)
        headers[remaining] = str(rooms[noun][0])
        headers[reset] = duration(max(state.resets_in, _wait(state)))
    return headers


def _wait(state: State) -> float:
    """Seconds until what was refused fits; 0 where that is not to be waited for."""
    return 0.0 if state.frees_in == NEVER else state.frees_in


_HEADS = {
    "rate_limit_exceeded": "Rate limit reached",
    "quota_exceeded": "Quota reached",
    "budget_exceeded": "Budget reached",
}


def _refusal(state: State, need: int, headers: dict[str, str]) -> RateLimited:
    kind = _KINDS[state.limit.name]
    said = _standing(kind, state, need)
    if state.frees_in == NEVER:
        said += ". The call alone is larger than the limit."
        headers["x-should-retry"] = "false"
    else:
        wait = max(1, math.ceil(state.frees_in))
        said += f". Try again in {wait} s."
        headers["retry-after"] = str(wait)
    return RateLimited(said, code=kind.code, headers=headers)


def _standing(kind: _Kind, state: State, need: int) -> str:
    size = _amount(kind.field, state.limit.size)
    used = _amount(kind.field, state.used)
    if kind is _CALLS:
        return f"Concurrency limit reached: {size} calls at the same time, {used} under way"
    noun = "" if kind in _MONEY else f" {kind.noun}"
    said = f"{_HEADS[kind.code]}: {size}{noun} per {kind.per}, {used} used"
    if state.reserved:
        said += f" ({_amount(kind.field, state.reserved)} of it reserved by calls under way)"
    if kind not in _REQUESTS:
        said += f", this call needs {_amount(kind.field, need)}"
    return said


def _amount(field: str, amount: int) -> int | str:
    """An amount as people read it: dollars for budgets."""
    if field not in _MONEY_FIELDS:
        return amount
    whole, _, part = f"{Decimal(amount) / _NANO:.9f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def _figure(field: str, amount: int) -> int | float:
    """An amount as programs read it: dollars for budgets."""
    return amount / 10**9 if field in _MONEY_FIELDS else amount


def duration(seconds: float) -> str:
    """Seconds as OpenAI words a duration: `1h0m3s`, `6m0s`, `12s`, `250ms`."""
    if (milliseconds := round(seconds * 1000)) < 1000:
        return f"{max(1, milliseconds)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
