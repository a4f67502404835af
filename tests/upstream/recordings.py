"""Recorded exchanges with real providers, to be answered again as they were."""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .answers import Answer, Json, Sse

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "recordings" / "openai-chat.jsonl.gz"
# Google ends its lines with CRLF.
_EVENT = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")


@dataclass(frozen=True)
class Recording:
    """`response` is the JSON value of a whole answer, and the text of a stream."""

    provider: str
    path: str
    query: str
    status: int
    kind: Literal["json", "sse", "text"]
    request: dict[str, Any]
    response: Any
    headers: dict[str, list[str]]
    source: str

    @property
    def id(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @property
    def stream(self) -> bool:
        return self.kind == "sse"

    def body(self) -> bytes:
        if self.kind == "json":
            return json.dumps(self.response, ensure_ascii=False).encode()
        return str(self.response).encode()

    def answer(self) -> Answer:
        headers = {name: value for name, values in self.headers.items() for value in values}
        if not self.stream:
            return Json(self.body(), status=self.status, headers=headers)
        return Sse(_events(self.body()), done=False, status=self.status, headers=headers)


def load(path: Path = RECORDINGS) -> list[Recording]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as rows:
        return [Recording(**json.loads(row)) for row in rows]


def _events(stream: bytes) -> list[bytes]:
    """The stream cut behind each blank line, nothing added and nothing left out."""
    return [event for event in _EVENT.split(stream) if event]
