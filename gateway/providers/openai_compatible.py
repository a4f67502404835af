"""The vendors that speak OpenAI's chat completions: one row each.

Addresses, keys and quirks are those of the vendors' own documents, SDK types and error texts.
"""

import json
import re
from dataclasses import replace as changed
from typing import Any

import orjson

from gateway.dialects.openai_chat import Accepts
from gateway.dialects.recall import DETAILS, TEXT
from gateway.providers.base import Provider
from gateway.providers.choices import narrowed
from gateway.providers.cohere import COHERE
from gateway.providers.mistral import MISTRAL
from gateway.providers.ollama import OLLAMA
from gateway.providers.quirks import Quirks

_AS_DEVELOPER = {"developer": "system"}
_ONE_CAP = {"max_completion_tokens": "max_tokens"}
# Types list all of OpenAI's words for the effort; these vendors take fewer.
_UP_TO_HIGH = {"minimal": "low", "xhigh": "high", "max": "high"}
_OTHERS = Accepts(allowed_tools=False)
_ONE_CAP_OTHERS = changed(_OTHERS, cap_field="max_tokens")
# `max_tokens` is "not compatible with o-series models", says OpenAI's SDK; GPT-5 is like them.
REASONING_MODELS = re.compile(r"(?:^|[/:])(?:o[1-9]|gpt-5)")
CAP_OF_REASONING = ((REASONING_MODELS, Quirks(rename={"max_tokens": "max_completion_tokens"})),)
_XAI = Quirks(words={"reasoning_effort": _UP_TO_HIGH})
_XAI_REASONING = changed(_XAI, drop=frozenset({"presence_penalty", "frequency_penalty", "stop"}))
_XAI_UNSTEERED = frozenset({"reasoning_effort"})


def _schema_alone(body: dict[str, Any]) -> dict[str, Any]:
    """`json_object` becomes a schema for any object; a tool choice of names, fewer tools."""
    replace = narrowed(body)
    if (body.get("response_format") or {}).get("type") == "json_object":
        schema = {"name": "object", "schema": {"type": "object"}}
        replace["response_format"] = {"type": "json_schema", "json_schema": schema}
    return replace


def _deepseek_body(body: dict[str, Any]) -> dict[str, Any]:
    """DeepSeek knows no `json_schema`: any JSON object is asked for, and the system tells of the
    schema. An effort of `none` is said by `thinking`.
    """
    replace: dict[str, Any] = {}
    if _schema(body) is not None:
        replace["response_format"] = {"type": "json_object"}
    if body.get("reasoning_effort") == "none":
        replace |= {"reasoning_effort": None, "thinking": {"type": "disabled"}}
    return replace


def _deepseek_preface(body: dict[str, Any]) -> tuple[str, str] | None:
    schema = _schema(body)
    if schema is None:
        return None
    text = json.dumps(schema, ensure_ascii=False)
    return (
        f"Answer with a JSON object that fits this JSON Schema: {text}",
        "response_format.json_schema",
    )


def _schema(body: dict[str, Any]) -> Any:
    wanted = body.get("response_format") or {}
    held = wanted.get("json_schema") if wanted.get("type") == "json_schema" else None
    return held.get("schema") or {} if isinstance(held, dict) else None


def _perplexity_turns(messages: list[dict[str, Any]], texts: list[bytes]) -> list[bytes]:
    """Neighbours of one role are one message: user and assistant have to take turns."""
    merged: list[dict[str, Any]] = []
    spoken: list[bytes] = []
    for message, text in zip(messages, texts, strict=True):
        if merged and _are_one(merged[-1], message):
            merged[-1] = {**merged[-1], "content": _together(merged[-1], message)}
            spoken[-1] = orjson.dumps(merged[-1])
        else:
            merged.append(message)
            spoken.append(text)
    return texts if len(spoken) == len(texts) else spoken


def _are_one(first: dict[str, Any], second: dict[str, Any]) -> bool:
    roles = first["role"], second["role"]
    speak = all(isinstance(said.get("content"), str | list) for said in (first, second))
    return (
        speak
        and roles in (("user", "user"), ("assistant", "assistant"))
        and not (first.get("tool_calls") or second.get("tool_calls"))
    )


