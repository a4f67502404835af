"""The rounds of a call whose tools the gateway runs: ask, run, ask again.

A round is asked like any other question, so that fallback, retries and limits are what they are
elsewhere; here is what the rounds of one call have in common.
"""

import copy
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import orjson

from gateway.chat import ChatRequest, Learned, Usage
from gateway.conversation import (
    Chat,
    Counted,
    Event,
    Image,
    Message,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects import turns
from gateway.dialects.base import Writer
from gateway.dialects.passage import Passage
from gateway.dialects.recall import key_of
from gateway.dialects.table import NEEDS_TOOLS
from gateway.dialects.translation import (
    door_writer,
    events_of,
    read_question,
    translated,
    whole_of,
)
from gateway.dialects.turns import Turn, TurnWriter
from gateway.errors import BadRequest
from gateway.estimate import PER_IMAGE, text_tokens
from gateway.memory import Memory
from gateway.record import Spent
from gateway.store.clients import Client
from gateway.tools.result import ToolRun
from gateway.tools.toolbox import Toolbox

_ARGUMENTS_SHOWN = 1_000
_OVERHEAD = 30
"""Tokens of what a dialect says around a call or a result: its id, its type."""


def rounds_of(
    client: Client, request: ChatRequest, toolbox: Toolbox, memory: Memory
) -> "Rounds | None":
    """The rounds of a call, None where the gateway has no tool to run in it.

    Raises BadRequest for what cannot be done in rounds.
    """
    if client.tool_mode != "gateway" or request.kind != "chat":
        return None
    names = toolbox.chosen(client.server_tools)
    if not names:
        return None
    memory.look_back(request)
    chat = read_question(request)
    if chat.tool_choice is not None and chat.tool_choice.mode == "none":
        return None
    if chat.n is not None and chat.n > 1:
        raise BadRequest("One answer at a time: the gateway runs tools for this client", param="n")
    return Rounds(chat, request, names, toolbox, memory)


class Rounds:
    """`number`: the round that is being asked, from 1. `turn`: what the model says in it."""

    def __init__(
        self,
        chat: Chat,
        request: ChatRequest,
        names: Iterable[str],
        toolbox: Toolbox,
        memory: Memory,
    ) -> None:
        self._toolbox = toolbox
        self._memory = memory
        self._request = request
        self._theirs = frozenset(tool.name for tool in chat.tools)
        own = [tool for tool in toolbox.definitions(names) if tool.name not in self._theirs]
        messages = _with_kept(chat.messages, memory)
        self.added = _tokens_of_tools(own) + _tokens(messages) - _tokens(chat.messages)
        """Tokens that the next question has beyond the last one; the first beyond the client's."""
        chat.messages = messages
        chat.tools = [*chat.tools, *own]
        self._chat = chat
        self._said: list[Message] = []
        self._shown: list[Event] = []
        self._writer: Writer | None = None
        self._spent: list[Spent] = []
        self.number = 0
        self.turn = Turn(self._theirs)
        self.rounds: list[dict[str, Any]] = []
        self.runs: list[dict[str, Any]] = []
        self.tool_names: list[str] = []

    @property
    def is_last(self) -> bool:
        return self.number >= self._toolbox.settings.max_rounds

    @property
    def goes_on(self) -> bool:
        """Whether the model is to be asked again, once its calls were run."""
        return self.turn.goes_on and not self.is_last

    @property
    def has_to_run(self) -> bool:
        """Whether somebody will be told what the gateway's calls have come to."""
        told_later = bool(self.turn.own and self.turn.given) and not self.is_last
        return self.goes_on or told_later

    @property
    def touched(self) -> bool:
        """Whether another try, or another target, is too late for this round."""
        return self.number == 1 or self.turn.touched

    @property
    def output_tokens(self) -> int:
        """Of the rounds that are over."""
        return sum((one.usage and one.usage.output_tokens) or 0 for one in self._spent)

    def next(self) -> ChatRequest:
        """The next round's question."""
        self.number += 1
        self.turn = self._turn()
        return replace(self._request, chat=self._chat_for)

    def passage(self, sent: ChatRequest, learned: Learned, limit: int) -> Passage:
        """How this round's stream goes to the client. Each try begins the turn anew."""
        self.turn = self._turn()
        if self._writer is None:
            self._writer = door_writer(self._request, sent)
        return translated(sent, TurnWriter(self.turn, self._writer), learned, limit)

    def read_whole(self, sent: ChatRequest, body: dict[str, Any], learned: Learned) -> None:
        """Takes this round's whole answer."""
        self.turn = self._turn()
        shown = map(self.turn.take, events_of(sent, body, learned))
        self._shown += [event for event in shown if event is not None]

    def over(self, spent: Spent, learned: Learned, at: float) -> None:
        """The round has been answered and paid for, so many seconds after the call began."""
        usage = spent.usage
        self._spent.append(spent)
        self.tool_names += learned.tool_names
        self.rounds.append(
            {
                "round": self.number,
                "finish_reason": learned.finish_reason,
                "input_tokens": usage and usage.input_tokens,
                "output_tokens": usage and usage.output_tokens,
                "cost_usd": None if spent.cost is None else format(spent.cost, "f"),
                "ended_ms": round(at * 1000, 3),
            }
        )

    def run(self) -> None:
        """Runs the gateway's calls of this round, at the same time; none of them can fail."""
        calls, began = self.turn.own, time.monotonic()
        runs = self._toolbox.run_all([(call.name, call.arguments) for call in calls])
        self.rounds[-1]["tools_ms"] = round((time.monotonic() - began) * 1000, 3)
        results = [_result(call, run) for call, run in zip(calls, runs, strict=True)]
        self.runs += [self._told(call, run) for call, run in zip(calls, runs, strict=True)]
        message = self.turn.message
        self._said.append(message)
        if self.turn.given:
            self._keep(results)
            return
        told = turns.joined(message, results, None)
        self._said.append(told)
        self.added = _tokens([message, told])

    def closing(self, learned: Learned) -> bytes:
        """What ends the answer for the client; the whole of it, if it is no stream."""
        counted = self.turn.counted and Counted(_total(self._spent))
        end = self.turn.end(counted)
        if self._request.stream:
            assert self._writer is not None
            out = b"".join(map(self._writer.write, end)) + self._writer.end()
            learned.response = getattr(self._writer, "response", None)
            return out
        return whole_of(self._request, [*self._shown, *end], learned)

    def total(self, last: Spent) -> Spent:
        """What all rounds have used, with the one that is not over yet."""
        all_ = [*self._spent, last] if last.usage is not None else self._spent
        if not all_:
            return last
        costs = [one.cost for one in all_]
        known = [cost for cost in costs if cost is not None]
        return Spent(
            _total(all_),
            any(one.estimated for one in all_),
            sum(known, Decimal()) if len(known) == len(costs) else None,
            all_[-1].price,
        )

    def _turn(self) -> Turn:
        return Turn(self._theirs, first=self.number == 1)

    def _chat_for(self, dialect: str) -> Chat:
        """The question in the gateway's words, a copy that may be changed."""
        chat = copy.deepcopy(self._chat)
        chat.messages += copy.deepcopy(self._said)
        choice = chat.tool_choice
        if self.number > 1 and choice is not None and choice.mode in ("required", "named"):
            chat.tool_choice = None  # it was obeyed; else the calls would never end
        if self.is_last and self.number > 1:
            _without_tools(chat, dialect)
        return chat

    def _keep(self, results: list[ToolResult]) -> None:
        """For the next turn: the client answers its own calls, and never sees the gateway's."""
        value = {"said": turns.written(self._said), "results": turns.written(_as_message(results))}
        first = self.turn.given[0]
        key = key_of(first.id, first.name, first.arguments)
        self._memory.keep_rounds({key: orjson.dumps(value).decode()})

    def _told(self, call: ToolCall, run: ToolRun) -> dict[str, Any]:
        return {
            "round": self.number,
            "name": call.name[:200],
            "arguments": call.arguments[:_ARGUMENTS_SHOWN],
            "size": run.size,
            "ms": round(run.seconds * 1000, 3),
            "error": run.text[:300] if run.is_error else None,
        }


def _tokens_of_tools(tools: Iterable[Tool]) -> int:
    said = [(tool.name, tool.description, tool.schema) for tool in tools]
    return text_tokens(orjson.dumps(said)) if said else 0


def _tokens(messages: Iterable[Message]) -> int:
    """What messages come to as input; it errs high, like all that is reserved."""
    return sum(_tokens_of(part) for message in messages for part in message.parts)


def _tokens_of(part: Part) -> int:
    match part:
        case Image():
            return PER_IMAGE
        case ToolResult():
            return sum(map(_tokens_of, part.parts)) + _OVERHEAD
        case ToolCall():
            return _tokens_of_text(part.name + part.arguments) + _OVERHEAD
        case Text() | Thinking() | Refusal():
            return _tokens_of_text(part.text)
        case _:  # the client's own media, which stay as they are
            return 0


def _tokens_of_text(text: str) -> int:
    return text_tokens(text.encode(errors="replace"))


def _without_tools(chat: Chat, dialect: str) -> None:
    if dialect in NEEDS_TOOLS:
        chat.tool_choice = ToolChoice("none")
    else:
        chat.tools, chat.tool_choice, chat.parallel_tool_calls = [], None, None


def _result(call: ToolCall, run: ToolRun) -> ToolResult:
    texts = [Text(run.text)] if run.text else []
    return ToolResult(call.id, call.name, [*texts, *run.images], is_error=run.is_error)


def _as_message(results: list[ToolResult]) -> list[Message]:
    return [Message("user", list(results))]


def _total(spent: list[Spent]) -> Usage:
    """The sum of what was counted; what nobody counted stays unknown."""
    usages = [one.usage for one in spent if one.usage is not None]

    def added(name: str) -> Any:
        counts = [getattr(usage, name) for usage in usages]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    return Usage(**{one.name: added(one.name) for one in fields(Usage)})


def _with_kept(messages: list[Message], memory: Memory) -> list[Message]:
    """The conversation with the rounds of earlier turns in which the client had calls, too."""
    keys = [_first_key(message) for message in messages]
    found = memory.kept_rounds([key for key in keys if key is not None])
    whole: list[Message] = []
    results: list[ToolResult] = []
    for message, key in zip(messages, keys, strict=True):
        if results:
            message = turns.joined(whole[-1], results, message)
            results = []
        if key is None or key not in found:
            whole.append(message)
            continue
        kept = orjson.loads(found[key])
        whole += turns.read(kept["said"])
        (held,) = turns.read(kept["results"])
        results = [part for part in held.parts if isinstance(part, ToolResult)]
    return [*whole, turns.joined(whole[-1], results, None)] if results else whole


def _first_key(message: Message) -> str | None:
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    return key_of(calls[0].id, calls[0].name, calls[0].arguments) if calls else None
