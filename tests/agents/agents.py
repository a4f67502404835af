"""How each agent is started so that it knows the gateway alone, and what its tools are called."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running import Running

TASK = "Copy the word in word.txt to copy.txt, then count its letters"
PATCH = "*** Begin Patch\n*** Add File: copy.txt\n+{}\n*** End Patch\n"
COUNT = "wc -c < copy.txt"
_PATIENCE = 120.0
# Whatever else an agent would call has to fail at once.
_NOWHERE = "http://127.0.0.1:9"

Step = tuple[str, dict[str, Any]]  # a tool's name there, and its arguments


@dataclass(frozen=True)
class Place:
    """A scratch folder: the agent's home, and where it works."""

    home: Path
    work: Path


@dataclass(frozen=True)
class Agent:
    """`start` gives the command and its environment; `steps` the calls that a model would make to
    do the task, when it has read `word`; `model` is one that the agent knows.
    """

    name: str
    start: Callable[[Place, Running, str, str], tuple[list[str], dict[str, str]]]
    steps: Callable[[Place, str], Sequence[Step]]
    model: str = "some-model"

    def run(self, modules: Path, place: Place, gateway: Running, key: str) -> str:
        """What it prints in the end. Raises CalledProcessError if it fails."""
        place.home.mkdir()
        command, environment = self.start(place, gateway, key, self.model)
        program = modules / ".bin" / command[0]
        ran = subprocess.run(
            [str(program), *command[1:]],
            cwd=place.work,
            env=surroundings(place.home) | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
        return ran.stdout


def surroundings(home: Path) -> dict[str, str]:
    """An environment in which nobody but the gateway can be asked."""
    proxies = {f"{scheme}_proxy": _NOWHERE for scheme in ("http", "https")}
    proxies |= {name.upper(): value for name, value in proxies.items()}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **proxies,
    }


def _claude(
    place: Place, gateway: Running, key: str, model: str
) -> tuple[list[str], dict[str, str]]:
    environment = {
        "ANTHROPIC_BASE_URL": gateway.origin,
        "ANTHROPIC_AUTH_TOKEN": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    return ["claude", "-p", TASK, "--allowedTools", "Read,Write,Bash"], environment


def _claude_steps(place: Place, word: str) -> Sequence[Step]:
    copy = str(place.work / "copy.txt")
    return [
        ("Read", {"file_path": str(place.work / "word.txt")}),
        ("Write", {"file_path": copy, "content": word}),
        ("Bash", {"command": COUNT, "description": "Counts the letters"}),
    ]


def _codex(
    place: Place, gateway: Running, key: str, model: str
) -> tuple[list[str], dict[str, str]]:
    settings = [
        f'model = "{model}"',
        'model_provider = "gateway"',
        "[analytics]",
        "enabled = false",
        "[model_providers.gateway]",
        'name = "gateway"',
        f'base_url = "{gateway.base_url}"',
        'wire_api = "responses"',
        'env_key = "GATEWAY_KEY"',
        "request_max_retries = 0",
        "stream_max_retries = 0",
    ]
    folder = place.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text("\n".join(settings))
    free = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return ["codex", "exec", *free, TASK], {"GATEWAY_KEY": key}


def _codex_steps(place: Place, word: str) -> Sequence[Step]:
    """`apply_patch` is a custom tool: its function's one argument is the patch."""
    return [
        ("exec_command", {"cmd": "cat word.txt"}),
        ("apply_patch", {"input": PATCH.format(word)}),
        ("exec_command", {"cmd": COUNT}),
    ]


def _codex_code_steps(place: Place, word: str) -> Sequence[Step]:
    """Newer models write JavaScript that calls the tools, in a custom tool of a namespace."""
    patch = json.dumps(PATCH.format(word))
    return [
        ("functions__exec", {"input": 'text(await tools.exec_command({cmd: "cat word.txt"}))'}),
        ("functions__exec", {"input": f"text(await tools.apply_patch({patch}))"}),
        ("functions__exec", {"input": f'text(await tools.exec_command({{cmd: "{COUNT}"}}))'}),
    ]


def _opencode(
    place: Place, gateway: Running, key: str, model: str
) -> tuple[list[str], dict[str, str]]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": gateway.base_url, "apiKey": key},
        "models": {model: {}},
    }
    settings = {
        "autoupdate": False,
        "share": "disabled",
        "model": f"gateway/{model}",
        "small_model": f"gateway/{model}",
        "provider": {"gateway": provider},
    }
    environment = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(settings),
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    return ["opencode", "run", TASK], environment


def _opencode_steps(place: Place, word: str) -> Sequence[Step]:
    return [
        ("read", {"filePath": str(place.work / "word.txt")}),
        ("write", {"filePath": str(place.work / "copy.txt"), "content": word}),
        ("bash", {"command": COUNT, "description": "Counts the letters"}),
    ]


CLAUDE_CODE = Agent("Claude Code", _claude, _claude_steps)
CODEX = Agent("Codex", _codex, _codex_steps, model="gpt-5.5")
CODEX_CODE = Agent("Codex in code", _codex, _codex_code_steps, model="gpt-6.1-sol")
OPENCODE = Agent("opencode", _opencode, _opencode_steps)
