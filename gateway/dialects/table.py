"""DIALECTS: the one list of the wire formats that doors speak; SPOKEN, those that vendors do."""

from collections.abc import Mapping

from gateway.dialects import anthropic, gemini, gemini_array, openai_chat, responses
from gateway.dialects.base import Dialect, Spoken

SPOKEN: Mapping[str, Spoken] = {
    "openai": openai_chat,
    "anthropic": anthropic,
    "gemini": gemini,
}
DIALECTS: Mapping[str, Dialect] = {
    **SPOKEN,
    "gemini-array": gemini_array,
    "responses": responses,
}
# Their models cannot be told to call one tool at a time.
PARALLEL = frozenset({"gemini"})
# Their answers repeat parts of the question.
ECHOING = frozenset({"responses"})
