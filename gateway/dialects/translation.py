"""A question of one dialect in the words of another, and the answer on its way back."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from gateway.chat import ChatRequest, Learned
from gateway.conversation import Chat, Event
from gateway.dialects import anthropic, custom_tools, gemini, openai, openai_chat, responses
from gateway.dialects.base import Reader, Writer
from gateway.dialects.filtered import Filter, Filtered, OneCall, filtered
from gateway.dialects.openai_chat.accepts import OPENAI, Accepts
from gateway.dialects.openai_chat.meters import Answers
from gateway.dialects.passage import (
    Attended,
    Overheard,
    Passage,
    Translated,
    note_state,
    noted,
)
from gateway.dialects.table import DIALECTS, ECHOING, PARALLEL, SPOKEN
from gateway.errors import BadRequest

# One of these an answer has, or it is none.
_MARKS = {
    "openai": ("choices",),
    "anthropic": ("content",),
    "responses": ("output",),
    "gemini": ("candidates", "promptFeedback", "usageMetadata"),
}

# How an answer tells that it is none, though it looks like one.
_SPOILT = {"openai": openai.broken_off, "gemini": gemini.spoilt}


def in_dialect(
    request: ChatRequest,
    dialect: str,
    model: str,
    accepts: Accepts = OPENAI,
    restore: Callable[[Chat], None] | None = None,
) -> tuple[ChatRequest, tuple[str, ...]]:
    """The question in a vendor's dialect, and the names of the hints that it has no words for.

    The very question if it is in that dialect already. `restore` gives it back what its client has
    dropped. `accepts`: what this vendor of OpenAI's dialect takes. Raises BadRequest that names a
    field.
    """
    if request.chat is None and request.dialect == dialect:
        return request, ()
    chat = read_question(request) if request.chat is None else request.chat(dialect)
    if restore is not None:
        restore(chat)
    takes_custom_tools = dialect == "openai" and accepts.custom_tools
    wrapped = frozenset() if takes_custom_tools else custom_tools.wrap(chat)
    if dialect == "openai":
        written = openai_chat.write_chat(chat, model, stream=request.stream, accepts=accepts)
    else:
        written = SPOKEN[dialect].write_chat(chat, model, stream=request.stream)
    said = ChatRequest(
        raw=_dumped(written.body),
        body=written.body,
        model=model,
        stream=request.stream,
        include_usage=True,
        dialect=dialect,
        wrapped=wrapped,
        one_call=chat.parallel_tool_calls is False and not _takes_one_call(dialect, accepts),
    )
    return said, tuple(written.dropped)


def _takes_one_call(dialect: str, accepts: Accepts) -> bool:
    return accepts.one_call if dialect == "openai" else dialect not in PARALLEL


def read_question(request: ChatRequest) -> Chat:
    """The question, with the conversation that it goes on with. Raises BadRequest."""
    if request.earlier is not None:
        return responses.read_chat(request.body, request.earlier)
    return DIALECTS[request.dialect].read_chat(request.body)


def _dumped(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        raise BadRequest("The question is nested too deep to be translated") from None


def stream_passage(
    asked: ChatRequest,
    sent: ChatRequest,
    learned: Learned,
    *,
    hide_usage: bool,
    limit: int,
    answers: Answers = "usual",
    attend: bool = False,
) -> Passage:
    """How a stream goes from the vendor that was `sent` a question to the door that `asked`.

    Where nothing is translated, `answers`: in what they may differ from OpenAI's; `attend`: the
    state of its thoughts is wanted.
    """
    if asked.dialect != sent.dialect:
        writer = door_writer(asked, sent)
        if isinstance(writer, responses.StreamWriter):
            return _Responded(_reader(sent), writer, learned, limit)
        return translated(sent, writer, learned, limit)
    if sent.dialect == "openai":
        choices = sent.body.get("n") or 1
        kind = openai_chat.METERS[answers]
        meter = kind(learned, hide_usage=hide_usage, limit=limit, choices=choices)
        return Attended(meter, openai_chat.StreamReader(), learned) if attend else meter
    return Overheard(DIALECTS[sent.dialect].StreamReader(), learned, limit)


def door_writer(asked: ChatRequest, sent: ChatRequest) -> Writer:
    """Writes a stream for the door that `asked`."""
    model = asked.model or sent.model or ""
    if asked.dialect == "responses":
        return responses.StreamWriter(model, request=asked.body)
    return DIALECTS[asked.dialect].StreamWriter(model, include_usage=asked.include_usage)


def translated(sent: ChatRequest, writer: Writer, learned: Learned, limit: int) -> Passage:
    """A vendor's stream, read in its dialect and given to a writer."""
    return Translated(_reader(sent), writer, learned, limit)


