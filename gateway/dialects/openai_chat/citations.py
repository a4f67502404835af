"""Sources that an answer names, in OpenAI's wording, from wherever vendors put their address."""

from typing import Any

from gateway.dialects.openai_chat.thoughts import objects


def annotations_of(citation: dict[str, Any], place: int) -> list[dict[str, Any]]:
    """An `url_citation` for each address. `place`: where in the text it was named, in characters,
    for a source that does not say to which part of the text it belongs.
    """
    found = (_annotation(source, place) for source in _sources(citation))
    return [annotation for annotation in found if annotation is not None]


def _sources(citation: dict[str, Any]) -> list[dict[str, Any]]:
    """Gemini puts several into one object; Anthropic, Perplexity and OpenAI one."""
    if isinstance(grounding := citation.get("groundingMetadata"), dict):
        return [
            source for chunk in objects(grounding.get("groundingChunks")) for source in _of(chunk)
        ]
    if isinstance(cited := citation.get("citationMetadata"), dict):
        return objects(cited.get("citations")) or objects(cited.get("citationSources"))
    inner = citation.get("url_citation")
    return [inner if isinstance(inner, dict) else citation]


def _of(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    return [source for source in chunk.values() if isinstance(source, dict)]


def _annotation(source: dict[str, Any], place: int) -> dict[str, Any] | None:
    url = source.get("url") or source.get("uri")
    if not url or not isinstance(url, str):
        return None
    title = source.get("title")
    said: dict[str, Any] = {
        "start_index": _index(source, "start_index", "startIndex", place),
        "end_index": _index(source, "end_index", "endIndex", place),
        "title": title if isinstance(title, str) else "",
        "url": url,
    }
    if isinstance(source.get("content"), str):  # OpenRouter quotes the source
        said["content"] = source["content"]
    return {"type": "url_citation", "url_citation": said}


def _index(source: dict[str, Any], name: str, camel: str, place: int) -> int:
    found = source.get(name, source.get(camel))
    return found if type(found) is int else place
