"""How a model's thoughts travel in this dialect: OpenAI has no member for them, its kin have four.

`reasoning_content` (DeepSeek) or `reasoning` (vLLM, Groq, OpenRouter): the text alone.
`reasoning_details` (OpenRouter): items with a signature or sealed data, to be sent back unchanged.
`thinking_blocks` (LiteLLM): Anthropic's blocks, with their signatures.
`extra_content.google.thought_signature` (Google): on a message, or on one of its tool calls.
"""

from collections.abc import Iterable
from typing import Any

from gateway.conversation import Thinking

TEXT_MEMBERS = ("reasoning_content", "reasoning")
_ANTHROPIC = "anthropic"
# What OpenRouter calls the way in which Anthropic seals thoughts.
_ANTHROPIC_FORMAT = "anthropic-claude-v1"


def plain_text(message: dict[str, Any]) -> str:
    """The thoughts' text, once, however many members repeat it."""
    for name in TEXT_MEMBERS:
        text = message.get(name)
        if text and isinstance(text, str):
            return text
    return ""


def read_thoughts(message: dict[str, Any]) -> list[Thinking]:
    """All that a whole message says of its thoughts, each thing once."""
    blocks = map(read_block, objects(message.get("thinking_blocks")))
    sealed = [block for block in blocks if block != Thinking()]
    known = [mark for thought in sealed for mark in (thought.signature, thought.redacted) if mark]
    for item in objects(message.get("reasoning_details")):
        if item.get("signature") not in known and item.get("data") not in known:
            sealed.append(read_detail(item))
    told = "".join(thought.text for thought in sealed)
    unsealed = plain_text(message)
    if told:  # the plain text repeats it, and may begin with what nobody sealed
        unsealed = unsealed.removesuffix(told) if unsealed.endswith(told) else ""
    return [Thinking(unsealed), *sealed] if unsealed else sealed


def read_block(block: dict[str, Any]) -> Thinking:
    """Anthropic's `thinking` or `redacted_thinking`."""
    if block.get("type") == "redacted_thinking":
        return Thinking(redacted=_text(block.get("data")))
    return Thinking(_text(block.get("thinking")) or "", _text(block.get("signature")))


def read_detail(item: dict[str, Any]) -> Thinking:
    """OpenRouter's item; its marks are Anthropic's own only if its format says so."""
    thought = Thinking(detail_text(item), details=item)
    if str(item.get("format")).startswith(_ANTHROPIC):
        thought.signature = _text(item.get("signature"))
        thought.redacted = _text(item.get("data"))
    return thought


def detail_text(item: dict[str, Any]) -> str:
    for name in ("text", "summary"):
        text = item.get(name)
        if text and isinstance(text, str):
            return text
    return ""


def read_chunk(part: dict[str, Any]) -> str:
    """The text of a `thinking` part: Mistral's holds a list of texts, Anthropic's one text."""
    inner = part.get("thinking")
    if isinstance(inner, str):
        return inner
    return "".join(_text(piece.get("text")) or "" for piece in objects(inner))


def write_blocks(thoughts: Iterable[Thinking]) -> list[dict[str, Any]]:
    """`thinking_blocks`: those that Anthropic sealed."""
    return [
        block_of(thought.text, thought.signature, thought.redacted)
        for thought in thoughts
        if thought.signature or thought.redacted
    ]


def block_of(text: str, signature: str | None, redacted: str | None) -> dict[str, Any]:
    if redacted:
        return {"type": "redacted_thinking", "data": redacted}
    return {"type": "thinking", "thinking": text, "signature": signature}


def write_details(thoughts: Iterable[Thinking]) -> list[dict[str, Any]]:
    """`reasoning_details`: OpenRouter's items as they came, and its words for Anthropic's seals."""
    items: list[dict[str, Any]] = []
    for thought in thoughts:
        if thought.details is not None:
            if str(thought.details.get("type")).startswith("reasoning."):
                items.append(thought.details)
        elif thought.redacted:
            items.append(_detail("reasoning.encrypted", len(items), data=thought.redacted))
        elif thought.signature:
            said = {"text": thought.text, "signature": thought.signature}
            items.append(_detail("reasoning.text", len(items), **said))
    return items


def google_signature(holder: dict[str, Any]) -> str | None:
    """The signature that a message or a tool call carries for Gemini."""
    content = holder.get("extra_content")
    google = content.get("google") if isinstance(content, dict) else None
    return _text(google.get("thought_signature")) if isinstance(google, dict) else None


def google_content(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


def objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _detail(kind: str, index: int, **said: str) -> dict[str, Any]:
    return {"type": kind, **said, "format": _ANTHROPIC_FORMAT, "index": index}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
