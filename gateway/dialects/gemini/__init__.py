"""Gemini's generateContent, both ways: as clients speak it to us, and as Google's models take it.

    read_chat, read_count     a door's question          request_in ← contents_in, schema, fields
    write_chat                a question for a vendor     request_out ← contents_out, parts_out
    read_answer, StreamReader a vendor's answer           answer_in
    write_answer, …Writer     a door's answer             answer_out, stream_out ← candidate
    error_*, is_*, retry_delay                            failure
    models, tokens, embeddings                            what is asked besides

The model and whether the answer streams stand in the URL, not in the body. Calls whose vendor gave
no id get one that begins with `facts.MADE_ID`; it is left out again where Gemini is asked.
"""

from gateway.dialects.gemini.answer_in import StreamReader, read_answer, spoilt
from gateway.dialects.gemini.answer_out import write_answer
from gateway.dialects.gemini.embeddings import read_embeddings, write_embeddings
from gateway.dialects.gemini.facts import takes_address
from gateway.dialects.gemini.failure import (
    error_body,
    error_event,
    error_of,
    is_bad_key,
    is_daily_quota,
    retry_delay,
)
from gateway.dialects.gemini.models import model_entry, models_page, read_models
from gateway.dialects.gemini.request import read_request
from gateway.dialects.gemini.request_in import read_chat, read_count
from gateway.dialects.gemini.request_out import write_chat
from gateway.dialects.gemini.stream_out import (
    ARRAY_TYPE,
    KEEP_ALIVE,
    STREAM_TYPE,
    ArrayWriter,
    StreamWriter,
)
from gateway.dialects.gemini.tokens import count_tokens_body, read_token_count, token_count_body

__all__ = [
    "ARRAY_TYPE",
    "KEEP_ALIVE",
    "STREAM_TYPE",
    "ArrayWriter",
    "StreamReader",
    "StreamWriter",
    "count_tokens_body",
    "error_body",
    "error_event",
    "error_of",
    "is_bad_key",
    "is_daily_quota",
    "model_entry",
    "models_page",
    "read_answer",
    "read_chat",
    "read_request",
    "read_count",
    "read_embeddings",
    "read_models",
    "read_token_count",
    "spoilt",
    "retry_delay",
    "takes_address",
    "token_count_body",
    "write_answer",
    "write_chat",
    "write_embeddings",
]
