"""OpenAI Responses: questions read; answers read, and written for clients of the dialect.

Vendors that speak it are relayed, so that no question is ever written in it.
"""

from gateway.dialects.openai import KEEP_ALIVE, STREAM_TYPE, error_body
from gateway.dialects.responses.answer_in import StreamReader, read_answer
from gateway.dialects.responses.answer_out import write_answer
from gateway.dialects.responses.failures import error_event
from gateway.dialects.responses.question_in import read_chat
from gateway.dialects.responses.request import read_request
from gateway.dialects.responses.stored import stored_items
from gateway.dialects.responses.stream_out import StreamWriter

__all__ = [
    "KEEP_ALIVE",
    "STREAM_TYPE",
    "StreamReader",
    "StreamWriter",
    "error_body",
    "error_event",
    "read_answer",
    "read_chat",
    "read_request",
    "stored_items",
    "write_answer",
]
