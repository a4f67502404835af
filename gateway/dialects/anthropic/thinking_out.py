"""How much a model is to think, and how it samples, in the words of its family."""

from typing import Any

from gateway.conversation import Chat, Effort, Reasoning, ToolResult, Written
from gateway.dialects.anthropic.facts import LEAST_BUDGET, native
from gateway.dialects.anthropic.families import (
    Family,
    default_max_tokens,
    fitting_effort,
)
from gateway.dialects.effort import budget_of_effort, effort_of_budget

_HINT = "reasoning_effort"


def write_thinking(chat: Chat, family: Family, written: Written) -> None:
    """`thinking`, `output_config.effort` and `max_tokens`; what cannot be said is named."""
    body = written.body
    if chat.max_tokens is not None:
        body["max_tokens"] = chat.max_tokens
    if chat.reasoning is not None and "thinking" not in body:
        _write_reasoning(chat.reasoning, family, written)
    if "thinking" in body and not _may_think(chat, body):
        del body["thinking"]
        _drop(written)
    if "max_tokens" not in body:
        budget = body.get("thinking", {}).get("budget_tokens")
        body["max_tokens"] = default_max_tokens(family, budget if isinstance(budget, int) else 0)


def write_sampling(chat: Chat, family: Family, written: Written) -> None:
    """temperature, top_p and top_k, as far as the family takes them beside each other."""
    asked = {
        "temperature": chat.temperature if chat.temperature is None else _clamped(chat.temperature),
        "top_p": chat.top_p,
        "top_k": chat.top_k,
    }
    for name, value in asked.items():
        if value is None:
            continue
        if _takes(name, asked, family, written.body):
            written.body[name] = value
        else:
            written.dropped.append(name)


def _write_reasoning(reasoning: Reasoning, family: Family, written: Written) -> None:
    own = native(reasoning.native)
    if isinstance(own, dict) and "thinking" in own:
        _write_effort(reasoning.effort, family, written)
        if own["thinking"] is not None:
            written.body["thinking"] = own["thinking"]
    elif reasoning.effort is None and reasoning.budget is None and not reasoning.show:
        return
    elif reasoning.effort == "none" or reasoning.budget == 0:
        _write_no_thinking(reasoning.effort, family, written)
    elif family.thinking == "none":
        _drop(written)
    elif family.thinking == "adaptive" or _is_adaptive(reasoning, family):
        _write_adaptive(reasoning, family, written)
    else:
        _write_budget(reasoning, family, written)


def _write_no_thinking(effort: Effort | None, family: Family, written: Written) -> None:
    if family.thinking == "none":
        return
    if family.always_thinks:
        _write_effort("low", family, written)
        _drop(written)
        return
    written.body["thinking"] = {"type": "disabled"}
    # Above `high`, thinking may not be switched off.
    _write_effort("high" if effort in ("xhigh", "max") else effort, family, written)


def _is_adaptive(reasoning: Reasoning, family: Family) -> bool:
    return family.thinking == "either" and reasoning.budget in (None, -1)


def _write_adaptive(reasoning: Reasoning, family: Family, written: Written) -> None:
    effort = reasoning.effort
    if effort is None and reasoning.budget not in (None, -1):
        effort = effort_of_budget(reasoning.budget or 0)
    written.body["thinking"] = {"type": "adaptive"} | _display(reasoning)
    _write_effort(effort, family, written)


def _display(reasoning: Reasoning) -> dict[str, str]:
    if reasoning.show is None:
        return {}
    return {"display": "summarized" if reasoning.show else "omitted"}


def _write_budget(reasoning: Reasoning, family: Family, written: Written) -> None:
    given = reasoning.budget is not None and reasoning.budget > 0
    budget = (reasoning.budget or 0) if given else budget_of_effort(reasoning.effort or "medium")
    limit = written.body.get("max_tokens", family.max_output)
    fitting = _fitting_budget(budget, limit, given)
    if fitting is None:
        _drop(written)
        return
    thinking = {"type": "enabled", "budget_tokens": fitting}
    written.body["thinking"] = thinking | _display(reasoning)
    if given:
        _write_effort(reasoning.effort, family, written)


def _fitting_budget(budget: int, limit: int, given: bool) -> int | None:
    """A budget below the limit; one that nobody asked for leaves half of it for the answer."""
    budget = max(budget, LEAST_BUDGET)
    if given and budget < limit:
        return budget
    return max(LEAST_BUDGET, min(budget, limit // 2)) if limit > LEAST_BUDGET else None


def _write_effort(effort: Effort | None, family: Family, written: Written) -> None:
    if effort in (None, "none"):
        return
    fitting = fitting_effort(family, effort)
    if fitting is not None:
        written.body.setdefault("output_config", {})["effort"] = fitting


def _may_think(chat: Chat, body: dict[str, Any]) -> bool:
    """With a budget, neither a tool may be forced nor may what was thought before be lost."""
    if body["thinking"].get("type") != "enabled":
        return True
    choice = chat.tool_choice
    if chat.tools and choice is not None and choice.mode in ("required", "named"):
        return False
    return not _lost_its_thoughts(chat, body["messages"])


def _lost_its_thoughts(chat: Chat, messages: list[dict[str, Any]]) -> bool:
    """Whether the turn that goes on with tools' results does not begin with thinking."""
    last = chat.messages[-1].parts if chat.messages else []
    if not any(isinstance(part, ToolResult) for part in last):
        return False
    for message in reversed(messages):
        if message["role"] == "assistant":
            first: str = message["content"][0]["type"]
            return first not in ("thinking", "redacted_thinking")
    return False


def _drop(written: Written) -> None:
    if _HINT not in written.dropped:
        written.dropped.append(_HINT)


def _clamped(temperature: float) -> float:
    return min(max(temperature, 0), 1)


def _takes(name: str, asked: dict[str, float | None], family: Family, body: dict[str, Any]) -> bool:
    if family.sampling == "none":
        return False
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        top_p = asked["top_p"]
        return name == "top_p" and top_p is not None and 0.95 <= top_p <= 1
    beside = name == "top_p" and asked["temperature"] is not None
    return not (beside and family.sampling == "one")
