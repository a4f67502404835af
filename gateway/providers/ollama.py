"""Ollama: OpenAI's dialect for chats; its own address tells which models are pulled, and of each
how much it can read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.dialects.openai_chat import Accepts
from gateway.providers.base import Provider
from gateway.providers.quirks import Quirks

# So many are asked about one by one.
_MOST_SHOWN = 100
_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)
# What it does not read.
_UNREAD = frozenset(
    {
        *("logit_bias", "metadata", "moderation", "prediction", "prompt_cache_key"),
        *("prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier"),
        *("store", "user", "verbosity"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Ollama(Provider):
    """Its list of models is of those that are pulled."""

    def read_models(self, body: Any) -> list[dict[str, Any]]:
        return [
            {**row, "owned_by": "library", "created": _seconds(row.get("modified_at"))}
            if "modified_at" in row
            else row
            for row in super().read_models(body)
        ]

    def enriched(
        self, rows: list[dict[str, Any]], ask: Callable[[str, bytes], Any]
    ) -> list[dict[str, Any]]:
        """With what each model can read: its own length, and the one it is run with."""
        shown = rows[:_MOST_SHOWN] if all("modified_at" in row for row in rows) else []
        for row in shown:
            told = ask("/api/show", orjson.dumps({"model": row["id"]}))
            row |= _shown(told if isinstance(told, dict) else {})
        return rows


def _shown(told: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    info = told.get("model_info")
    for name, value in info.items() if isinstance(info, dict) else ():
        if name.endswith(".context_length") and isinstance(value, int):
            members["context_window"] = value
    run_with = _NUM_CTX.search(str(told.get("parameters") or ""))
    if run_with is not None:
        members["num_ctx"] = int(run_with.group(1))
    if isinstance(told.get("capabilities"), list):
        members["capabilities"] = told["capabilities"]
    return members


def _seconds(modified_at: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(modified_at)).timestamp())
    except (ValueError, OverflowError):
        return 0


def _message(message: dict[str, Any], text: bytes) -> dict[str, bytes | None]:
    """Ollama answers 400 to a null content."""
    empty = message.get("content") is None and "content" in message
    return {"content": b'""'} if empty and not message.get("tool_calls") else {}


def _body(body: dict[str, Any]) -> dict[str, Any]:
    """Ollama does not read `tool_choice`: without tools none is called."""
    return {"tools": None} if body.get("tool_choice") == "none" else {}


OLLAMA = Ollama(
    id="ollama",
    title="Ollama",
    base_url="http://localhost:11434/v1",
    key="optional",
    native_models_path="/api/tags",
    image_urls=False,
    hint="Start Ollama (`ollama serve`), or set the address where it listens.",
    accepts=Accepts(
        cap_field="max_tokens",
        thoughts="reasoning",
        files=None,
        audio=None,
        refusals=False,
        names=False,
        seals=False,
        allowed_tools=False,
        one_call=False,
    ),
    quirks=Quirks(
        rename={"max_completion_tokens": "max_tokens"},
        drop=_UNREAD,
        only={
            "audio": (),
            "logprobs": (False,),
            "modalities": (["text"],),
            "n": (1,),
            "parallel_tool_calls": (True,),
            "tool_choice": ("auto", "none"),
            "web_search_options": (),
        },
        words={"reasoning_effort": {"minimal": "low", "xhigh": "high", "max": "high"}},
        message=_message,
        body=_body,
    ),
)
