"""How programs are told of the gateway: settings to paste, for a client, with its models."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, render_template, request

from gateway.catalogue import named_models
from gateway.context import current_gateway
from gateway.routing import alias_target
from gateway.store.models import ClientRow

KEY = "YOUR_GATEWAY_KEY"
MODEL = "YOUR_MODEL"
MOST_MODELS = 20
"""In a program's own list of models."""


@dataclass(frozen=True, slots=True)
class Program:
    """`parts`: by the words before each text, its template in templates/connect/."""

    id: str
    title: str
    parts: tuple[tuple[str, str], ...]
    note: str = ""


PROGRAMS = (
    Program("curl", "curl", (("In a shell", "curl.sh"),)),
    Program("openai-python", "OpenAI, Python", (("After pip install openai", "openai.py.txt"),)),
    Program("openai-node", "OpenAI, Node", (("After npm install openai", "openai.mjs"),)),
    Program(
        "anthropic-python",
        "Anthropic, Python",
        (("After pip install anthropic", "anthropic.py.txt"),),
    ),
    Program(
        "anthropic-node",
        "Anthropic, Node",
        (("After npm install @anthropic-ai/sdk", "anthropic.mjs"),),
    ),
    Program(
        "claude-code",
        "Claude Code",
        (("In a shell", "claude-code.sh"),),
        "An ANTHROPIC_API_KEY that is set besides has to go: unset ANTHROPIC_API_KEY.",
    ),
    Program(
        "codex",
        "Codex CLI",
        (("In ~/.codex/config.toml", "codex.toml"), ("Then in a shell", "codex.sh")),
    ),
    Program(
        "opencode",
        "opencode",
        (("In opencode.json, in a project's folder, or in ~/.config/opencode", "opencode.json"),),
    ),
    Program("aider", "aider", (("In a shell", "aider.sh"),)),
    Program(
        "langchain",
        "LangChain",
        (("After pip install langchain-openai", "langchain.py.txt"),),
    ),
    Program(
        "open-webui",
        "Open WebUI",
        (("In a shell, after pip install open-webui", "open-webui.sh"),),
        "One that has run before keeps what it was told then: there, add the address and the key "
        "in Admin Settings, Connections, OpenAI. In a container, 127.0.0.1 is the container "
        "itself: name the gateway's machine instead.",
    ),
)

bp = Blueprint("connect", __name__)


@bp.app_template_filter("shell")
def shell(text: str) -> str:
    """One word of a shell's line."""
    return shlex.quote(str(text))


@dataclass(frozen=True, slots=True)
class Pasted:
    """What is pasted for a program. `texts`: id, words before it, and the text, of each part."""

    program: Program
    texts: list[tuple[str, str, str]]


@bp.app_template_global()
def origin_asked() -> str:
    """The gateway's address as this request came to it."""
    return request.host_url.rstrip("/")


@bp.app_template_global()
def connect_settings(row: ClientRow, key: str | None) -> list[Pasted]:
    """What to paste, with this gateway's address; without a key, one is to be put in."""
    models = named_models(row, current_gateway.ways)
    values = {
        "origin": origin_asked(),
        "key": key or KEY,
        "model": models[0] if models else MODEL,
        "own_names": not models or _knows_claude(row),
        "models": models[:MOST_MODELS] or [MODEL],
    }
    return [Pasted(one, list(_texts(one, values))) for one in PROGRAMS]


def _knows_claude(row: ClientRow) -> bool:
    """Whether the names that Claude Code asks for by itself lead somewhere."""
    free = row.provider == "anthropic" and not row.allowed_models
    return free or alias_target(row.model_aliases, "claude-") is not None


def _texts(program: Program, values: dict[str, object]) -> Iterator[tuple[str, str, str]]:
    for number, (words, template) in enumerate(program.parts, 1):
        text = render_template(f"connect/{template}", **values)
        yield f"connect-{program.id}-{number}", words, text.rstrip("\n")
