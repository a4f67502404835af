"""Anthropic Messages: questions, answers and errors, read and written."""

from gateway.dialects.anthropic.answer_in import StreamReader, read_answer
from gateway.dialects.anthropic.answer_out import write_answer
from gateway.dialects.anthropic.facts import (
    KEEP_ALIVE,
    LEAST_BUDGET,
    SAMPLING_VERSION,
    STREAM_TYPE,
    VERSIONS,
)
from gateway.dialects.anthropic.failures import code_of, error_body, error_event, status_of
from gateway.dialects.anthropic.families import rejects_sampling
from gateway.dialects.anthropic.listing import model_entry, models_page
from gateway.dialects.anthropic.question_in import read_chat
from gateway.dialects.anthropic.question_out import count_tokens_body, write_chat
from gateway.dialects.anthropic.request import read_request
from gateway.dialects.anthropic.stream_out import StreamWriter
from gateway.dialects.overflow import is_overflow

__all__ = [
    "KEEP_ALIVE",
    "LEAST_BUDGET",
    "SAMPLING_VERSION",
    "STREAM_TYPE",
    "VERSIONS",
    "StreamReader",
    "StreamWriter",
    "code_of",
    "count_tokens_body",
    "error_body",
    "error_event",
    "is_overflow",
    "model_entry",
    "models_page",
    "read_answer",
    "read_chat",
    "read_request",
    "rejects_sampling",
    "status_of",
    "write_answer",
    "write_chat",
]
