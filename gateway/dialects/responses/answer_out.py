"""Writes a whole answer for a client of this dialect: a response object."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.conversation import Began, Counted, Event
from gateway.dialects.responses.items_out import new_id
from gateway.dialects.responses.output import Output
from gateway.dialects.responses.tools_in import namespaced
from gateway.dialects.responses.usage import write_usage

_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What a response repeats of its question, and what it says where the question is silent.
_ECHOED: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": None,
    "store": True,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def write_answer(
    events: Iterable[Event],
    model: str,
    *,
    request: dict[str, Any] | None = None,
    response_id: str | None = None,
) -> dict[str, Any]:
    """`model`: what to call the model if the events do not; `request`: the body of the question."""
    asked = request or {}
    output = Output(namespaced(asked))
    began, counted = Began(), None
    for event in events:
        if isinstance(event, Began):
            began = event
        elif isinstance(event, Counted):
            counted = event
        else:
            _exhaust(output.take(event))
    _exhaust(output.finish())
    return completed(head(began, model, asked, response_id), output, counted)


def head(
    began: Began, model: str, asked: dict[str, Any], response_id: str | None
) -> dict[str, Any]:
    """A response of which nothing is known yet but what was asked."""
    return {
        "id": response_id or _own_id(began) or new_id("resp"),
        "object": "response",
        "created_at": began.created or int(time.time()),
        "status": "in_progress",
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": began.model or model,
        "output": [],
        **_echo(asked),
        "usage": None,
    }


def completed(response: dict[str, Any], output: Output, counted: Counted | None) -> dict[str, Any]:
    """The response with all that came, completed or incomplete."""
    reason = _REASONS.get(output.finished.reason) if output.finished is not None else None
    end: dict[str, Any] = {"status": "completed", "completed_at": int(time.time())}
    if reason is not None:
        end = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    return {**response, **end, "output": output.items, "usage": write_usage(counted)}


def _own_id(began: Began) -> str | None:
    return began.id if began.id is not None and began.id.startswith("resp_") else None


def _echo(asked: dict[str, Any]) -> dict[str, Any]:
    echo = {name: _given(asked, name, silent) for name, silent in _ECHOED.items()}
    echo["reasoning"] = {"effort": None, "summary": None, **_object(asked.get("reasoning"))}
    echo["text"] = {"format": {"type": "text"}, **_object(asked.get("text"))}
    return echo


def _given(asked: dict[str, Any], name: str, silent: Any) -> Any:
    value = asked.get(name)
    return silent if value is None else value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _exhaust(steps: Iterable[Any]) -> None:
    for _ in steps:
        pass