def _together(first: dict[str, Any], second: dict[str, Any]) -> Any:
    one, other = first["content"], second["content"]
    if isinstance(one, str) and isinstance(other, str):
        return f"{one}\n\n{other}"
    return [*_parts(one), *_parts(other)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


OPENAI_COMPATIBLE = (
    Provider(
        id="openai",
        title="OpenAI",
        key_format="sk-…",
        model_hint="For example gpt-5-mini.",
        speaks=("openai", "responses"),
        base_url="https://api.openai.com/v1",
        cap_field="max_completion_tokens",
        model_quirks=CAP_OF_REASONING,
        accepts=Accepts(thoughts=None, custom_tools=True),
    ),
    MISTRAL,
    OLLAMA,
    Provider(
        id="lmstudio",
        title="LM Studio",
        base_url="http://localhost:1234/v1",
        key="optional",
        native_models_path="/api/v0/models",
        hint="Start LM Studio's server, or set the address where it listens.",
        accepts=changed(_ONE_CAP_OTHERS, top_k=True),
        quirks=Quirks(rename=_ONE_CAP, body=_schema_alone),
    ),
    Provider(
        id="perplexity",
        title="Perplexity",
        key_format="pplx-…",
        base_url="https://api.perplexity.ai",
        models_path=None,
        answers="unended",
        models=("sonar", "sonar-pro", "sonar-reasoning", "sonar-reasoning-pro"),
        stream_usage="given",
        accepts=changed(_ONE_CAP_OTHERS, thoughts=None, top_k=True),
        quirks=Quirks(
            rename=_ONE_CAP,
            drop=frozenset({"user", "logit_bias", "store", "metadata"}),
            needless=frozenset({"stream_options"}),
            only={"n": (1,)},
            words={"reasoning_effort": {"none": "minimal", "xhigh": "high", "max": "high"}},
            roles=_AS_DEVELOPER,
            body=_schema_alone,
            turns=_perplexity_turns,
        ),
    ),
    Provider(
        id="xai",
        title="xAI",
        key_format="xai-…",
        model_hint="For example grok-4.3.",
        base_url="https://api.x.ai/v1",
        accepts=changed(_OTHERS, seals=False),
        quirks=_XAI,
        model_quirks=(
            (re.compile(r"^(?!.*non-reasoning).*grok-(?:3-mini|4\.[3-9])"), _XAI_REASONING),
            # Of these none takes an effort.
            (
                re.compile(r"^(?!.*non-reasoning).*grok-(?:4|code)"),
                changed(_XAI_REASONING, drop=_XAI_REASONING.drop | _XAI_UNSTEERED),
            ),
            (re.compile(r"grok-[2-4]"), changed(_XAI, drop=_XAI_UNSTEERED)),
        ),
    ),
    COHERE,
    Provider(
        id="openrouter",
        title="OpenRouter",
        key_format="sk-or-…",
        model_hint="For example anthropic/claude-sonnet-4.6: the vendor's name is a part of it.",
        speaks=("openai", "responses"),
        base_url="https://openrouter.ai/api/v1",
        file_urls=True,
        stream_usage="given",
        quirks=Quirks(returned=(DETAILS,)),
        accepts=Accepts(thoughts="reasoning", cache_marks="cache_control", top_k=True),
    ),
    Provider(
        id="groq",
        title="Groq",
        key_format="gsk_…",
        model_hint="For example openai/gpt-oss-120b.",
        base_url="https://api.groq.com/openai/v1",
        stream_usage="given",
        worth_a_retry=frozenset({"tool_use_failed"}),
        statuses={498: 503},  # the flex tier is full
        accepts=changed(_OTHERS, thoughts="reasoning", seals=False, names=False),
        quirks=Quirks(
            drop=frozenset({"logit_bias", "top_logprobs"}),
            only={"logprobs": (False,)},
            fixed={"n": (1,)},
            words={"reasoning_effort": _UP_TO_HIGH, "service_tier": {"default": "on_demand"}},
            message_drop=frozenset({"name"}),
        ),
    ),
    Provider(
        id="deepseek",
        title="DeepSeek",
        model_hint="For example deepseek-v4-flash.",
        base_url="https://api.deepseek.com",
        accepts=changed(_ONE_CAP_OTHERS, images=False, seals=False),
        lacks=frozenset({"images", "json_schema"}),
        quirks=Quirks(
            rename=_ONE_CAP,
            words={"reasoning_effort": {"minimal": "low", "medium": "high", "xhigh": "high"}},
            body=_deepseek_body,
            preface=_deepseek_preface,
            returned=(TEXT,),
        ),
    ),
    Provider(
        id="vllm",
        title="vLLM",
        base_url="http://localhost:8000/v1",
        key="optional",
        hint="Start the vLLM server, or set the address where it listens.",
        accepts=changed(_OTHERS, thoughts="reasoning", top_k=True),
    ),
    Provider(
        id="openai-compatible",
        title="OpenAI-compatible",
        address_format="https://<host>/v1",
        key="optional",
        accepts=_OTHERS,
    ),
)
