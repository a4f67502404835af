"""A prompt that is too long, as each vendor says it: agents know it by its words alone."""

import re

CODE = "context_length_exceeded"

_USED = r"(?P<used>\d[\d,]*)"
_LIMIT = r"(?P<limit>\d[\d,]*)"
_WORDS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"prompt is too long(?:: {_USED} tokens > {_LIMIT} maximum)?",
        rf"maximum context length is {_LIMIT} tokens.*?"
        rf"(?:resulted in|requested|contains?)(?: about)? {_USED}",
        r"exceeds? the (?:context window|maximum context length|available context size)",
        rf"input token count \({_USED}\) exceeds the maximum number of tokens allowed \({_LIMIT}\)",
        rf"maximum prompt length is {_LIMIT} but the request contains {_USED}",
        rf"contains {_USED} tokens.*?too large for model with {_LIMIT} maximum context",
        r"maximum context length",
    )
)


def is_overflow(message: str) -> bool:
    return any(pattern.search(message) for pattern in _WORDS)


def as_anthropic_says(message: str) -> str:
    """`prompt is too long: N tokens > M maximum`, or without the figures where none are told."""
    for pattern in _WORDS:
        found = pattern.search(message)
        figures = found.groupdict() if found else {}
        if figures.get("used") and figures.get("limit"):
            used, limit = (figures[name].replace(",", "") for name in ("used", "limit"))
            return f"prompt is too long: {used} tokens > {limit} maximum"
    return f"prompt is too long: {message}"
