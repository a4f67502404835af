"""A conversation with tools, held by each vendor's own SDK in the way that its users hold it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anthropic
import openai
from google import genai
from google.genai import types

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
PNG += "gg=="


@dataclass(frozen=True)
class Function:
    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What a tool gave. `image`: a PNG in base64."""

    text: str
    is_error: bool = False
    image: str | None = None


@dataclass
class Heard:
    """What the SDK made of an answer. `calls`: id, name, arguments."""

    text: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)

    @property
    def called(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, arguments) for _, name, arguments in self.calls]


class Conversation(Protocol):
    """`say` and `answer` add to it; `ask` hears what the model says next, and adds that.

    `called`, `stopped`: how answers end in its dialect.
    """

    called: str
    stopped: str
    messages: list[Any]

    def say(self, text: str) -> None: ...
    def ask(self, *, stream: bool) -> Heard: ...
    def answer(self, heard: Heard, results: Sequence[Result]) -> None: ...
    def close(self) -> None: ...


class OpenAI:
    called, stopped = "tool_calls", "stop"

    def __init__(self, origin: str, key: str, model: str, tools: Iterable[Function]) -> None:
        self.sdk = openai.OpenAI(base_url=f"{origin}/v1", api_key=key, max_retries=0)
        self.messages: list[Any] = []
        functions = [
            {"name": tool.name, "description": tool.description, "parameters": tool.schema}
            for tool in tools
        ]
        self._asked: dict[str, Any] = {"model": model}
        if functions:
            self._asked["tools"] = [{"type": "function", "function": one} for one in functions]

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def ask(self, *, stream: bool) -> Heard:
        asked = self._asked | {"messages": self.messages}
        said: Any
        if stream:
            asked["stream_options"] = {"include_usage": True}
            with self.sdk.chat.completions.stream(**asked) as events:
                said = events.get_final_completion()
        else:
            said = self.sdk.chat.completions.create(**asked)
        (choice,) = said.choices
        self.messages.append(plain(choice.message))
        calls = [
            (call.id, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
        ]
        usage = (said.usage.prompt_tokens, said.usage.completion_tokens)
        return Heard(choice.message.content or "", calls, choice.finish_reason, usage)

    def answer(self, heard: Heard, results: Sequence[Result]) -> None:
        """This dialect has no word for an error, and images are the user's to say."""
        for (call_id, _, _), result in zip(heard.calls, results, strict=True):
            told = f"Error: {result.text}" if result.is_error else result.text
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": told})
        images = [f"data:image/png;base64,{one.image}" for one in results if one.image]
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        if parts:
            self.messages.append({"role": "user", "content": parts})

    def close(self) -> None:
        self.sdk.close()


def plain(message: Any) -> dict[str, Any]:
    """A message as a plain client of OpenAI's keeps it."""
    kept: dict[str, Any] = {"role": "assistant", "content": message.content}
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls or ()
    ]
    return kept | ({"tool_calls": calls} if calls else {})


class Anthropic:
    called, stopped = "tool_use", "end_turn"

    def __init__(self, origin: str, key: str, model: str, tools: Iterable[Function]) -> None:
        self.sdk = anthropic.Anthropic(base_url=origin, api_key=key, max_retries=0)
        self.messages: list[Any] = []
        offered = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
            for tool in tools
        ]
        self._asked: dict[str, Any] = {"model": model, "max_tokens": 500}
        if offered:
            self._asked["tools"] = offered

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def ask(self, *, stream: bool) -> Heard:
        asked = self._asked | {"messages": self.messages}
        said: Any
        if stream:
            with self.sdk.messages.stream(**asked) as events:
                said = events.get_final_message()
        else:
            said = self.sdk.messages.create(**asked)
        blocks = [block.to_dict(mode="json") for block in said.content]
        self.messages.append({"role": "assistant", "content": blocks})
        texts = [block.text for block in said.content if block.type == "text"]
        calls = [(b.id, b.name, dict(b.input)) for b in said.content if b.type == "tool_use"]
        usage = (said.usage.input_tokens, said.usage.output_tokens)
        return Heard("".join(texts), calls, str(said.stop_reason), usage)

    def answer(self, heard: Heard, results: Sequence[Result]) -> None:
        told: list[dict[str, Any]] = []
        for (call_id, _, _), result in zip(heard.calls, results, strict=True):
            content: list[dict[str, Any]] = [{"type": "text", "text": result.text}]
            if result.image:
                source = {"type": "base64", "media_type": "image/png", "data": result.image}
                content.append({"type": "image", "source": source})
            block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
            told.append(block | {"content": content, "is_error": result.is_error})
        self.messages.append({"role": "user", "content": told})

    def close(self) -> None:
        self.sdk.close()


class Gemini:
    called, stopped = "STOP", "STOP"

    def __init__(self, origin: str, key: str, model: str, tools: Iterable[Function]) -> None:
        self.sdk = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=origin))
        self.messages: list[Any] = []
        self._model = model
        declared = [
            types.FunctionDeclaration(
                name=tool.name, description=tool.description, parameters_json_schema=tool.schema
            )
            for tool in tools
        ]
        offered: Any = [types.Tool(function_declarations=declared)] if declared else None
        self._config = types.GenerateContentConfig(tools=offered)

    def say(self, text: str) -> None:
        self.messages.append(types.Content(role="user", parts=[types.Part(text=text)]))

    def ask(self, *, stream: bool) -> Heard:
        asked: Any = {"model": self._model, "contents": self.messages, "config": self._config}
        if stream:
            answers = list(self.sdk.models.generate_content_stream(**asked))
        else:
            answers = [self.sdk.models.generate_content(**asked)]
        heard, kept = Heard(), []
        for answer in answers:
            for candidate in answer.candidates or []:
                for part in (candidate.content and candidate.content.parts) or []:
                    kept.append(part)
                    heard.text += part.text or ""
                    if (call := part.function_call) is not None:
                        heard.calls.append((call.id or "", call.name or "", call.args or {}))
                if candidate.finish_reason is not None:
                    heard.finish = candidate.finish_reason.value
            if (usage := answer.usage_metadata) is not None:
                heard.usage = (usage.prompt_token_count or 0, usage.candidates_token_count or 0)
        self.messages.append(types.Content(role="model", parts=kept))
        return heard

    def answer(self, heard: Heard, results: Sequence[Result]) -> None:
        parts = []
        for (call_id, name, _), result in zip(heard.calls, results, strict=True):
            member = "error" if result.is_error else "output"
            response = types.FunctionResponse(
                id=call_id or None, name=name, response={member: result.text}
            )
            if result.image:
                blob = types.FunctionResponseBlob(mime_type="image/png", data=result.image)  # type: ignore[arg-type]
                response.parts = [types.FunctionResponsePart(inline_data=blob)]
            parts.append(types.Part(function_response=response))
        self.messages.append(types.Content(role="user", parts=parts))

    def close(self) -> None:
        self.sdk.close()


CONVERSATIONS: dict[str, type[OpenAI] | type[Anthropic] | type[Gemini]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "gemini": Gemini,
}
