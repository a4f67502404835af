"""Reads the items of a question: what was said, thought and called, and what the tools gave.

Items that follow each other on the model's side are one message; so are the results of tools and
what the user says right after them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import Message, Part, Text, Thinking, Tool, ToolCall, ToolResult
from gateway.dialects.openai_chat.shape import a_name, an_object, unsupported, wrong
from gateway.dialects.openai_chat.thoughts import google_signature, objects
from gateway.dialects.responses import seal
from gateway.dialects.responses.calls_in import CALLS, OUTPUTS, read_call, read_output
from gateway.dialects.responses.native import kept
from gateway.dialects.responses.parts_in import (
    ASSISTANT_KINDS,
    SYSTEM_KINDS,
    USER_KINDS,
    read_content,
)
from gateway.dialects.responses.tools_in import read_tools

# What the vendor did by itself: the answer that follows tells what came of it.
_OF_THE_VENDOR = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "web_search_call",
    }
)


@dataclass(slots=True)
class Transcript:
    """What was said so far. `called`: the tool calls' names by id; `signatures`: those of calls
    that are still to come; `known`: the ids of the items that were there before this question.
    """

    system: list[Text] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    called: dict[str, str] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def read(self, item: Any, path: str) -> None:
        an_object(item, path)
        kind = item.get("type", "message")
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is None:
            raise wrong(f"{path}.type", "the type of an item that can be passed on")
        reader(self, item, path)

    def remember(self, items: list[dict[str, Any]]) -> None:
        """Reads the items of an earlier response, and of what it answered."""
        for at, item in enumerate(items):
            self.read(item, f"previous_response_id[{at}]")
            if isinstance(item.get("id"), str):
                self.known.add(item["id"])

    def offer(self, tools: list[Tool]) -> None:
        """Adds tools, each name once."""
        names = {tool.name for tool in self.tools}
        self.tools += [tool for tool in tools if tool.name not in names]

    def answer(self, *parts: Part) -> None:
        """Adds to the model's message that is being said."""
        if parts and (not self.messages or self.messages[-1].role != "assistant"):
            self.messages.append(Message("assistant", []))
        if parts:
            self.messages[-1].parts += parts

    def add_result(self, result: ToolResult) -> None:
        """Right after the calls, before anything that the user has said since."""
        place = len(self.messages)
        while place and self.messages[place - 1].role == "user":
            place -= 1
        if place == len(self.messages):
            self.messages.append(Message("user", []))
        parts = self.messages[place].parts
        if earlier := self._answered(result.call_id, place):
            # Codex sends what a running call tells so far as an output of its own.
            earlier.parts += result.parts
            return
        parts.insert(sum(isinstance(part, ToolResult) for part in parts), result)

    def _answered(self, call_id: str, place: int) -> ToolResult | None:
        """The result that the last of the turn's calls with this id has already."""
        found = [
            part
            for part in self.messages[place].parts
            if isinstance(part, ToolResult) and part.call_id == call_id
        ]
        called = self.messages[place - 1].parts if place else []
        calls = [part for part in called if isinstance(part, ToolCall) and part.id == call_id]
        return found[-1] if found and len(found) >= len(calls) else None


def _message(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    role = item.get("role")
    if role == "user":
        _user(transcript, item, path)
    elif role == "assistant":
        _assistant(transcript, item, path)
    elif role in ("system", "developer"):
        parts = read_content(item.get("content"), f"{path}.content", SYSTEM_KINDS)
        transcript.system += [part for part in parts if isinstance(part, Text) and part.text]
    else:
        raise wrong(f"{path}.role", "one of user, assistant, system, developer")


def _user(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    parts = read_content(item.get("content"), f"{path}.content", USER_KINDS)
    last = transcript.messages[-1] if transcript.messages else None
    if last is not None and last.role == "user" and isinstance(last.parts[-1], ToolResult):
        last.parts += parts
    else:
        transcript.messages.append(Message("user", parts or [Text("")]))


def _assistant(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    parts = read_content(item.get("content"), f"{path}.content", ASSISTANT_KINDS)
    said = [part for part in parts if not isinstance(part, Text) or part.text]
    texts = [part for part in said if isinstance(part, Text)]
    signature = google_signature(item)
    if signature is not None and texts:
        texts[-1].signature = signature
    transcript.answer(*said)


def _reasoning(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    """Another vendor's state is restored; OpenAI's own item stays as it came."""
    text = thought_text(item)
    state = seal.opened(item.get("encrypted_content"))
    if state is None:
        return transcript.answer(Thinking(text, details=item))
    transcript.signatures |= state.calls
    if state.text is not None:
        transcript.answer(Text("", signature=state.text))
    thought = Thinking(text, state.signature, state.redacted, state.details)
    if thought != Thinking():
        transcript.answer(thought)


def thought_text(item: dict[str, Any]) -> str:
    """The summary of a thought, or the thought itself where there is none."""
    for member in ("summary", "content"):
        texts = [part.get("text") for part in objects(item.get(member))]
        said = [text for text in texts if isinstance(text, str) and text]
        if said:
            return "\n\n".join(said)
    return ""


def _call(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    if item.get("call_id") is None and item.get("execution") == "server":
        return _vendors_own(transcript, item, path)
    call = read_call(item, path, {tool.name for tool in transcript.tools})
    call.signature = google_signature(item) or transcript.signatures.get(call.id)
    transcript.called[call.id] = call.name
    transcript.answer(call)


def _output(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    if item.get("type") == "tool_search_output":
        transcript.offer(read_tools(item.get("tools"), f"{path}.tools"))
        if item.get("call_id") is None:
            return _vendors_own(transcript, item, path)
    result, at = read_output(item, path)
    if result.call_id not in transcript.called:
        raise wrong(at, "the id of a call before it")
    result.name = transcript.called[result.call_id]
    transcript.add_result(result)


def _tools(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    transcript.offer(read_tools(item.get("tools"), f"{path}.tools"))


def _vendors_own(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    transcript.answer(Text("", native=kept({"item": item})))


def _reference(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    """What it refers to stands here already, or is not known at all."""
    name = a_name(item.get("id"), f"{path}.id")
    if name not in transcript.known:
        raise unsupported(f"{path}.id", f"`{path}` refers to {name!r}, which is not kept here")


def _unsayable(transcript: Transcript, item: dict[str, Any], path: str) -> None:
    raise unsupported(f"{path}.type", f"No other vendor can read a {item['type']!r} item")


_READERS: dict[str, Callable[[Transcript, dict[str, Any], str], None]] = {
    "message": _message,
    "reasoning": _reasoning,
    **dict.fromkeys(CALLS, _call),
    **dict.fromkeys(OUTPUTS, _output),
    "additional_tools": _tools,
    **dict.fromkeys(_OF_THE_VENDOR, _vendors_own),
    "item_reference": _reference,
    "compaction": _unsayable,
    "compaction_trigger": _unsayable,
}
