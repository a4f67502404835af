"""What a question needs of the model that answers it, whatever dialect it is in."""

from collections.abc import Iterator

from gateway.chat import ChatRequest, Need
from gateway.conversation import Chat, Image, Part, ToolResult
from gateway.dialects.translation import read_question
from gateway.errors import BadRequest


def needs_of(request: ChatRequest) -> frozenset[Need]:
    """Nothing, as far as it is known, for a question that cannot be read outside of its dialect."""
    try:
        chat = read_question(request)
    except BadRequest:
        return frozenset()
    return frozenset(_needs(chat))


def _needs(chat: Chat) -> Iterator[Need]:
    if chat.tools:
        yield "tools"
    if chat.answer_format is not None and chat.answer_format.kind == "json_schema":
        yield "json_schema"
    if any(_is_shown(part) for message in chat.messages for part in message.parts):
        yield "images"


def _is_shown(part: Part) -> bool:
    if isinstance(part, ToolResult):
        return any(isinstance(inner, Image) for inner in part.parts)
    return isinstance(part, Image)
