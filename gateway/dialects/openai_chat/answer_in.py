"""Reads an answer of a vendor of this dialect, whole or as a stream, however loosely it is worded.

Vendors leave out what the dialect asks for (usage, created, index, role), repeat what it wants
once, and use words of their own; nothing of that is an error here.
"""

from typing import Any

import orjson

from gateway.chat import Usage
from gateway.conversation import Began, Event, TextPiece
from gateway.dialects.openai import usage_of
from gateway.dialects.openai_chat.choice_in import ChoiceReader
from gateway.dialects.openai_chat.logprobs import read_logprobs
from gateway.dialects.openai_chat.native import kept
from gateway.dialects.openai_chat.text_runs import MOST_RUNS, Run, run_of
from gateway.dialects.openai_chat.thoughts import objects
from gateway.dialects.openai_chat.usage import counted, usage_in

# What an answer says of how it came about; `provider` is OpenRouter's.
REMARKS = ("service_tier", "system_fingerprint", "provider")
_DONE = b"[DONE]"
# No count of seconds is as high before the year 5138: it is milliseconds.
_MOST_SECONDS = 100_000_000_000
_MOST_MILLISECONDS = 1000 * _MOST_SECONDS


def read_answer(body: dict[str, Any]) -> list[Event]:
    """A whole answer, as the events of a stream that says the same."""
    if not isinstance(body, dict):
        return []
    events: list[Event] = [_began(body)]
    taken: set[str] = set()
    readers: dict[int, ChoiceReader] = {}
    for at, choice in enumerate(objects(body.get("choices"))):
        reader = ChoiceReader(_index(choice, at, readers), taken)
        readers[reader.choice] = reader
        if isinstance(choice.get("message"), dict):
            events += reader.read_message(choice["message"])
        reader.reason = _word(choice.get("finish_reason"))
        read_logprobs(choice.get("logprobs"), reader.logprobs)
        if at == 0:
            reader.cite(sources(body))
        events += reader.finish(ended=True)
    return events + _counted(usage_in(body))


