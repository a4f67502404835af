"""A question as its target gets it: translated, its media at hand, edited for the vendor."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.chat import ChatRequest
from gateway.dialects.links import Link, Media, place_of, with_media
from gateway.dialects.translation import counted
from gateway.errors import BadRequest
from gateway.fetcher import UNKNOWN, Fetched, Fetcher, NotFetched
from gateway.memory import Memory
from gateway.providers.base import Question, Target
from gateway.store.clients import Client

HIDDEN = "••••"
_USER = re.compile(r"//[^/@]+@")

Fetch = Callable[[ChatRequest, Sequence[Link]], Mapping[str, Media]]
"""Gives what stands at the addresses of a question. Raises BadRequest that names the field."""


def question_for(
    client: Client,
    request: ChatRequest,
    target: Target,
    cap: int | None,
    fetch: Fetch,
    memory: Memory,
) -> Question:
    """The question as this target gets it, capped. Raises BadRequest for what it cannot honour."""
    provider = target.provider
    if request.kind == "embed":
        return provider.write_embeddings(request, target.model)
    anew = request.chat is not None
    dialect = provider.speaks[0] if anew else provider.dialect_for(request.dialect)
    if request.kind == "count":
        return provider.write_count(counted(request, dialect, target.model), target.model)
    sent, unsaid = memory.in_dialect(request, dialect, target)
    relayed = not anew and request.dialect.startswith(
        sent.dialect
    )  # Gemini's array is Gemini's dialect
    if links := provider.links(sent, target.model, relayed=relayed):
        sent = with_media(sent, links, fetch(request, links))
    question = provider.write(sent, target.model, client.system_prompt, cap)
    dropped = (*unsaid, *question.dropped)
    if dropped and client.strict_params:
        raise BadRequest(
            f"{provider.title} does not know `{dropped[0]}`, and this client allows no parameter "
            "to be dropped (strict_params)",
            param=dropped[0],
            code="unsupported_parameter",
        )
    return replace(question, dropped=dropped) if unsaid else question


def address_and_headers(target: Target, request: ChatRequest) -> tuple[str, dict[str, str]]:
    """Where a question goes, and with which headers; in place of the key stands HIDDEN."""
    credentials = target.credentials
    if credentials.api_key is not None:
        credentials = replace(credentials, api_key=HIDDEN)
    url = target.provider.url(replace(target, credentials=credentials), request)
    return _USER.sub(f"//{HIDDEN}@", url), target.provider.headers(credentials, request.forwarded)


class Fetches:
    """What stands at the addresses of one exchange's question, each fetched once."""

    __slots__ = ("_fetcher", "_found")

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._found: dict[str, Fetched] = {}

    def __call__(self, request: ChatRequest, links: Sequence[Link]) -> Mapping[str, Media]:
        missing = [link.url for link in links if link.url not in self._found]
        try:
            if missing:
                self._found |= self._fetcher.fetch_all(missing)
            return {link.url: _media(link, self._found[link.url]) for link in links}
        except NotFetched as error:
            raise _refusal(request, error) from None


class Placeholders:
    """Fetches nothing: notes the addresses, and says in place of data where they would be from."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.urls: list[str] = []

    def __call__(self, request: ChatRequest, links: Sequence[Link]) -> Mapping[str, Media]:
        self.urls = list(dict.fromkeys(link.url for link in links))
        try:
            self._fetcher.check(self.urls)
        except NotFetched as error:
            raise _refusal(request, error) from None
        return {link.url: _placeholder(link) for link in links}


def _placeholder(link: Link) -> Media:
    kind = "image/*" if link.kind == "image" else "*/*"
    return Media(link.media_type or kind, f"(what {link.url} holds)")


def _media(link: Link, found: Fetched) -> Media:
    if not _is_fit(link, found.media_type):
        wanted = "an image" if link.kind == "image" else "a file of a known type"
        raise NotFetched(link.url, f"what stands there is not {wanted}")
    return Media(found.media_type, base64.b64encode(found.body).decode())


def _is_fit(link: Link, media_type: str) -> bool:
    """A web page where a file was promised is a sign-in, or an error."""
    if link.kind == "image":
        return media_type.startswith("image/")
    if media_type == "text/html":
        return link.media_type == media_type
    return media_type != UNKNOWN


def _refusal(request: ChatRequest, error: NotFetched) -> BadRequest:
    place = place_of(request.body, error.url)
    named = f"`{place}`" if place else "A file"
    return BadRequest(
        f"{named} cannot be fetched: {error.reason}", param=place, code="media_not_fetched"
    )
