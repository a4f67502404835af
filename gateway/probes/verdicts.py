"""What an answer shows of what a probe is about, and no more than that."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.errors import (
    BadRequest,
    GatewayError,
    ModelNotFound,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from gateway.probes.asking import Heard
from gateway.probes.questions import CITY_TOOL, COLOUR, SCHEMA, TIME_TOOL
from gateway.probes.table import Status
from gateway.routing import NoCredentials
from gateway.sse import data_of, events

_LONGEST = 400
_QUOTED = 80
# How vendors say that they do not know what a question holds.
_REFUSALS = frozenset({400, 404, 405, 415, 422, 501})
# What stands in the way of every question, whatever it holds.
_OF_ALL = (
    NoCredentials,
    ModelNotFound,
    UpstreamUnauthorized,
    UpstreamQuotaExceeded,
    UpstreamRateLimited,
    UpstreamUnreachable,
)
_KINDS: dict[str, type] = {"string": str, "integer": int}


@dataclass(frozen=True, slots=True)
class Verdict:
    status: Status
    detail: str


def is_of_all(error: GatewayError | None) -> bool:
    """Whether it is of no use to ask anything else."""
    unknown = isinstance(error, UpstreamRejected) and error.code == "model_not_found"
    return unknown or isinstance(error, _OF_ALL)


def failed(error: GatewayError) -> Verdict:
    return Verdict("failed", short(error.message))


def whole(heard: Heard) -> Verdict:
    if heard.error is not None:
        return failed(heard.error)
    message = _message(heard)
    if message is None:
        return Verdict("failed", "The answer has no message in it.")
    text = message.get("content")
    if isinstance(text, str) and text.strip():
        return Verdict("ok", f"It said {quoted(text)}.")
    return Verdict("unclear", f"An answer came, but without a text in it{_cut_off(heard)}.")


def stream(heard: Heard) -> Verdict:
    if heard.error is not None:
        return failed(heard.error)
    pieces = list(_pieces(heard.body))
    if not pieces:
        return Verdict("unclear", f"The stream ended without a text in it{_cut_off(heard)}.")
    first = heard.exchange.first_byte
    began = "" if first is None else f", the first after {round(first * 1000):,} ms"
    number = "one piece" if len(pieces) == 1 else f"{len(pieces):,} pieces"
    return Verdict("ok", f"The text came in {number}{began}.")


def stream_usage(heard: Heard) -> Verdict:
    usage = heard.exchange.learned.usage
    if usage is not None:
        into, out = usage.input_tokens or 0, usage.output_tokens or 0
        return Verdict("ok", f"{into:,} tokens in, {out:,} out.")
    return Verdict("not_supported", "The stream told no usage: the gateway estimates it.")


def tools(heard: Heard) -> Verdict:
    if (refusal := _refusal(heard, "tools")) is not None:
        return refusal
    calls = list(_calls(heard))
    if not calls:
        return Verdict("unclear", f"It answered without calling the tool{_cut_off(heard)}.")
    name, arguments = calls[0]
    if name != CITY_TOOL:
        return Verdict("failed", f"It called {quoted(name)}, which it was not given.")
    if not isinstance(_json(arguments), dict):
        return Verdict("failed", f"The call's arguments are no JSON object: {quoted(arguments)}.")
    return Verdict("ok", f"It called {short(f'{name}({arguments})', _QUOTED)}.")


def parallel_tools(heard: Heard) -> Verdict:
    if (refusal := _refusal(heard, "tools")) is not None:
        return refusal
    named = [name for name, _ in _calls(heard)]
    if {CITY_TOOL, TIME_TOOL} <= set(named):
        return Verdict("ok", f"It called {len(named)} tools in one answer.")
    if named:
        return Verdict("unclear", f"It called {quoted(named[0])} alone{_cut_off(heard)}.")
    return Verdict("unclear", f"It answered without calling a tool{_cut_off(heard)}.")


def json_schema(heard: Heard) -> Verdict:
    if (refusal := _refusal(heard, "response_format")) is not None:
        return refusal
    text = (_message(heard) or {}).get("content")
    if not isinstance(text, str) or not text.strip():
        return Verdict("unclear", f"An answer came, but without a text in it{_cut_off(heard)}.")
    found = _json(text)
    if _fits(found):
        asked = any("json_schema" in name for name in heard.exchange.dropped)
        how = " The provider knows no schema: it was told of it in words." if asked else ""
        return Verdict("ok", f"The answer fits the schema: {short(text, _QUOTED)}.{how}")
    if _cut_off(heard):
        return Verdict("unclear", f"The answer does not fit{_cut_off(heard)}.")
    shape = "is JSON, but does not fit" if isinstance(found, dict) else "is no JSON"
    return Verdict(
        "not_supported",
        f"The schema was taken, and not held to: the answer {shape}: {quoted(text)}.",
    )


def image(heard: Heard) -> Verdict:
    if (refusal := _refusal(heard, "messages")) is not None:
        return refusal
    text = (_message(heard) or {}).get("content")
    if not isinstance(text, str) or not text.strip():
        return Verdict("unclear", f"An answer came, but without a text in it{_cut_off(heard)}.")
    if re.search(rf"\b{COLOUR}\b", text, re.IGNORECASE):
        return Verdict("ok", f"It saw the colour: {quoted(text)}.")
    return Verdict("unclear", f"The image was taken, but its colour not named: {quoted(text)}.")


def short(text: str, size: int = _LONGEST) -> str:
    """On one line, and without what cannot be shown."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * size]).split())
    return line if len(line) <= size else line[:size] + "…"


