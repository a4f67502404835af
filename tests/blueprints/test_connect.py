"""The settings of a client's page do what they are there for, whatever its models are called."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.blueprints.admin.connect import MODEL, MOST_MODELS, PROGRAMS
from tests.blueprints.settings_page import pasted
from tests.environments import node_environment
from tests.probes.scripted import new_client
from tests.running import PATIENCE, ROOT, Running
from tests.upstream import Json, Upstream, completion

HOSTILE = 'it\'s "one" $HOME `id` \\n <b> & {{ 1 }} é'
NODE = ROOT / "tests" / "sdks" / "package.json"


def run(command: list[str], folder: Path) -> str:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def in_shell(text: str, folder: Path) -> str:
    answer: str = json.loads(run(["sh", "-ec", text], folder))["choices"][0]["message"]["content"]
    return answer


def in_python(text: str, folder: Path) -> str:
    return run([sys.executable, "-c", text], folder).strip()


def in_node(text: str, folder: Path) -> str:
    modules = node_environment(NODE)
    (folder / "pasted.mjs").write_text(text)
    # It finds them from where it stands.
    where = shutil.copy(folder / "pasted.mjs", modules.parent / f"pasted-{folder.name}.mjs")
    try:
        return run(["node", str(where)], folder).strip()
    finally:
        Path(where).unlink()


RUN: list[tuple[str, Callable[[str, Path], str]]] = [
    ("curl-1", in_shell),
    ("openai-python-1", in_python),
    ("openai-node-1", in_node),
    ("anthropic-python-1", in_python),
    ("anthropic-node-1", in_node),
]


@pytest.mark.parametrize("model", ["some-model", HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize(("name", "run_so"), RUN, ids=[name for name, _ in RUN])
def test_what_is_pasted_runs(
    gateway: Running,
    upstream: Upstream,
    tmp_path: Path,
    name: str,
    run_so: Callable[[str, Path], str],
    model: str,
) -> None:
    upstream.always(Json(completion("Hello to you")))
    text = pasted(gateway, new_client(gateway, upstream, default_model=model))[name]
    assert run_so(text, tmp_path) == "Hello to you"
    (asked,) = upstream.requests
    assert asked.model == model


def test_every_program_has_its_settings_and_the_key_stands_in_each(
    gateway: Running, upstream: Upstream
) -> None:
    made = new_client(gateway, upstream)
    texts = pasted(gateway, made)
    for program in PROGRAMS:
        parts = [texts[f"{program.id}-{number + 1}"] for number in range(len(program.parts))]
        assert sum(made["api_key"] in part for part in parts) == 1, program
        assert sum(gateway.origin in part for part in parts) == 1, program


@pytest.mark.parametrize("model", ["some-model", HOSTILE], ids=["plain", "hostile"])
def test_files_of_settings_can_be_read(gateway: Running, upstream: Upstream, model: str) -> None:
    made = new_client(gateway, upstream, default_model=model, allowed_models=[model, "other"])
    texts = pasted(gateway, made)
    codex = tomllib.loads(texts["codex-1"])
    assert (codex["model"], codex["model_provider"]) == (model, "gateway")
    assert codex["model_providers"]["gateway"] == {
        "name": "AI Gateway",
        "base_url": gateway.base_url,
        "wire_api": "responses",
        "env_key": "GATEWAY_KEY",
    }
    opencode: dict[str, Any] = json.loads(texts["opencode-1"])
    assert opencode["model"] == opencode["small_model"] == f"gateway/{model}"
    provider = opencode["provider"]["gateway"]
    assert provider["options"] == {"baseURL": gateway.base_url, "apiKey": made["api_key"]}
    assert provider["models"] == {model: {}, "other": {}}
    compile(texts["langchain-1"], "langchain", "exec")


@pytest.mark.parametrize(
    ("name", "last", "wanted"),
    [
        (
            "claude-code-1",
            "claude",
            {
                "ANTHROPIC_BASE_URL": "{origin}",
                "ANTHROPIC_AUTH_TOKEN": "{key}",
                "ANTHROPIC_MODEL": "{model}",
                "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{model}",
            },
        ),
        ("codex-2", "codex", {"GATEWAY_KEY": "{key}"}),
        ("aider-1", "aider --model", {"OPENAI_API_BASE": "{origin}/v1", "OPENAI_API_KEY": "{key}"}),
        (
            "open-webui-1",
            "open-webui serve",
            {"OPENAI_API_BASE_URL": "{origin}/v1", "OPENAI_API_KEY": "{key}"},
        ),
    ],
)
def test_a_shell_reads_what_is_meant(
    gateway: Running,
    upstream: Upstream,
    tmp_path: Path,
    name: str,
    last: str,
    wanted: dict[str, str],
) -> None:
    made = new_client(gateway, upstream, default_model=HOSTILE)
    *exports, command = pasted(gateway, made)[name].splitlines()
    assert command.startswith(last)
    shown = in_python_of_shell("\n".join(exports), tmp_path)
    facts = {"{origin}": gateway.origin, "{key}": made["api_key"], "{model}": HOSTILE}
    for variable, value in wanted.items():
        for word, fact in facts.items():
            value = value.replace(word, fact)
        assert shown[variable] == value


def in_python_of_shell(exports: str, folder: Path) -> dict[str, str]:
    """The environment that a shell's lines make."""
    show = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    environment: dict[str, str] = json.loads(run(["sh", "-ec", f"{exports}\n{show}"], folder))
    return environment


def test_a_client_of_which_no_model_is_known(gateway: Running, upstream: Upstream) -> None:
    texts = pasted(gateway, new_client(gateway, upstream, default_model=None))
    assert f'"model": "{MODEL}"' in texts["curl-1"]
    assert "ANTHROPIC_MODEL" not in texts["claude-code-1"]


@pytest.mark.parametrize(
    "fields",
    [{"model_aliases": {"claude-*": "some-model"}}, {"provider": "anthropic"}],
    ids=["aliases", "anthropic"],
)
def test_claude_code_keeps_its_own_names_where_they_lead_somewhere(
    gateway: Running, upstream: Upstream, fields: dict[str, Any]
) -> None:
    texts = pasted(gateway, new_client(gateway, upstream, **fields))
    assert "_MODEL" not in texts["claude-code-1"]


def test_a_long_list_of_models_is_not_pasted_whole(gateway: Running, upstream: Upstream) -> None:
    names = [f"model-{number}" for number in range(400)]
    made = new_client(gateway, upstream, default_model=None, allowed_models=names)
    provider = json.loads(pasted(gateway, made)["opencode-1"])["provider"]["gateway"]
    assert list(provider["models"]) == names[:MOST_MODELS]
