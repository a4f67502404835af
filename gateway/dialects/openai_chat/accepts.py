"""What a vendor of this dialect takes, where they differ; OPENAI is what OpenAI itself takes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Accepts:
    """`cap_field`: where the limit of the answer goes. `thoughts`: the member in which earlier
    thoughts go back (`chunks`: Mistral's parts of content), None leaves them and all signatures
    out. `cache_marks`: the member by which parts are marked for the cache, if there is one.
    `text_parts`: a content that is all text may be an array. `allowed_tools`: a tool choice may
    name several; else only those are offered. `files`, `audio`: the form in which they are taken
    (`document_url` and a bare `text` are Mistral's); None takes none. `refusals`: an earlier answer
    may hold such parts; else they are texts. `names`: a message may name who speaks. `seals`: a
    message may hold what seals its thoughts, beside them. `custom_tools`: it knows OpenAI's; else
    they are functions. `one_call`: it can be told to call one tool at a time; else the calls after
    the first are left out of its answer.
    """

    cap_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    thoughts: Literal["reasoning_content", "reasoning", "chunks"] | None = "reasoning_content"
    cache_marks: Literal["cache_control", "prompt_cache_breakpoint"] | None = None
    text_parts: bool = True
    allowed_tools: bool = True
    top_k: bool = False
    images: bool = True
    files: Literal["file", "document_url"] | None = "file"
    audio: Literal["object", "text"] | None = "object"
    refusals: bool = True
    names: bool = True
    seals: bool = True
    custom_tools: bool = False
    one_call: bool = True


OPENAI = Accepts(custom_tools=True)
