"""OpenAI chat completions, read into the canonical words and written out of them.

Vendors and clients of this dialect that need no translation are relayed by `dialects/openai`.
"""

from gateway.dialects.openai import KEEP_ALIVE, STREAM_TYPE, error_body, error_event
from gateway.dialects.openai_chat.accepts import OPENAI, Accepts
from gateway.dialects.openai_chat.answer_in import StreamReader, read_answer
from gateway.dialects.openai_chat.answer_out import write_answer
from gateway.dialects.openai_chat.lists import PlainMeter, plain_answer
from gateway.dialects.openai_chat.request_in import read_chat
from gateway.dialects.openai_chat.request_out import write_chat
from gateway.dialects.openai_chat.stream_out import StreamWriter

__all__ = [
    "KEEP_ALIVE",
    "OPENAI",
    "STREAM_TYPE",
    "Accepts",
    "PlainMeter",
    "StreamReader",
    "StreamWriter",
    "error_body",
    "error_event",
    "plain_answer",
    "read_answer",
    "read_chat",
    "write_answer",
    "write_chat",
]
