"""What a vendor is: an address, a key header, a dialect and its quirks; and how it is called."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from gateway.chat import ChatRequest, Need
from gateway.dialects.links import Link, links_of
from gateway.dialects.openai_chat import OPENAI, Accepts, Answers
from gateway.errors import BadRequest, UpstreamError, UpstreamUnreachable
from gateway.providers.failures import judge
from gateway.providers.quirks import NO_QUIRKS, Draft, Quirks
from gateway.providers.responses import edited
from gateway.upstream import Answer, Upstream, prepared

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where to go and what to show there; they belong together and are never mixed."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One way to get an answer: a provider, the model's name there, and the credentials."""

    provider: "Provider"
    model: str
    credentials: Credentials

    @property
    def place(self) -> tuple[str, str, str]:
        """The same for all who ask, whatever their keys."""
        return self.provider.id, self.credentials.base_url, self.model


@dataclass(frozen=True, slots=True)
class Question:
    """A body that is ready for upstream, and the names of the hints that were left out of it.

    `usage_added`: it is the gateway alone that asked for the stream's usage.
    """

    request: ChatRequest
    body: bytes
    dropped: tuple[str, ...] = ()
    usage_added: bool = False


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A vendor. Most speak OpenAI's chat completions and are one row of this class.

    `speaks`: its dialects; others are translated into the first. `base_url` None: there is no usual
    address. `key`: whether it wants one. `hint`: what to look at if nobody answers.
    `key_format`, `address_format`: how they look; `model_hint`: a sentence on its models' names.
    `lacks`: what none of its models can do.

    `embed_path` None: it has no embeddings. `models_path` None: it has no list, `models` stands in
    for it. `native_models_path`: a list that tells more, at the address without its ending
    `native_root`. `next_page`: the member of a page by which the next is asked for, and the query's
    name for it.

    `stream_usage`: "ask" (by `stream_options`), or "given" (it comes unasked, or may not be asked
    for). `cap_field`: where an output cap goes if the question names none. `model_quirks`: models
    that differ from the vendor's others, by their names; the first that fits counts. `accepts`:
    what may stand in a question that is translated. `answers`: in what they differ
    from OpenAI's. `worth_a_retry`: codes of refusals that are a model's accident.
    `statuses`: what its own statuses mean.

    `image_urls`, `file_urls`: whether it fetches by itself what a question names by address;
    OpenAI's dialect itself has no address of a file, but other doors' have.
    """

    id: str
    title: str
    speaks: tuple[str, ...] = ("openai",)
    base_url: str | None = None
    key: Literal["required", "optional"] = "required"
    key_header: str = "Authorization"
    chat_path: str = "/chat/completions"
    embed_path: str | None = "/embeddings"
    models_path: str | None = "/models"
    native_models_path: str | None = None
    native_root: str = "/v1"
    next_page: tuple[str, str] | None = None
    models: tuple[str, ...] = ()
    stream_usage: Literal["ask", "given"] = "ask"
    cap_field: str = "max_tokens"
    image_urls: bool = True
    file_urls: bool = False
    lacks: frozenset[Need] = frozenset()
    quirks: Quirks = NO_QUIRKS
    model_quirks: tuple[tuple[re.Pattern[str], Quirks], ...] = ()
    accepts: Accepts = OPENAI
    answers: Answers = "usual"
    worth_a_retry: frozenset[str] = frozenset()
    statuses: Mapping[int, int] = field(default_factory=dict)
    hint: str | None = None
    key_format: str | None = None
    address_format: str | None = None
    model_hint: str | None = None

    def chat(self, upstream: Upstream, target: Target, question: Question) -> Answer:
        """Sends the question. Raises UpstreamError; the answer is still to be read."""
        headers = self.headers(target.credentials, question.request.forwarded)
        url = self.url(target, question.request)
        try:
            return upstream.send(prepared("POST", url, headers, question.body))
        except UpstreamUnreachable as error:
            raise self.explained(error) from None

    def explained(self, error: UpstreamUnreachable) -> UpstreamUnreachable:
        """The same failure, with what may be done about it."""
        if self.hint is not None:
            error.message = f"{error.message} {self.hint}"
        return error

    def dialect_for(self, door: str) -> str:
        """The door's own dialect if it is spoken here, so that nothing needs translating."""
        return door if door in self.speaks else self.speaks[0]

    def links(self, request: ChatRequest, model: str, *, relayed: bool) -> list[Link]:
        """What the gateway has to fetch for this vendor. `relayed`: the question is as it came."""
        if request.dialect != "openai" or (relayed and self.image_urls):
            return []
        takes = {"image": self.image_urls, "file": self.file_urls or relayed}
        return [link for link in links_of(request) if not takes[link.kind]]

    def url(self, target: Target, request: ChatRequest) -> str:
        return target.credentials.base_url + self._path(request)

    def _path(self, request: ChatRequest) -> str:
        if request.kind == "embed":
            return self.embed_path or ""
        return "/responses" if request.dialect == "responses" else self.chat_path

    def models_urls(self, credentials: Credentials) -> list[str]:
        """Where the models are listed: the first address that has a list counts."""
        usual = self.models_url(credentials)
        urls = [] if usual is None else [usual]
        if self.native_models_path is not None:
            urls.insert(0, self.native_url(credentials, self.native_models_path))
        return urls

    def native_url(self, credentials: Credentials, path: str) -> str:
        return credentials.base_url.removesuffix(self.native_root) + path

    def models_url(self, credentials: Credentials) -> str | None:
        return None if self.models_path is None else credentials.base_url + self.models_path

    def headers(
        self, credentials: Credentials, forwarded: Mapping[str, str] = NO_HEADERS
    ) -> dict[str, str]:
        """What goes up; of the caller's own headers only those that its door forwards."""
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "ai-gateway",
        }
        if credentials.api_key is not None:
            scheme = "Bearer " if self.key_header == "Authorization" else ""
            headers[self.key_header] = scheme + credentials.api_key
        return headers

    def clean_base_url(self, base_url: str) -> str:
        """An address in the form of the row's own, whatever superfluous ending it came with."""
        cleaned = base_url.rstrip("/").removesuffix(self.chat_path).rstrip("/")
        if self.base_url is not None and not self.base_url.endswith("/v1"):
            cleaned = cleaned.removesuffix("/v1")
        return cleaned

    def write_embeddings(self, request: ChatRequest, model: str) -> Question:
        """A question for embeddings. Raises BadRequest if there are none here."""
        if self.embed_path is None:
            raise BadRequest(f"{self.title} has no embeddings", param="model")
        draft = Draft(request)
        self._name(draft, model)
        return Question(request, draft.text())

    def read_embeddings(
        self, request: ChatRequest, body: dict[str, Any], model: str
    ) -> dict[str, Any]:
        """The answer in OpenAI's shape, as the question wants it."""
        return body

    def write_count(self, request: ChatRequest, model: str) -> Question:
        """A question whose tokens are to be counted, in a dialect that is spoken here."""
        draft = Draft(request)
        self._name(draft, model)
        return Question(request, draft.text())

    def write(
        self, request: ChatRequest, model: str, system_prompt: str | None, max_tokens: int | None
    ) -> Question:
        """The question for this vendor: as it came, but for the edits that are due.

        Raises BadRequest that names a field which the vendor cannot honour.
        """
        if request.dialect == "responses":
            return Question(request, edited(request, model, system_prompt, max_tokens))
        draft = Draft(request)
        quirks = self._quirks_of(model)
        if quirks is not NO_QUIRKS:
            draft.adapt(quirks, self.title)
        self._name(draft, model)
        if max_tokens is not None:
            self._cap(draft, max_tokens)
        usage_added = request.stream and not request.include_usage and self.stream_usage == "ask"
        if usage_added:
            given = request.body.get("stream_options") or {}
            draft.set("stream_options", {**given, "include_usage": True})
        if system_prompt is not None:
            self._prompt(draft, system_prompt)
        return Question(request, draft.text(), tuple(draft.hints), usage_added)

    def _quirks_of(self, model: str) -> Quirks:
        for pattern, quirks in self.model_quirks:
            if pattern.search(model):
                return quirks
        return self.quirks

    def _name(self, draft: Draft, model: str) -> None:
        request = draft.request
        if request.model != model or _may_hide_another(request.raw, b'"model"'):
            draft.set("model", model)

    def _prompt(self, draft: Draft, prompt: str) -> None:
        """Puts the client's system prompt before everything else."""
        draft.prepend_message("system", prompt)

    def _cap(self, draft: Draft, cap: int) -> None:
        """Caps the output where more was asked for, or nothing was said."""
        body: dict[str, Any] = draft.request.body
        asked = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name)]
        for name in asked:
            if body[name] > cap:
                draft.set(name, cap)
        if not asked:
            draft.set(self.cap_field, cap)

    def judge(
        self, status: int, headers: Mapping[str, str], raw: bytes, key: str | None
    ) -> UpstreamError:
        """The error that an answer of this status stands for."""
        error = judge(self.statuses.get(status, status), headers, raw, key)
        if error.code in self.worth_a_retry:
            error.retryable, error.sticky, error.most_retries = True, False, 1
        return error

    def read_models(self, body: Any) -> list[dict[str, Any]]:
        """The models of a list as the vendor words it, each at least with an `id`."""
        if isinstance(body, dict) and "data" not in body:
            rows, name = body.get("models"), "name"  # as native lists have it
        else:
            rows, name = (body.get("data") if isinstance(body, dict) else body), "id"
        return [
            {"id": row[name], **row}
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and isinstance(row.get(name), str)
        ]

    def enriched(
        self, rows: list[dict[str, Any]], ask: Callable[[str, bytes], Any]
    ) -> list[dict[str, Any]]:
        """The models, with what the vendor tells only of one at a time: `ask` gives the answer to
        a body sent to a native path, None if there is none.
        """
        return rows


def _may_hide_another(raw: bytes, key: bytes) -> bool:
    """Whether a second member of that name, or one written in escapes, may stand in the text."""
    return raw.count(key) != 1 or b"\\u006" in raw
