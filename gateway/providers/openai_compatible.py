"""The vendors that speak OpenAI's chat completions: one row each.

Addresses, keys and quirks are those of the vendors' own documents, SDK types and error texts.
"""

import hashlib
import re
from typing import Any

import orjson

from gateway.dialects.splice import Edits, elements, joined, value_of
from gateway.errors import BadRequest
from gateway.providers.base import Provider
from gateway.providers.quirks import Quirks

_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_AS_DEVELOPER = {"developer": "system"}


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


def _mistral_message(message: dict[str, Any], text: bytes) -> dict[str, bytes]:
    replace = {}
    answered = message.get("tool_call_id")
    if isinstance(answered, str) and mistral_id(answered) != answered:
        replace["tool_call_id"] = orjson.dumps(mistral_id(answered))
    calls = message.get("tool_calls")
    if isinstance(calls, list) and any(_long_id(call) for call in calls):
        replace["tool_calls"] = _with_mistral_ids(calls, value_of(text, "tool_calls") or b"[]")
    return replace


def _long_id(call: Any) -> bool:
    call_id = call.get("id") if isinstance(call, dict) else None
    return isinstance(call_id, str) and mistral_id(call_id) != call_id


def _with_mistral_ids(calls: list[Any], text: bytes) -> bytes:
    parts = []
    for call, (start, end) in zip(calls, elements(text, 0), strict=True):
        part = text[start:end]
        if _long_id(call):
            part = Edits({"id": orjson.dumps(mistral_id(call["id"]))}).apply(part)
        parts.append(part)
    return joined(parts)


def _mistral_tool(tool: dict[str, Any], text: bytes) -> dict[str, bytes]:
    """Mistral requires `parameters`, which OpenAI lets out for a function without arguments."""
    function = tool.get("function")
    if not isinstance(function, dict) or function.get("parameters") is not None:
        return {}
    empty = Edits({"parameters": b'{"type":"object","properties":{}}'})
    return {"function": empty.apply(value_of(text, "function") or b"{}")}


def _ollama_message(message: dict[str, Any], text: bytes) -> dict[str, bytes]:
    """Ollama answers 400 to a null content, and to an image that is no data URI."""
    content = message.get("content")
    if content is None and "content" in message and not message.get("tool_calls"):
        return {"content": b'""'}
    for part in content if isinstance(content, list) else ():
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            raise BadRequest(
                "Ollama takes images as data URIs only, not from an address",
                param="messages",
                code="unsupported_parameter",
            )
    return {}


def _lmstudio_body(body: dict[str, Any]) -> dict[str, Any]:
    """LM Studio knows neither `json_object` nor a tool choice that is an object."""
    replace: dict[str, Any] = {}
    if (body.get("response_format") or {}).get("type") == "json_object":
        schema = {"name": "object", "schema": {"type": "object"}}
        replace["response_format"] = {"type": "json_schema", "json_schema": schema}
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        named = [tool for tool in body.get("tools") or () if _tool_name(tool) == _named(choice)]
        replace |= {"tool_choice": "required", "tools": named}
    return replace


def _named(choice: dict[str, Any]) -> Any:
    return choice["function"].get("name")


def _tool_name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


OPENAI_COMPATIBLE = (
    Provider(
        id="openai",
        title="OpenAI",
        speaks=("openai", "responses"),
        base_url="https://api.openai.com/v1",
        cap_field="max_completion_tokens",
    ),
    Provider(
        id="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai/v1",
        stream_usage="given",
        quirks=Quirks(
            # Whatever it does not know is a 422 there.
            rename={"seed": "random_seed", "max_completion_tokens": "max_tokens"},
            drop=frozenset(
                {
                    "logit_bias",
                    "moderation",
                    "prompt_cache_options",
                    "prompt_cache_retention",
                    "safety_identifier",
                    "store",
                    "user",
                    "verbosity",
                }
            ),
            needless=frozenset({"stream_options"}),
            only={"audio": (), "modalities": (["text"],), "web_search_options": ()},
            words={
                # Older servers know `any` alone.
                "tool_choice": {"required": "any"},
                "reasoning_effort": {
                    "minimal": "none",
                    "low": "high",
                    "medium": "high",
                    "xhigh": "high",
                    "max": "high",
                },
            },
            roles=_AS_DEVELOPER,
            message=_mistral_message,
            tool=_mistral_tool,
        ),
    ),
    Provider(
        id="ollama",
        title="Ollama",
        base_url="http://localhost:11434/v1",
        key="optional",
        quirks=Quirks(
            rename={"max_completion_tokens": "max_tokens"},
            drop=frozenset({"logit_bias", "user"}),
            only={
                "logprobs": (False,),
                "n": (1,),
                "parallel_tool_calls": (True,),
                "tool_choice": ("auto",),
            },
            message=_ollama_message,
        ),
    ),
    Provider(
        id="lmstudio",
        title="LM Studio",
        base_url="http://localhost:1234/v1",
        key="optional",
        quirks=Quirks(
            rename={"max_completion_tokens": "max_tokens"},
            body=_lmstudio_body,
        ),
    ),
    Provider(
        id="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",
        models_path=None,
        models=("sonar", "sonar-pro", "sonar-reasoning", "sonar-reasoning-pro"),
        stream_usage="given",
        quirks=Quirks(
            rename={"max_completion_tokens": "max_tokens"},
            drop=frozenset({"user", "logit_bias", "store", "metadata"}),
            needless=frozenset({"stream_options"}),
            only={"n": (1,)},
            roles=_AS_DEVELOPER,
        ),
    ),
    Provider(id="xai", title="xAI", base_url="https://api.x.ai/v1"),
    Provider(
        id="cohere",
        title="Cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        # Its compatible surface documents no list; the native one is another shape.
        models_path=None,
        stream_usage="given",
        quirks=Quirks(
            rename={"max_completion_tokens": "max_tokens"},
            drop=frozenset(
                {
                    "logit_bias",
                    "metadata",
                    "prediction",
                    "service_tier",
                    "store",
                    "stream_options",
                    "top_logprobs",
                    "user",
                }
            ),
            only={
                "audio": (),
                "modalities": (["text"],),
                "n": (1,),
                "parallel_tool_calls": (True,),
            },
            words={
                "reasoning_effort": {
                    "minimal": "none",
                    "low": "high",
                    "medium": "high",
                    "xhigh": "high",
                    "max": "high",
                },
                "tool_choice": {"auto": None},
            },
        ),
    ),
    Provider(
        id="openrouter",
        title="OpenRouter",
        speaks=("openai", "responses"),
        base_url="https://openrouter.ai/api/v1",
        stream_usage="given",
    ),
    Provider(
        id="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        stream_usage="given",
        quirks=Quirks(
            drop=frozenset({"logit_bias", "top_logprobs"}),
            only={"logprobs": (False,)},
        ),
    ),
    Provider(
        id="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        lacks=frozenset({"images", "json_schema"}),
        quirks=Quirks(
            rename={"max_completion_tokens": "max_tokens"},
            words={
                "reasoning_effort": {
                    "minimal": "low",
                    "medium": "high",
                    "xhigh": "high",
                }
            },
        ),
    ),
    Provider(id="vllm", title="vLLM", base_url="http://localhost:8000/v1", key="optional"),
    Provider(id="openai-compatible", title="OpenAI-compatible", key="optional"),
)
