"""The words into which every dialect is read, and out of which every dialect is written.

A question is a `Chat`: messages made of parts. An answer is a row of events, whether it came as a
stream or whole. What only some vendors can say has a place here too (signatures, cache marks,
citations), so that nothing is lost between two that both can.

    Chat ── system: [Text]
         ├─ messages: [Message(role, parts)]
         │     parts: Text · Image · Audio · Document · Thinking · Refusal · ToolCall · ToolResult
         ├─ tools: [Tool] · tool_choice: ToolChoice · answer_format: Format · reasoning: Reasoning
         └─ sampling, limits, hints

    Began → (TextPiece | ThinkingPiece | ThinkingSealed | RefusalPiece | CallBegan | CallPiece |
             Cited)* → Finished (one a choice) → Counted
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.chat import Usage

Role = Literal["user", "assistant"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(slots=True)
class Text:
    """`cache`: the vendor's mark to cache up to here (Anthropic's `cache_control` object).
    `signature`: a Gemini thought signature that belongs to this part. `citations`: as Anthropic
    words them. `native`: under a dialect's name, what only that dialect says of this part (code
    that the vendor ran, say); `text` is how all others may say it, and may be empty.
    """

    text: str
    cache: dict[str, Any] | None = None
    signature: str | None = None
    citations: list[dict[str, Any]] = field(default_factory=list)
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class Image:
    """Either `data` (standard base64) with its `media_type`, or `url`. `detail`: OpenAI's hint.

    `native`: as in Text.
    """

    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    detail: str | None = None
    cache: dict[str, Any] | None = None
    signature: str | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class Audio:
    """`data`: standard base64; `format`: `wav`, `mp3`, …"""

    data: str
    format: str


@dataclass(slots=True)
class Document:
    """A file: `data` (standard base64), `text` (plain), `url`, or a vendor's own `file_id`.

    `native`: as in Text.
    """

    data: str | None = None
    text: str | None = None
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    name: str | None = None
    cache: dict[str, Any] | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class Thinking:
    """What a model thought aloud. `signature` must go back unchanged to the vendor it came from.

    `redacted`: opaque data instead of text (Anthropic's redacted_thinking). `details`: OpenRouter's
    `reasoning_details` item, or a Responses reasoning item, as it came.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    details: dict[str, Any] | None = None


@dataclass(slots=True)
class Refusal:
    text: str


@dataclass(slots=True)
class ToolCall:
    """`arguments`: JSON text as the model wrote it; "" means none. `custom`: OpenAI's custom tool,
    whose `arguments` are plain text. `signature`: a Gemini thought signature of this part.
    `native`: as in Text.
    """

    id: str
    name: str
    arguments: str = ""
    custom: bool = False
    signature: str | None = None
    cache: dict[str, Any] | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class ToolResult:
    """`name`: of the tool that was called, looked up by `call_id` where the dialect has it not.
    `native`: as in Text.
    """

    call_id: str
    name: str | None = None
    parts: list["Text | Image | Document"] = field(default_factory=list)
    is_error: bool = False
    cache: dict[str, Any] | None = None
    native: dict[str, Any] | None = None


Part = Text | Image | Audio | Document | Thinking | Refusal | ToolCall | ToolResult


@dataclass(slots=True)
class Message:
    """Tool results are parts of a user's message, before anything else that the user says."""

    role: Role
    parts: list[Part]
    name: str | None = None


@dataclass(slots=True)
class Tool:
    """`schema`: JSON Schema of its arguments, None for a tool without. `custom`: OpenAI's custom
    tool (its definition); `hosted`: a tool that the vendor runs itself, as its dialect words it.
    `native`: as in Text.
    """

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    custom: dict[str, Any] | None = None
    hosted: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class ToolChoice:
    """`auto`, `none`, `required` (any tool), or `named`; `names`: the one named, or with `auto` and
    `required` those that are allowed (empty: all).
    """

    mode: Literal["auto", "none", "required", "named"]
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Format:
    """What the answer must be: any JSON object, or one that fits `schema`."""

    kind: Literal["json_object", "json_schema"]
    schema: dict[str, Any] | None = None
    name: str | None = None
    strict: bool | None = None
    description: str | None = None


@dataclass(slots=True)
class Reasoning:
    """How much to think: by `effort`, or by `budget` tokens (-1: as the model likes, 0: not).

    `show`: whether the thoughts are wanted in the answer; None says nothing about it.
    `native`: as in Text.
    """

    effort: Effort | None = None
    budget: int | None = None
    show: bool | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class Chat:
    """A question. None and empty mean "not said". `extra`: top-level fields of the door's dialect
    that have no word here, as they came; who writes the question drops or refuses them by name.
    """

    messages: list[Message]
    system: list[Text] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    answer_format: Format | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] = field(default_factory=list)
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    user: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Written:
    """A question in a vendor's dialect, and the names (the door's) of the hints left out."""

    body: dict[str, Any]
    dropped: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Began:
    """The answer's own id and model, where the vendor tells; `created` in seconds. `native`: as in
    Text.
    """

    id: str | None = None
    model: str | None = None
    created: int | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class TextPiece:
    """`native`: as in Text. `image`: one that the model made, in place of a text."""

    text: str
    choice: int = 0
    signature: str | None = None
    native: dict[str, Any] | None = None
    image: Image | None = None


@dataclass(slots=True)
class ThinkingPiece:
    text: str
    choice: int = 0


@dataclass(slots=True)
class ThinkingSealed:
    """Ends a run of thinking: its signature, or a redacted block, or the vendor's own item."""

    signature: str | None = None
    redacted: str | None = None
    details: dict[str, Any] | None = None
    choice: int = 0


@dataclass(slots=True)
class RefusalPiece:
    text: str
    choice: int = 0


@dataclass(slots=True)
class CallBegan:
    """`call` numbers a choice's calls 0, 1, 2 …; ids are unique in the conversation.
    `native`: as in Text.
    """

    call: int
    id: str
    name: str
    choice: int = 0
    custom: bool = False
    signature: str | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class CallPiece:
    """A piece of the JSON text of a call's arguments."""

    call: int
    arguments: str
    choice: int = 0


@dataclass(slots=True)
class Cited:
    """A source that the answer names: `citation` as its vendor words it."""

    citation: dict[str, Any]
    choice: int = 0


@dataclass(slots=True)
class Finished:
    """`stop_sequence`: the one that was met; `explanation`: why content was withheld. `native`:
    under a dialect's name, what it says of the end that `reason` has no word for.
    """

    reason: FinishReason
    choice: int = 0
    stop_sequence: str | None = None
    explanation: str | None = None
    native: dict[str, Any] | None = None


@dataclass(slots=True)
class Counted:
    """`native`: under a dialect's name, the figures that Usage has no word for, as they came."""

    usage: Usage
    native: dict[str, Any] | None = None


Event = (
    Began
    | TextPiece
    | ThinkingPiece
    | ThinkingSealed
    | RefusalPiece
    | CallBegan
    | CallPiece
    | Cited
    | Finished
    | Counted
)
