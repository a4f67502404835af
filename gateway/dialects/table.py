"""DIALECTS: the one list of the wire formats."""

from collections.abc import Mapping

from gateway.dialects import anthropic, gemini, gemini_array, openai_chat
from gateway.dialects.base import Dialect

DIALECTS: Mapping[str, Dialect] = {
    "openai": openai_chat,
    "anthropic": anthropic,
    "gemini": gemini,
    "gemini-array": gemini_array,
}
