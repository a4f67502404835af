"""What Gemini's wire says and means: words, model families, limits.

The facts are those of the google-genai package's types (3.4) and of recorded traffic; what models
take (levels, budgets, penalties) is told by Google's model pages.
"""

import re
from dataclasses import dataclass

from gateway.conversation import Effort, FinishReason

ROLES = {"user": "user", "function": "user", "tool": "user", "model": "assistant"}

# Gemini has no word for "it calls tools": such an answer ends with STOP.
FINISH_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "stop",
    "UNEXPECTED_TOOL_CALL": "stop",
    "TOO_MANY_TOOL_CALLS": "stop",
    "MALFORMED_RESPONSE": "stop",
    "MISSING_THOUGHT_SIGNATURE": "stop",
    "OTHER": "stop",
}
FINISH_WORDS: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
BLOCK_REASONS = frozenset(
    {
        "SAFETY",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "IMAGE_SAFETY",
        "MODEL_ARMOR",
        "JAILBREAK",
    }
)
# How a refused question is told in words; the rest is the reason.
BLOCKED = "blocked: "

# Google's words for a failure, each with its HTTP status; the usual one of a status comes first.
# With one of these, and no content, another try may give an answer.
SPOILT = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"})

STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def status_word(status: int) -> str:
    """Google's word for an HTTP status."""
    usual = "INVALID_ARGUMENT" if status < 500 else "INTERNAL"
    return next((word for word, known in STATUSES.items() if known == status), usual)


# Ids that the gateway makes for calls that came without one begin so. They are good for every
# dialect, and are left out again where Gemini is asked.
MADE_ID = "call_gw"

# Stands in for the signature of a call that no Gemini model made: Gemini 3 refuses one without.
SKIP_SIGNATURE = "skip_thought_signature_validator"

# Top-level fields that only Gemini has, and that go to it as they came.
OWN_FIELDS = frozenset({"safetySettings", "cachedContent", "labels", "continuationToken"})
SERVICE_TIERS = {"flex": "flex", "default": "standard", "priority": "priority"}

EFFORT_LEVELS: dict[Effort, str] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
}
LEVEL_EFFORTS = {level: effort for effort, level in EFFORT_LEVELS.items()}
_LEVEL_ORDER = tuple(EFFORT_LEVELS.values())
_EFFORT_RANKS: dict[Effort, int] = {
    "none": 0,
    "minimal": 0,
    "low": 1,
    "medium": 2,
    "high": 3,
    "xhigh": 4,
    "max": 4,
}


@dataclass(frozen=True, slots=True)
class Family:
    """A model's generation, (0, 0) if it is no Gemini, and its kind: pro, flash, flash-lite."""

    generation: tuple[int, int]
    kind: str

    @property
    def signs_calls(self) -> bool:
        """Whether a call in the history needs a thought signature."""
        return self.generation >= (3, 0)

    @property
    def takes_media_in_results(self) -> bool:
        return self.generation >= (3, 0)

    @property
    def takes_addresses(self) -> bool:
        """Whether it fetches files from elsewhere than Google's own store: all but the old do."""
        return self.generation >= (2, 5) or self.generation == (0, 0)

    @property
    def takes_penalties(self) -> bool:
        """Whether presence and frequency penalties are no error."""
        lite = self.generation >= (3, 5) and self.kind == "flash-lite"
        return not lite and self.generation < (3, 6)

    def levels(self) -> tuple[str, ...]:
        """The thinking levels that it takes, from least to most; empty if it takes budgets."""
        if self.generation < (3, 0):
            return ()
        if self.generation >= (4, 0):
            return _LEVEL_ORDER[1:]
        if self.kind == "pro":
            return ("LOW", "HIGH") if self.generation < (3, 1) else _LEVEL_ORDER[1:4]
        if self.kind == "flash" and self.generation >= (3, 7):
            return _LEVEL_ORDER[1:4]
        return _LEVEL_ORDER[:4] if self.kind.startswith("flash") else _LEVEL_ORDER[1:4]

    def budgets(self) -> tuple[int, int] | None:
        """The least and the greatest thinking budget; None if it takes none."""
        if not (2, 5) <= self.generation < (3, 0):
            return None
        return {"pro": (128, 32768), "flash-lite": (512, 24576)}.get(self.kind, (1, 24576))

    @property
    def can_stop_thinking(self) -> bool:
        return self.kind != "pro"


_NAME = re.compile(r"gemini-(?:(\d{1,3})(?:\.(\d{1,3}))?(?:-|$))?(pro|flash-lite|flash)?")
# What `gemini-flash-latest` and its like stand for changes; this is as strict as any of today.
_LATEST = (3, 7)


def family_of(model: str) -> Family:
    found = _NAME.search(model)
    if found is None:
        return Family((0, 0), "")
    major, minor, kind = found.groups()
    generation = (int(major), int(minor or 0)) if major else _LATEST
    return Family(generation, kind or "")


# Google's own store of files, as the google-genai package tells its addresses, and YouTube.
_STORED = re.compile(
    r"https://((?:[a-z0-9-]+-)?generativelanguage(?:\.sandbox)?\.googleapis\.com/v1\w*/files/"
    r"|(?:www\.|m\.)?youtube\.com/|youtu\.be/)"
)


def takes_address(model: str, url: str, media_type: str | None) -> bool:
    """Whether a model is told an address; from elsewhere it takes images, PDF and text by https.

    Nothing is known of video and audio, so that these are left to the vendor; and an address from
    elsewhere wants its type named.
    """
    if _STORED.match(url) or (media_type or "").startswith(("video/", "audio/")):
        return True
    secure = url[:8].lower() == "https://"
    return secure and media_type is not None and family_of(model).takes_addresses


def level_of(effort: Effort, levels: tuple[str, ...]) -> str:
    """The level that is nearest to an effort, of those there are."""
    wanted = _EFFORT_RANKS[effort]
    return min(levels, key=lambda level: abs(_LEVEL_ORDER.index(level) - wanted))


def resource(model: str) -> str:
    """A model's resource name: `models/x`; `tunedModels/x` is one already."""
    return model if "/" in model else f"models/{model}"
