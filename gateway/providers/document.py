"""docs/providers.md, printed from the table of providers: python -m gateway.providers.document"""

from collections.abc import Iterable

from gateway.dialects.openai_chat import Accepts
from gateway.providers import PROVIDERS
from gateway.providers.base import Provider
from gateway.providers.quirks import Quirks

_HEAD = """# Providers

How each provider is reached, and what the gateway changes in a question on the way to it. Whatever
is not named here goes up as it came. This page is printed by `python -m gateway.providers.document`
and compared with its output by a test.

A client's own key and address serve its own provider alone. Any other target
(`provider/model` among its fallbacks, aliases, or asked for) takes its credentials from
`config.yaml` under `providers.<id>`.

| id | speaks | usual address | key | list of models | usage in streams |
|---|---|---|---|---|---|
"""
_DIFFERENCES = """
## What is changed on the way

*Left out and named* means: in `x-gateway-dropped-params`; a client with `strict_params` gets a 400
instead. *Refused* means a 400 that names the field, unless its value changes nothing.

Images and files that a question names by address are the provider's to fetch. Where it cannot, the
gateway fetches them (settings: `fetch` in config.yaml): images for Ollama; images, PDF and text for
Gemini models before 2.5, for plain `http://`, and where the address does not tell what it is; files
of the other dialects for providers that speak OpenAI's, which has data alone (but for OpenRouter).
A question in Gemini's own dialect goes to Gemini as it came.
"""
_ANSWERS = {
    "lists": "- content that is a list reaches the client as text and `reasoning_content`",
    "unended": "- a stream gets its `[DONE]` if there was none",
}

_FETCHED = "named by address are fetched by the gateway, and sent as data"


def page() -> str:
    """The page's text."""
    rows = "".join(_row(provider) for provider in PROVIDERS.values())
    sections = "".join(filter(None, map(_section, PROVIDERS.values())))
    return _HEAD + rows + _DIFFERENCES + sections


def _row(provider: Provider) -> str:
    address = f"`{provider.base_url}`" if provider.base_url else "none: set `provider_base_url`"
    listed = provider.models_path or provider.native_models_path
    models = "from the provider" if listed else "none, or a fixed one"
    usage = "asked for by the gateway" if provider.stream_usage == "ask" else "comes by itself"
    header = f"{provider.key}, in `{provider.key_header}`"
    speaks = ", ".join(provider.speaks)
    return f"| {provider.id} | {speaks} | {address} | {header} | {models} | {usage} |\n"


def changes(provider: Provider) -> list[str]:
    """What is changed on the way to a provider and back, each as a line with `code` in it."""
    lines = [] if provider.image_urls else [f"- images {_FETCHED}"]
    lines += _differences(provider.quirks) + _accepts(provider.accepts) + _answers(provider)
    for pattern, quirks in provider.model_quirks:
        for line in _differences(quirks):
            if line not in lines:
                lines.append(f"- models whose name fits `{pattern.pattern}`: {line[2:]}")
    return [line.removeprefix("- ") for line in lines]


def _section(provider: Provider) -> str:
    lines = [f"- {line}" for line in changes(provider)]
    return f"\n### {provider.title}\n\n" + "\n".join(lines) + "\n" if lines else ""


def _accepts(accepts: Accepts) -> list[str]:
    taken = {"images": accepts.images, "files": accepts.files, "audio": accepts.audio}
    missing = [name for name, form in taken.items() if not form]
    return [f"- refused in a translated question: {', '.join(missing)}"] if missing else []


def _answers(provider: Provider) -> list[str]:
    lines = [_ANSWERS[provider.answers]] if provider.answers in _ANSWERS else []
    if provider.worth_a_retry:
        lines.append(
            f"- asked once more after an error of the code {_names(provider.worth_a_retry)}"
        )
    lines += [
        f"- its status {own} is taken for {usual}" for own, usual in provider.statuses.items()
    ]
    return lines


def _differences(quirks: Quirks) -> list[str]:
    lines = [f"- `{old}` is sent as `{new}`" for old, new in quirks.rename.items()]
    lines += [f"- the role `{old}` is sent as `{new}`" for old, new in quirks.roles.items()]
    for name, words in quirks.words.items():
        changes = ", ".join(f"`{old}` → {_word(new)}" for old, new in words.items())
        lines.append(f"- in `{name}`: {changes}")
    if quirks.drop:
        lines.append(f"- left out and named: {_names(quirks.drop)}")
    if quirks.needless:
        lines.append(f"- left out, since it does that anyhow: {_names(quirks.needless)}")
    if quirks.known is not None:
        lines.append("- left out and named: any field that it does not know")
    if quirks.message_drop:
        lines.append(f"- left out of messages, and named: {_names(quirks.message_drop)}")
    if quirks.only or quirks.fixed:
        lines.append(f"- refused: {_names([*quirks.only, *quirks.fixed])}")
    for name in quirks.returned:
        lines.append(
            f"- given back with earlier tool calls where a client has dropped it: `{name}`"
        )
    for hook in (quirks.message, quirks.turns, quirks.tool, quirks.body, quirks.preface):
        if hook is not None and hook.__doc__:
            lines.append("- " + " ".join(hook.__doc__.split()))
    return lines


def _word(word: object) -> str:
    return "left out" if word is None else f"`{word}`"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


if __name__ == "__main__":
    print(page(), end="")
