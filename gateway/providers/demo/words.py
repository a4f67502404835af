"""The demo's words: what it is, what it was told, and what a newcomer can do next."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

from gateway.providers.demo.request import Asked, text_of

# One a choice, so that the n answers to one request differ from their first word on.
_GREETINGS = ("Hello", "Hi", "Welcome", "Greetings", "Howdy", "Ahoy", "Salutations", "Hey")
_HONEST = "this is the gateway's built-in offline demo, and no model was asked."
_NEXT = (
    "For real answers, give a client a real provider: on the pages at /admin, where each call is"
    " seen, too; or in the gateway's folder, as `.venv/bin/flask --app app create-client --help`"
    " shows."
)
_TRY = (
    'Here you can try streaming ("stream": true), tools, response_format, stop, n and max_tokens,'
    " ask for a long story, or see how your application copes with the models demo-error-429,"
    " demo-error-500, demo-slow and demo-cut."
)
_SENTENCES = (
    "A client shows its key, and the gateway looks up whose it is.",
    "Its limits are counted before anything goes on to a provider.",
    "The name of the model decides which provider is asked, and for which model.",
    "The provider's own key is added on the way out, and no client ever sees it.",
    "The answer comes back event by event, each as soon as it arrives.",
    "Its tokens are counted on the way, and end up in the request log.",
    "When a provider fails before it has begun to answer, the next one in line is asked.",
    "The demo has little else to tell, so it begins again; a model would be more inventive.",
)
_ATTACHED = {
    "image_url": ("image", "see"),
    "input_audio": ("audio clip", "hear"),
    "file": ("file", "read"),
}
_QUOTED = 240
# "A long answer", an essay, "1000 words", but not "how long" or "as long as".
_WANTS_MUCH = re.compile(
    r"(?<!\bhow )(?<!\bas )(?<!\bso )\blong\b|\b(?:lengthy|essay|story|novel|chapter)\b"
    r"|\b\d[\d,.]{2,9} (?:words|tokens|lines|sentences|paragraphs|pages)\b"
    r"|\bwrite\b[^\n]{0,80}\bwords\b",
    re.IGNORECASE,
)


def wants_much(asked: Asked) -> bool:
    """Whether the user's last text asks for something long."""
    return not asked.results and bool(_WANTS_MUCH.search(asked.wish))


def answer(asked: Asked, index: int) -> str:
    told = _results_read(asked.results) if asked.results else _heard(asked.user_content)
    return f"{_GREETINGS[index]}, {_HONEST} {told}\n\n{_NEXT} {_TRY}"


def long_answer(asked: Asked, index: int) -> Iterator[str]:
    """The answer, and then paragraphs without end."""
    yield answer(asked, index)
    for number in count(1):
        first = index + 3 * number
        said = " ".join(_SENTENCES[place % len(_SENTENCES)] for place in range(first, first + 4))
        yield f"\n\nParagraph {number}. {said}"


def json_answer(asked: Asked, index: int) -> dict[str, str]:
    told = _quote(" ".join(asked.results) or text_of(asked.user_content))
    return {"message": f"{_GREETINGS[index]}, {_HONEST}", "you_wrote": told, "next": _NEXT}


def _heard(content: Any) -> str:
    text = text_of(content)
    wrote = f'You wrote: "{_quote(text)}".' if text.strip() else "You wrote no text."
    return " ".join((wrote, *_attached(content)))


def _attached(content: Any) -> Iterator[str]:
    parts = Counter(part["type"] for part in content) if isinstance(content, list) else Counter()
    for kind, (noun, verb) in _ATTACHED.items():
        if found := parts[kind]:
            yield f"You sent {found} {noun}{'s' * (found > 1)}, which the demo cannot {verb}."


def _results_read(results: Any) -> str:
    told = " and ".join(f'"{_quote(result)}"' for result in results)
    return f"Your tool gave back {told}. A model would now use that in its answer."


def _quote(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 2 * _QUOTED].split())
    return line if len(line) <= _QUOTED and len(text) <= 2 * _QUOTED else f"{line[:_QUOTED]}…"
