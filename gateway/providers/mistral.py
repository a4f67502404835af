"""Mistral: OpenAI's dialect with a strict reader: what it does not know is a 422 there.

The fields are those of its SDK (mistralai 3.7), the order of roles that of mistral-common.
"""

import hashlib
import re
from typing import Any

import orjson

from gateway.dialects.openai_chat import Accepts
from gateway.dialects.splice import Edits, elements, joined, value_of
from gateway.errors import BadRequest
from gateway.providers.base import Provider
from gateway.providers.choices import allowed_alone
from gateway.providers.quirks import Quirks

_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KNOWN = frozenset(
    {
        *("frequency_penalty", "guardrails", "logprobs", "max_tokens", "messages", "metadata"),
        *("min_tokens", "model", "n", "parallel_tool_calls", "prediction", "presence_penalty"),
        *("prompt_cache_key", "prompt_logprobs", "prompt_mode", "random_seed", "reasoning_effort"),
        *("repetition_penalty", "response_format", "safe_prompt", "service_tier", "stop"),
        *("stream", "temperature", "tool_choice", "tools", "top_k", "top_logprobs", "top_p"),
        "top_prompt_logprobs",
    }
)
_OF_MESSAGES = frozenset({"role", "content", "tool_calls", "tool_call_id", "prefix"})
_THOUGHTS = ("reasoning_content", "reasoning")


def mistral_id(call_id: str) -> str:
    """A tool call's id as Mistral's older tokenizers want it: nine letters or digits.

    The same id always gives the same one, so that calls and results still belong together.
    """
    if _MISTRAL_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8])
    letters = ""
    for _ in range(9):
        number, rest = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[rest]
    return letters


def _message(message: dict[str, Any], text: bytes) -> dict[str, bytes | None]:
    """Of a message it takes role, content, calls and ids alone; earlier thoughts are parts of the
    content, audio is a bare text, a file a `document_url`.
    """
    known = _OF_MESSAGES | {"name"} if message["role"] == "tool" else _OF_MESSAGES
    replace: dict[str, bytes | None] = dict.fromkeys(message.keys() - known)
    answered = message.get("tool_call_id")
    if isinstance(answered, str) and mistral_id(answered) != answered:
        replace["tool_call_id"] = orjson.dumps(mistral_id(answered))
    calls = message.get("tool_calls")
    if isinstance(calls, list) and any(_is_long(call) for call in calls):
        replace["tool_calls"] = _with_own_ids(calls, value_of(text, "tool_calls") or b"[]")
    if (content := _content(message, text)) is not None:
        replace["content"] = content
    return replace


def _content(message: dict[str, Any], text: bytes) -> bytes | None:
    """The content's text if it has to be another, else None."""
    content = message.get("content")
    thought = next((said for name in _THOUGHTS if (said := message.get(name))), None)
    if (
        message["role"] == "assistant"
        and isinstance(thought, str)
        and not isinstance(content, list)
    ):
        parts: list[Any] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
        parts += [{"type": "text", "text": content}] if content else []
        return orjson.dumps(parts)
    if not isinstance(content, list):
        return None
    given = value_of(text, "content") or b"[]"
    texts = [given[start:end] for start, end in elements(given, 0)]
    changed = [_part(part, own) for part, own in zip(content, texts, strict=True)]
    return None if changed == texts else joined(changed)


def _part(part: dict[str, Any], text: bytes) -> bytes:
    kind = part.get("type")
    if kind == "input_audio" and isinstance(part.get("input_audio"), dict):
        data = value_of(value_of(text, "input_audio") or b"{}", "data")
        return Edits({"input_audio": data}).apply(text) if data else text
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return orjson.dumps({"type": "text", "text": part["refusal"]})
    if kind == "file" and isinstance(part.get("file"), dict):
        return _document(part["file"])
    return text


def _document(file: dict[str, Any]) -> bytes:
    address = file.get("file_data")
    if not isinstance(address, str):
        raise BadRequest(
            "Mistral takes files as data, not by an id of another vendor",
            param="messages",
            code="unsupported_parameter",
        )
    named = {"document_name": file["filename"]} if isinstance(file.get("filename"), str) else {}
    return orjson.dumps({"type": "document_url", "document_url": address, **named})