def quoted(text: str) -> str:
    return f"“{short(text, _QUOTED)}”"


def _refusal(heard: Heard, needed: str) -> Verdict | None:
    """The verdict on a question that got no answer, or did not get there whole.

    The same question without what the probe is about has been answered: so a refusal is of that.
    """
    error = heard.error
    if error is None:
        left_out = [name for name in heard.exchange.dropped if name == needed]
        said = f"`{needed}` is left out for this provider, which does not know it."
        return Verdict("not_supported", said) if left_out else None
    status = error.meant or error.status
    refused = isinstance(error, (BadRequest, UpstreamRejected)) or error.meant is not None
    if refused and status in _REFUSALS:
        return Verdict("not_supported", short(error.message))
    return failed(error)


def _message(heard: Heard) -> dict[str, Any] | None:
    choice = _first(_member(_json(heard.body), "choices"))
    message = _member(choice, "message")
    return message if isinstance(message, dict) else None


def _calls(heard: Heard) -> Iterator[tuple[str, str]]:
    """Name and arguments of each tool call."""
    found = (_message(heard) or {}).get("tool_calls")
    for call in found if isinstance(found, list) else ():
        function = _member(call, "function")
        name, arguments = _member(function, "name"), _member(function, "arguments")
        if isinstance(name, str):
            yield name, arguments if isinstance(arguments, str) else ""


def _pieces(body: bytes) -> Iterator[str]:
    for event in events(body):
        choice = _first(_member(_json(data_of(event)), "choices"))
        text = _member(_member(choice, "delta"), "content")
        if isinstance(text, str) and text:
            yield text


def _cut_off(heard: Heard) -> str:
    if heard.exchange.learned.finish_reason != "length":
        return ""
    return ": it was cut off before, at the most tokens that it may give"


def _fits(found: Any) -> bool:
    properties: Any = SCHEMA["properties"]
    return (
        isinstance(found, dict)
        and found.keys() == properties.keys()
        and all(type(found[name]) is _KINDS[kind["type"]] for name, kind in properties.items())
    )


def _json(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _member(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else None


def _first(items: Any) -> Any:
    return items[0] if isinstance(items, list) and items else None
