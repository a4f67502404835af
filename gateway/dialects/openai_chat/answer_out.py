"""Writes a whole answer for a client of this dialect."""

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import (
    Began,
    CallBegan,
    CallPiece,
    Cited,
    Counted,
    Event,
    Finished,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ThinkingSealed,
)
from gateway.dialects.openai_chat.margin import Margin
from gateway.dialects.openai_chat.native import own, rest
from gateway.dialects.openai_chat.thoughts import google_content
from gateway.dialects.openai_chat.usage import write_usage

SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")


@dataclass(slots=True)
class _Choice:
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    calls: dict[int, CallBegan] = field(default_factory=dict)
    arguments: dict[int, list[str]] = field(default_factory=dict)
    margin: Margin = field(default_factory=Margin)


def write_answer(events: Iterable[Event], model: str) -> dict[str, Any]:
    """`model`: what to call the model if the events do not."""
    began, counted = Began(), None
    choices: dict[int, _Choice] = {}
    for event in events:
        if isinstance(event, Began):
            began = event
        elif isinstance(event, Counted):
            counted = event
        else:
            _take(choices.setdefault(event.choice, _Choice()), event)
    shown = [choices[at] for at in sorted(choices)] or [_Choice()]
    answer: dict[str, Any] = {
        **head(began, model, "chat.completion"),
        "choices": [_written(choice, index) for index, choice in enumerate(shown)],
    }
    if counted is not None:
        answer["usage"] = write_usage(counted)
    return answer


def head(began: Began, model: str, kind: str) -> dict[str, Any]:
    return {
        "id": began.id or f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": began.created or int(time.time()),
        "model": began.model or model,
        **_remarks(own(began.native)),
    }


def _remarks(said: dict[str, Any]) -> dict[str, Any]:
    """Groq and others have service tiers of their own, which OpenAI's types do not take."""
    known = said if said.get("service_tier") in SERVICE_TIERS else {**said, "service_tier": None}
    return rest(known)


def function_call(call: CallBegan, arguments: str) -> dict[str, Any]:
    """The members of a call beside its index."""
    kind, text = ("custom", "input") if call.custom else ("function", "arguments")
    written = {"id": call.id, "type": kind, kind: {"name": call.name, text: arguments}}
    if call.signature:
        written["extra_content"] = google_content(call.signature)
    return written


def _take(choice: _Choice, event: Event) -> None:
    match event:
        case TextPiece():
            choice.texts.append(event.text)
            choice.margin.written += len(event.text)
            choice.margin.signature = event.signature or choice.margin.signature
            choice.margin.picture(event.image)
        case ThinkingPiece():
            choice.thoughts.append(event.text)
            choice.margin.think(event.text)
        case CallBegan():
            choice.calls[event.call] = event
        case CallPiece():
            choice.arguments.setdefault(event.call, []).append(event.arguments)
        case ThinkingSealed():
            choice.margin.seal(event)
        case RefusalPiece():
            choice.refusals.append(event.text)
            choice.margin.refused = True
        case Cited():
            choice.margin.cite(event)
        case Finished():
            choice.margin.finished = event


def _written(choice: _Choice, index: int) -> dict[str, Any]:
    return {
        "index": index,
        "message": _message(choice),
        "logprobs": choice.margin.logprobs(),
        "finish_reason": choice.margin.reason(called=bool(choice.calls)),
    }


def _message(choice: _Choice) -> dict[str, Any]:
    content, refusal = "".join(choice.texts), "".join(choice.refusals)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if refusal:
        message["refusal"] = refusal
    if choice.thoughts:
        message["reasoning_content"] = "".join(choice.thoughts)
    if choice.calls:
        message["tool_calls"] = [_call(call, choice) for call in choice.calls.values()]
    message |= choice.margin.members()
    if not content and (choice.calls or message["refusal"]):
        message["content"] = None
    return message


def _call(call: CallBegan, choice: _Choice) -> dict[str, Any]:
    arguments = "".join(choice.arguments.get(call.call, ()))
    return function_call(call, arguments or ("" if call.custom else "{}"))