class _Responded(Translated):
    """A stream whose whole answer its door may keep."""

    def __init__(
        self, reader: Reader, writer: responses.StreamWriter, learned: Learned, limit: int
    ) -> None:
        super().__init__(reader, writer, learned, limit)
        self._response = writer

    def finish(self) -> bytes:
        out = super().finish()
        if self._learned.ended:
            self._learned.response = self._response.response
        return out


def whole_answer(
    asked: ChatRequest,
    sent: ChatRequest,
    raw: bytes,
    body: dict[str, Any],
    learned: Learned,
    *,
    attend: bool = False,
    answers: Answers = "usual",
) -> bytes:
    """A whole answer for the door, noted on its way: the very bytes within one dialect."""
    learned.ended = True
    if asked.dialect == sent.dialect == "openai":
        openai.meter_answer(body, learned)
        if attend:
            note_state(openai_chat.read_answer(body), learned)
        return openai_chat.plain_answer(raw, body) if answers == "lists" else raw
    events = events_of(sent, body, learned)
    if asked.dialect == sent.dialect:
        for _ in events:
            pass
        return raw
    return whole_of(asked, events, learned, sent.model)


def events_of(sent: ChatRequest, body: dict[str, Any], learned: Learned) -> Iterator[Event]:
    """A whole answer's events, noted on their way."""
    learned.ended = True
    found = DIALECTS[sent.dialect].read_answer(body)
    return noted(filtered(found, _filters(sent)), learned)


def whole_of(
    asked: ChatRequest, events: Iterable[Event], learned: Learned, model: str | None = None
) -> bytes:
    """A whole answer in the door's dialect."""
    named = asked.model or model or ""
    written = DIALECTS[asked.dialect].write_answer(events, named, **_echoed(asked))
    if asked.dialect == "responses":
        learned.response = written
    return orjson.dumps(written)


def _reader(sent: ChatRequest) -> Reader:
    reader, filters = DIALECTS[sent.dialect].StreamReader(), _filters(sent)
    return Filtered(reader, filters) if filters else reader


def _filters(sent: ChatRequest) -> list[Filter]:
    """What the answer needs so that it fits the question as the door asked it."""
    filters: list[Filter] = [OneCall()] if sent.one_call else []
    return [*filters, custom_tools.CustomCalls(sent.wrapped)] if sent.wrapped else filters


def _echoed(asked: ChatRequest) -> dict[str, Any]:
    return {"request": asked.body} if asked.dialect in ECHOING else {}


def counted(request: ChatRequest, dialect: str, model: str) -> ChatRequest:
    """A question whose tokens are to be counted, as a vendor of `dialect` wants to be asked."""
    if request.dialect == dialect:
        return request
    read = gemini.read_count if request.dialect == "gemini" else DIALECTS[request.dialect].read_chat
    chat = read(request.body)
    custom_tools.wrap(chat)
    written = SPOKEN[dialect].write_chat(chat, model, stream=False)
    if dialect == "gemini":
        body = gemini.count_tokens_body(written, model)
    else:
        body = anthropic.count_tokens_body(written.body)
    raw = _dumped(body)
    return ChatRequest(raw, body, model, False, False, kind="count", dialect=dialect)


def count_of(dialect: str, body: Any) -> int:
    """The count in a vendor's answer."""
    if dialect == "gemini":
        return gemini.read_token_count(body)
    count = body.get("input_tokens") if isinstance(body, dict) else None
    return count if isinstance(count, int) else 0


def count_answer(door: str, count: int) -> bytes:
    """A count in the door's words."""
    body = gemini.token_count_body(count) if door == "gemini" else {"input_tokens": count}
    return orjson.dumps(body)


def failure_of(sent: ChatRequest, raw: bytes, body: Any) -> Any:
    """What a vendor says instead of an answer, or of one that broke off; None of a good one."""
    if not is_answer(sent, body):
        return body if isinstance(body, dict) and body.get("error") else raw.decode()
    if sent.kind != "chat" or sent.dialect not in _SPOILT:
        return None
    return _SPOILT[sent.dialect](body)


def is_answer(sent: ChatRequest, body: Any) -> bool:
    """Whether a vendor's JSON is an answer at all, and not an error, or something else."""
    if not isinstance(body, dict) or body.get("error"):
        return False
    if sent.kind != "chat":
        return True
    return any(body.get(mark) is not None for mark in _MARKS[sent.dialect])
