"""One form for what each vendor's own SDK reads in an answer, in OpenAI's words.

What only one vendor can say has no place in it: tools that the vendor ran itself, signatures,
citations. Code that Gemini ran is shown as text.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from anthropic.types.beta import BetaMessage
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk

FINISHES = {
    # OpenAI's
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    # Anthropic's
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # Gemini's
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
}


@dataclass(frozen=True)
class Tokens:
    """`prompt` includes what was cached, `completion` what was reasoned; not told is 0."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


@dataclass
class Reading:
    """`calls`: names, with the arguments as JSON values."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    tokens: Tokens = Tokens()


def of_openai(answer: ChatCompletion | Iterable[ChatCompletionChunk]) -> Reading:
    if isinstance(answer, ChatCompletion):
        [choice] = answer.choices
        said, calls = choice.message, _whole_calls(choice.message)
        text, reasoning = _texts(said)
        return Reading(
            text, reasoning, calls, FINISHES[choice.finish_reason], _tokens(answer.usage)
        )
    return _of_chunks(answer)


def of_anthropic(message: BetaMessage) -> Reading:
    reading = Reading(finish=FINISHES[message.stop_reason or ""])
    for block in message.content:
        if block.type == "text":
            reading.text += block.text
        elif block.type == "thinking":
            reading.reasoning += block.thinking
        elif block.type == "tool_use":
            reading.calls.append((block.name, block.input))
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    reading.tokens = Tokens(
        usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
        usage.output_tokens,
        cached,
        details.thinking_tokens or 0 if details else 0,
    )
    return reading


def of_gemini(answers: Iterable[types.GenerateContentResponse]) -> Reading:
    """A whole answer is a stream of one. Its calls end with STOP; usage is the last that came."""
    reading = Reading()
    for answer in answers:
        if answer.prompt_feedback and answer.prompt_feedback.block_reason:
            reading.finish = "content_filter"
        for candidate in answer.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                _add_part(reading, part)
            if candidate.finish_reason:
                reading.finish = FINISHES[candidate.finish_reason.value]
        if answer.usage_metadata:
            reading.tokens = _gemini_tokens(answer.usage_metadata)
    if reading.calls and reading.finish == "stop":
        reading.finish = "tool_calls"
    return reading


def _texts(said: Any) -> tuple[str, str]:
    """Text and reasoning, under the names that vendors of this dialect give them."""
    extra = said.model_extra or {}
    reasoning = extra.get("reasoning_content") or extra.get("reasoning") or ""
    if not isinstance(said.content, list):
        return said.content or "", reasoning
    text = ""
    for part in said.content:  # Mistral's
        text += part.get("text") or ""
        reasoning += "".join(piece["text"] for piece in part.get("thinking") or [])
    return text, reasoning


def _whole_calls(said: Any) -> list[tuple[str, Any]]:
    return [
        (call.function.name, json.loads(call.function.arguments or "{}"))
        for call in said.tool_calls or []
    ]


def _of_chunks(chunks: Iterable[ChatCompletionChunk]) -> Reading:
    reading = Reading()
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    usage: Any = None
    for chunk in chunks:
        groq = (chunk.model_extra or {}).get("x_groq") or {}
        usage = chunk.usage or groq.get("usage") or usage
        for choice in chunk.choices:
            text, reasoning = _texts(choice.delta)
            reading.text += text
            reading.reasoning += reasoning
            for call in choice.delta.tool_calls or []:
                told = call.function
                names[call.index] = names.get(call.index, "") + ((told and told.name) or "")
                piece = (told and told.arguments) or ""
                arguments[call.index] = arguments.get(call.index, "") + piece
            if choice.finish_reason:
                reading.finish = FINISHES[choice.finish_reason]
    reading.calls = [(names[at], json.loads(arguments[at] or "{}")) for at in sorted(names)]
    reading.tokens = _tokens(usage)
    return reading


def _tokens(usage: Any) -> Tokens:
    if usage is None:
        return Tokens()
    told = usage if isinstance(usage, dict) else usage.model_dump(warnings=False)
    prompt = told.get("prompt_tokens_details") or {}
    completion = told.get("completion_tokens_details") or {}
    return Tokens(
        told["prompt_tokens"],
        told["completion_tokens"],
        prompt.get("cached_tokens") or told.get("num_cached_tokens") or 0,
        completion.get("reasoning_tokens") or 0,
    )


def _add_part(reading: Reading, part: types.Part) -> None:
    if part.function_call is not None:
        reading.calls.append((part.function_call.name or "", part.function_call.args or {}))
    elif part.executable_code is not None:
        language = part.executable_code.language
        code = part.executable_code.code or ""
        reading.text += _fenced(code, language.value.lower() if language else "")
    elif part.code_execution_result is not None:
        if part.code_execution_result.output is not None:
            reading.text += _fenced(part.code_execution_result.output, "")
    elif part.thought:
        reading.reasoning += part.text or ""
    else:
        reading.text += part.text or ""


def _fenced(text: str, language: str) -> str:
    return f"\n```{language}\n{text.rstrip()}\n```\n"


def _gemini_tokens(usage: types.GenerateContentResponseUsageMetadata) -> Tokens:
    thoughts = usage.thoughts_token_count or 0
    return Tokens(
        (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        (usage.candidates_token_count or 0) + thoughts,
        usage.cached_content_token_count or 0,
        thoughts,
    )
