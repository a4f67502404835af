"""Google's Gemini API: the model and the way of answering stand in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from gateway.chat import ChatRequest
from gateway.dialects import gemini
from gateway.dialects.links import Link, links_of
from gateway.dialects.overflow import CODE as OVERFLOW
from gateway.dialects.splice import Edits, value_of
from gateway.errors import UpstreamError, UpstreamRateLimited, UpstreamRejected
from gateway.providers.base import Provider, Question, Target
from gateway.providers.failures import judge
from gateway.providers.quirks import Draft

_CONFIG = ("generationConfig", "generation_config")
_CAP = ("maxOutputTokens", "max_output_tokens")
_SYSTEM = ("systemInstruction", "system_instruction")


@dataclass(frozen=True, kw_only=True)
class Gemini(Provider):
    """Relays generateContent as it came; other dialects are translated before they get here."""

    def links(self, request: ChatRequest, model: str, *, relayed: bool) -> list[Link]:
        """Whoever speaks Gemini's own dialect knows which addresses a model takes."""
        if relayed:
            return []
        return [
            link
            for link in links_of(request)
            if not gemini.takes_address(model, link.url, link.media_type)
        ]

    def url(self, target: Target, request: ChatRequest) -> str:
        base = target.credentials.base_url
        return f"{base}/v1beta/{model_path(target.model)}:{_method(request)}"

    def clean_base_url(self, base_url: str) -> str:
        return base_url.rstrip("/").removesuffix("/v1beta").removesuffix("/v1")

    def read_models(self, body: Any) -> list[dict[str, Any]]:
        return gemini.read_models(body)

    def judge(
        self, status: int, headers: Mapping[str, str], raw: bytes, key: str | None
    ) -> UpstreamError:
        """A bad key is a 400 here, and the time to wait stands in the body; `code` is the status
        once more.
        """
        found = _parsed(raw)
        error = judge(401 if gemini.is_bad_key(found) else status, headers, raw, key)
        if isinstance(error, (UpstreamRejected, UpstreamRateLimited)):
            usual = "model_not_found" if status == 404 else type(error).code
            error.code = OVERFLOW if error.code == OVERFLOW else usual
        if gemini.is_daily_quota(found):
            error.retryable = False
        if error.retry_after is None and (delay := gemini.retry_delay(found)) is not None:
            error.retry_after = delay
            error.headers["retry-after"] = f"{delay:g}"
        return error

    def write_embeddings(self, request: ChatRequest, model: str) -> Question:
        body = gemini.write_embeddings(request.body, model)
        return Question(request, orjson.dumps(body))

    def read_embeddings(
        self, request: ChatRequest, body: dict[str, Any], model: str
    ) -> dict[str, Any]:
        base64 = request.body.get("encoding_format") == "base64"
        return gemini.read_embeddings(body, model, base64=base64)

    def _name(self, draft: Draft, model: str) -> None:
        """The model stands in the URL."""

    def _prompt(self, draft: Draft, prompt: str) -> None:
        body = draft.request.body
        name = next((name for name in _SYSTEM if name in body), _SYSTEM[0])
        given = body.get(name)
        parts = given.get("parts") if isinstance(given, dict) else None
        rest = parts if isinstance(parts, list) else [parts] if isinstance(parts, dict) else []
        draft.set(name, {"parts": [{"text": prompt}, *rest]})

    def _cap(self, draft: Draft, cap: int) -> None:
        body = draft.request.body
        name = next((name for name in _CONFIG if name in body), _CONFIG[0])
        config = body.get(name)
        given = config if isinstance(config, dict) else {}
        member = next((one for one in _CAP if one in given), _CAP[0])
        asked = given.get(member)
        if isinstance(asked, int) and asked <= cap:
            return
        text = value_of(draft.request.raw, name) if given else b"{}"
        draft.replace[name] = Edits({member: orjson.dumps(cap)}).apply(text or b"{}")


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _method(request: ChatRequest) -> str:
    if request.kind == "count":
        return "countTokens"
    if request.kind == "embed":
        return "batchEmbedContents"
    return "streamGenerateContent?alt=sse" if request.stream else "generateContent"


def model_path(model: str) -> str:
    """`models/x`, or a longer name (`tunedModels/x`) as it is."""
    return quote(model if "/" in model else f"models/{model}", safe="/")


GEMINI = Gemini(
    id="gemini",
    title="Gemini",
    key_format="AQ.… or AIza…",
    model_hint="For example gemini-2.5-flash.",
    speaks=("gemini",),
    base_url="https://generativelanguage.googleapis.com",
    key_header="x-goog-api-key",
    models_path="/v1beta/models?pageSize=1000",
    next_page=("nextPageToken", "pageToken"),
    stream_usage="given",
)
