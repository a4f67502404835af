"""An upstream for tests: scripted or recorded answers over a real socket. See README.md."""

from .answers import Answer, Comment, Html, Json, Named, Raw, Sse, failure, redirect
from .bodies import chunks, completion, error, model_list
from .received import Received
from .recordings import Recording, load
from .server import Upstream

__all__ = [
    "Answer",
    "Comment",
    "Html",
    "Json",
    "Named",
    "Raw",
    "Received",
    "Recording",
    "Sse",
    "Upstream",
    "chunks",
    "completion",
    "error",
    "failure",
    "load",
    "model_list",
    "redirect",
]
