"""Reads a question."""

from typing import Any, get_args

from gateway.conversation import Chat, Effort, Format, Message, Reasoning, Text
from gateway.dialects.checks import check_fields, missing
from gateway.dialects.openai_chat.shape import (
    a_text,
    an_object,
    flag_or_none,
    object_or_none,
    text_or_none,
    unsupported,
    wrong,
)
from gateway.dialects.responses.items_in import Transcript
from gateway.dialects.responses.native import kept
from gateway.dialects.responses.request import FIELDS
from gateway.dialects.responses.tools_in import read_tool_choice, read_tools
from gateway.errors import BadRequest

# Members of Chat that have the same name and meaning here.
_SAME = ("parallel_tool_calls", "temperature", "top_p", "user")
# What would change the answer's meaning, or the way it is given, and only OpenAI can do.
_REFUSED = {
    "background": "An answer in the background is OpenAI's alone",
    "conversation": "A conversation is kept by OpenAI alone",
    "prompt": "A stored prompt is known to OpenAI alone",
}
# What the door itself sees to.
_OF_THE_DOOR = ("stream", "stream_options", "store", "metadata", "client_metadata")
_READ = frozenset(
    {
        *(*_SAME, *_REFUSED, *_OF_THE_DOOR),
        *("model", "input", "instructions", "previous_response_id"),
        *(
            "tools",
            "tool_choice",
            "text",
            "reasoning",
            "max_output_tokens",
            "include",
            "top_logprobs",
        ),
    }
)
_LOGPROBS = "message.output_text.logprobs"
# What every answer holds anyway.
_INCLUDED = frozenset({_LOGPROBS, "reasoning.encrypted_content"})


def read_chat(body: dict[str, Any], earlier: list[dict[str, Any]] | None = None) -> Chat:
    """The question in a body. `earlier`: the items that `previous_response_id` stands for.

    Raises BadRequest that names the path of what is wrong.
    """
    check_fields(an_object(body, "body"), FIELDS)
    _refuse(body, earlier)
    transcript = _transcript(body, earlier or [])
    answer_format, extra = _text(body.get("text"))
    chat = Chat(
        messages=transcript.messages,
        system=transcript.system,
        tools=transcript.tools,
        tool_choice=read_tool_choice(body.get("tool_choice")),
        answer_format=answer_format,
        reasoning=_reasoning(body.get("reasoning")),
        max_tokens=body.get("max_output_tokens"),
        extra=extra | _included(body.get("include")) | _rest(body),
    )
    for name in _SAME:
        setattr(chat, name, body.get(name))
    if _LOGPROBS in (body.get("include") or ()):
        chat.logprobs, chat.top_logprobs = True, body.get("top_logprobs") or None
    return chat


def _refuse(body: dict[str, Any], earlier: list[dict[str, Any]] | None) -> None:
    for name, why in _REFUSED.items():
        if body.get(name):
            raise unsupported(name, f"{why} (`{name}`)")
    previous = body.get("previous_response_id")
    if previous and earlier is None:
        raise BadRequest(
            f"Previous response with id {previous!r} not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )


def _transcript(body: dict[str, Any], earlier: list[dict[str, Any]]) -> Transcript:
    transcript = Transcript(tools=read_tools(body.get("tools")))
    if body.get("instructions"):
        transcript.system.append(Text(body["instructions"]))
    transcript.remember(earlier)
    given = body.get("input")
    if given is None and not earlier:
        raise missing("input")
    if isinstance(given, str):
        transcript.messages.append(Message("user", [Text(given)]))
    elif given == [] and not earlier:
        raise wrong("input", "a string or an array of at least one item")
    for at, item in enumerate(given if isinstance(given, list) else ()):
        transcript.read(item, f"input[{at}]")
    return transcript


def _text(given: dict[str, Any] | None) -> tuple[Format | None, dict[str, Any]]:
    """The format of the answer, and the hints beside it."""
    if given is None:
        return None, {}
    hints = {name: given[name] for name in ("verbosity",) if given.get(name) is not None}
    wanted = object_or_none(given.get("format"), "text.format")
    return (None if wanted is None else _format(wanted, "text.format")), hints


def _format(wanted: dict[str, Any], path: str) -> Format | None:
    kind = a_text(wanted.get("type"), f"{path}.type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Format("json_object")
    if kind != "json_schema":
        raise wrong(f"{path}.type", "one of text, json_object, json_schema")
    return Format(
        "json_schema",
        schema=an_object(wanted.get("schema"), f"{path}.schema"),
        name=text_or_none(wanted.get("name"), f"{path}.name"),
        strict=flag_or_none(wanted.get("strict"), f"{path}.strict"),
        description=text_or_none(wanted.get("description"), f"{path}.description"),
    )


def _reasoning(given: dict[str, Any] | None) -> Reasoning | None:
    """Thoughts are shown as a summary, which has to be asked for."""
    if not given:
        return None
    effort = text_or_none(given.get("effort"), "reasoning.effort")
    if effort is not None and effort not in get_args(Effort):
        raise wrong("reasoning.effort", f"one of {', '.join(get_args(Effort))}")
    summary = given.get("summary") or given.get("generate_summary")
    return Reasoning(
        effort=effort,  # type: ignore[arg-type]
        show=True if summary else None,
        native=kept(given),
    )


def _included(given: str | list[str] | None) -> dict[str, Any]:
    names = [given] if isinstance(given, str) else given or []
    wanted = [name for name in names if name not in _INCLUDED]
    return {"include": wanted} if wanted else {}


def _rest(body: dict[str, Any]) -> dict[str, Any]:
    """An array is named by its first place: Anthropic has objects of the same name."""
    return {
        f"{name}[0]" if isinstance(value, list) else name: value
        for name, value in body.items()
        if value is not None and name not in _READ
    }
