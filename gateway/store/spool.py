"""Rows of the log that wait in a file: while the database is away, and from one start to the next.

A file belongs to the worker that holds its lock; a lock ends with its process, and another worker
then reads the file in. Its first line names the columns, so that a newer version can read it.
"""

import fcntl
import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gateway.store.models import LOG_COLUMNS

_log = logging.getLogger(__name__)


class Body(NamedTuple):
    """What was asked and answered, and what went up; `kept` is how: `redacted` or `full`."""

    question: str | None
    answer: str | None
    kept: str
    sent: str | None = None
    sent_head: str | None = None

    @property
    def size(self) -> int:
        return len(self.question or "") + len(self.answer or "") + len(self.sent or "")


class Entry(NamedTuple):
    row: Sequence[Any]
    body: Body | None = None


class SpoolFile:
    """A queue of entries in a file that is locked. Raises OSError where it cannot be had."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._reader = open(path, "rb")
        except OSError:
            self._file.close()
            raise
        self.size = self._file.seek(0, os.SEEK_END)
        self._columns = _columns(self._reader.readline())
        self._before = self._at = self._reader.tell()

    def __bool__(self) -> bool:
        """Whether there is more to read."""
        return self._at < self.size

    def put(self, entries: Iterable[Entry], most_bytes: int) -> bool:
        """Appends all of them, or none where they have no room."""
        text = b"" if self.size else _line(LOG_COLUMNS)
        begins = len(text)
        text += b"".join(map(_line_of, entries))
        if self.size + len(text) > most_bytes or not self._append(text):
            return False
        if self.size == 0:
            self._columns, self._before, self._at = LOG_COLUMNS, begins, begins
        self.size += len(text)
        return True

    def take(self, count: int) -> list[Entry]:
        """The next entries; `done` says that they are settled, `give_back` that they are not."""
        self._before = self._at
        try:
            return self._read(count)
        except OSError:
            self._at = self._before
            raise

    def give_back(self, entries: Sequence[Entry]) -> None:
        self._at = self._before

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._reader.close()
        self._file.close()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()

    def _read(self, count: int) -> list[Entry]:
        self._reader.seek(self._at)
        entries: list[Entry] = []
        while len(entries) < count and self._at < self.size:
            line = self._reader.readline()
            self._at += len(line)
            if entry := self._entry(line):
                entries.append(entry)
            if not line:
                self._at = self.size
        return entries

    def _append(self, text: bytes) -> bool:
        try:
            self._file.seek(self.size)
            written = self._file.write(text)
        except OSError as error:
            _log.warning("The request log's spool cannot be written: %s", error.strerror)
            written = 0
        if written != len(text):
            self._file.truncate(self.size)
        return written == len(text)

    def _entry(self, line: bytes) -> Entry | None:
        """None for what a crash has left half written."""
        try:
            *values, body = orjson.loads(line)
            known = dict(zip(self._columns, values, strict=True))
        except (orjson.JSONDecodeError, ValueError, TypeError):
            return None
        return Entry([known.get(name) for name in LOG_COLUMNS], Body(*body) if body else None)


class Spool:
    """This worker's own file, and those that dead workers left behind."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._own: SpoolFile | None = None
        self._found: list[SpoolFile] = []

    @property
    def bytes_waiting(self) -> int:
        return sum(file.size for file in self._files)

    def put(self, entries: Sequence[Entry]) -> bool:
        """Whether they are in the file now."""
        try:
            if self._own is None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._own = SpoolFile(self._folder / f"{secrets.token_hex(8)}.jsonl")
        except OSError as error:
            _log.warning("The request log's spool cannot be made: %s", error.strerror)
            return False
        return self._own.put(entries, self._most_bytes)

    def next(self) -> SpoolFile | None:
        """A file with entries to read; those that were read to their end are taken out."""
        for file in self._files:
            if file:
                return file
            file.remove()
            self._forget(file)
        return None

    def adopt(self) -> None:
        """Looks for files that no living worker holds."""
        mine = {file.path for file in self._files}
        for path in sorted(self._folder.glob("*.jsonl")):
            if path in mine:
                continue
            try:
                self._found.append(SpoolFile(path))
            except OSError:
                continue

    def close(self) -> None:
        """The files stay, for the next start."""
        for file in self._files:
            try:
                file.sync() if file else file.remove()
            except OSError as error:
                _log.warning("The request log's spool cannot be left well: %s", error.strerror)
            file.close()
        self._found, self._own = [], None

    @property
    def _files(self) -> list[SpoolFile]:
        return [*self._found, *([] if self._own is None else [self._own])]

    def _forget(self, file: SpoolFile) -> None:
        if file is self._own:
            self._own = None
        else:
            self._found.remove(file)


def _columns(line: bytes) -> tuple[str, ...]:
    try:
        return tuple(orjson.loads(line))
    except (orjson.JSONDecodeError, TypeError):
        return ()


def _line_of(entry: Entry) -> bytes:
    """Nothing for a row that no database would take either."""
    try:
        return _line([*entry.row, entry.body])
    except TypeError:
        _log.error("A row of the request log cannot be written")
        return b""


def _line(values: Any) -> bytes:
    return orjson.dumps(values, default=_plain) + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Body):
        return list(value)
    raise TypeError(type(value).__name__)