class StreamReader:
    """`ended`: upstream said how it finished, or that it is done. `failure`: what it sent instead,
    as it came; nothing is read after it.

    How a choice finished is told at the end, since some vendors have something to add.
    """

    def __init__(self) -> None:
        self.ended = False
        self.failure: Any = None
        self._began = False
        self._told = False
        self._done = False
        self._choices: dict[int, ChoiceReader] = {}
        self._taken: set[str] = set()
        self._usage: Any = None
        self._sources: list[dict[str, Any]] = []
        self._run: Run | None = None
        self._runs_to_try = MOST_RUNS

    @property
    def usage(self) -> Usage | None:
        """Some vendors count with every chunk."""
        return usage_of(self._usage)

    def feed(self, data: bytes, name: str | None = None) -> list[Event]:
        """The data of one event, and the event's name."""
        if self._told or self.failure is not None:
            return []
        if self._run is not None and name is None:
            text = self._run.text_of(data)
            if text is not None:
                self._runs_to_try = MOST_RUNS
                return [TextPiece(text, self._run.choice)]
        if data == _DONE:
            self.ended = self._done = True
            return self.finish()
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._take_unreadable(data, name)
            return []
        if not isinstance(chunk, dict) or "error" in chunk or name == "error":
            self._take_failure(chunk, name)
            if self.failure is not None or not isinstance(chunk, dict):
                return []
        events = self._read(chunk)
        if self._runs_to_try:
            self._runs_to_try -= 1
            self._run = run_of(data, chunk, events)
        else:
            self._run = None
        return events

    def finish(self) -> list[Event]:
        """What waits for the end: sources, how each choice finished, the last usage."""
        if self._told:
            return []
        self._told = True
        events: list[Event] = []
        for at in sorted(self._choices):
            reader = self._choices[at]
            if self._sources:
                reader.cite(self._sources)
                self._sources = []
            events += reader.finish(self._done and self.failure is None)
        return events + _counted(self._usage)

    def _read(self, chunk: dict[str, Any]) -> list[Event]:
        events: list[Event] = []
        choices = chunk.get("choices")
        if not self._began:
            self._begin(chunk, choices, events)
        if chunk.get("usage") or "x_groq" in chunk:
            self._note(chunk)
        if "citations" in chunk or "search_results" in chunk:
            self._sources = sources(chunk)
        if choices and isinstance(choices, list):
            for at, choice in enumerate(choices):
                if isinstance(choice, dict):
                    events += self._read_choice(choice, at)
        return events

    def _begin(self, chunk: dict[str, Any], choices: Any, events: list[Event]) -> None:
        """Azure's first chunk has neither choices nor an id: it is not the beginning."""
        if choices or _word(chunk.get("id")):
            self._began = True
            events.append(_began(chunk))
        elif chunk.get("object") == "error" or _is_refused(chunk):
            self.failure = chunk

    def _read_choice(self, choice: dict[str, Any], at: int) -> list[Event]:
        index = choice.get("index")
        if type(index) is not int or index < 0:
            index = at
        reader = self._choices.get(index)
        fresh = reader is None
        if reader is None:
            reader = self._choices[index] = ChoiceReader(index, self._taken)
        delta = choice.get("delta")
        events: list[Event] = []
        if isinstance(delta, dict):
            events = reader.read_delta(delta)
        elif fresh and isinstance(choice.get("message"), dict):
            events = reader.read_message(choice["message"])
        if choice.get("logprobs"):
            read_logprobs(choice["logprobs"], reader.logprobs)
        reason = choice.get("finish_reason")
        if reason and isinstance(reason, str):
            self._close(reader, reason)
        return events

    def _close(self, reader: ChoiceReader, reason: str) -> None:
        if reason == "error":
            message = "upstream broke off its answer (finish_reason: error)"
            self.failure = {"error": {"message": message, "type": "api_error", "code": reason}}
            return
        reader.reason = reason
        self.ended = True

    def _note(self, chunk: dict[str, Any]) -> None:
        self._usage = usage_in(chunk) or self._usage
        own = chunk.get("x_groq")
        if isinstance(own, dict) and own.get("error"):
            self.failure = own

    def _take_failure(self, chunk: Any, name: str | None) -> None:
        """An error object, whatever else the chunk holds; Google wraps it in an array."""
        if isinstance(chunk, list) and chunk and isinstance(chunk[0], dict):
            chunk = chunk[0]
        if name == "error" or (isinstance(chunk, dict) and chunk.get("error")):
            self.failure = chunk if chunk is not None else {}

    def _take_unreadable(self, data: bytes, name: str | None) -> None:
        """What comes first and is not JSON is no stream of this dialect."""
        if name == "error" or (not self._began and data):
            self.failure = data.decode(errors="replace")


def sources(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What Perplexity and xAI say of their sources, beside the choices."""
    found = objects(body.get("search_results"))
    named = {result.get("url") for result in found if isinstance(result.get("url"), str)}
    urls = body.get("citations")
    for url in urls if isinstance(urls, list) else ():
        if isinstance(url, dict):
            found.append(url)
        elif isinstance(url, str) and url not in named:
            found.append({"url": url})
    return found


def _counted(usage: Any) -> list[Event]:
    found = counted(usage)
    return [] if found is None else [found]


def _began(body: dict[str, Any]) -> Began:
    said = {name: body[name] for name in REMARKS if _word(body.get(name))}
    created = _seconds(body.get("created"))
    return Began(_word(body.get("id")), _word(body.get("model")), created, kept(said))


def _seconds(value: Any) -> int | None:
    """Some servers give a fraction, milliseconds, or a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not 0 < value < _MOST_MILLISECONDS:
        return None
    return int(value if value < _MOST_SECONDS else value / 1000)


def _index(choice: dict[str, Any], at: int, others: dict[int, Any]) -> int:
    index = choice.get("index")
    if type(index) is int and index >= 0 and index not in others:
        return index
    while at in others:
        at += 1
    return at


def _is_refused(chunk: dict[str, Any]) -> bool:
    """An error in one of the flat forms: a text alone, with nothing of an answer."""
    return "choices" not in chunk and ("message" in chunk or "detail" in chunk)


def _word(value: Any) -> str | None:
    return value if value and isinstance(value, str) else None