def _is_long(call: Any) -> bool:
    call_id = call.get("id") if isinstance(call, dict) else None
    return isinstance(call_id, str) and mistral_id(call_id) != call_id


def _with_own_ids(calls: list[Any], text: bytes) -> bytes:
    parts = []
    for call, (start, end) in zip(calls, elements(text, 0), strict=True):
        part = text[start:end]
        if _is_long(call):
            part = Edits({"id": orjson.dumps(mistral_id(call["id"]))}).apply(part)
        parts.append(part)
    return joined(parts)


def _turns(messages: list[dict[str, Any]], texts: list[bytes]) -> list[bytes]:
    """The system speaks before the first answer; a trailing answer is a prefix of the next; between
    a tool's result and the user stands an answer.
    """
    turns = list(zip(messages, texts, strict=True))
    began = next((at for at, (said, _) in enumerate(turns) if _role(said) == "assistant"), None)
    if began is not None and any(_role(said) == "system" for said, _ in turns[began:]):
        late = [turn for turn in turns[began:] if _role(turn[0]) == "system"]
        turns = _leading(turns[:began], late) + [t for t in turns[began:] if t not in late]
    spoken: list[bytes] = []
    before = None
    for message, text in turns:
        if before == "tool" and _role(message) == "user":
            spoken.append(b'{"role":"assistant","content":"OK"}')
        spoken.append(text)
        before = _role(message)
    if before == "assistant" and turns[-1][0].get("prefix") is None:
        spoken[-1] = Edits({"prefix": b"true"}).apply(spoken[-1])
    return texts if spoken == texts else spoken


def _leading(first: list[Any], late: list[Any]) -> list[Any]:
    """`late` behind the system messages with which `first` begins."""
    at = next((at for at, (said, _) in enumerate(first) if _role(said) != "system"), len(first))
    return first[:at] + late + first[at:]


def _role(message: dict[str, Any]) -> str:
    role = str(message["role"])
    return "system" if role == "developer" else role


def _tool(tool: dict[str, Any], text: bytes) -> dict[str, bytes | None]:
    """Mistral requires `parameters`, which OpenAI lets out for a function without arguments."""
    function = tool.get("function")
    if not isinstance(function, dict) or function.get("parameters") is not None:
        return {}
    empty = Edits({"parameters": b'{"type":"object","properties":{}}'})
    return {"function": empty.apply(value_of(text, "function") or b"{}")}


def _body(body: dict[str, Any]) -> dict[str, Any]:
    """A choice of `allowed_tools` becomes the tools that are allowed."""
    members = allowed_alone(body)
    if members.get("tool_choice") == "required":
        members["tool_choice"] = "any"
    return members


MISTRAL = Provider(
    id="mistral",
    title="Mistral",
    model_hint="For example mistral-large-latest.",
    base_url="https://api.mistral.ai/v1",
    stream_usage="given",
    answers="lists",
    accepts=Accepts(
        cap_field="max_tokens",
        thoughts="chunks",
        files="document_url",
        audio="text",
        refusals=False,
        names=False,
        allowed_tools=False,
        top_k=True,
    ),
    quirks=Quirks(
        rename={"seed": "random_seed", "max_completion_tokens": "max_tokens"},
        needless=frozenset({"stream_options"}),
        only={
            "audio": (),
            "function_call": ("auto", "none"),
            "functions": ([],),
            "modalities": (["text"],),
            "web_search_options": (),
        },
        known=_KNOWN,
        words={
            # Older servers know `any` alone.
            "tool_choice": {"required": "any"},
            # Types list all of OpenAI's words, the served models take two.
            "reasoning_effort": {
                "minimal": "none",
                "low": "high",
                "medium": "high",
                "xhigh": "high",
                "max": "high",
            },
        },
        roles={"developer": "system"},
        message=_message,
        message_drop=frozenset({"name"}),
        tool=_tool,
        turns=_turns,
        body=_body,
    ),
)
