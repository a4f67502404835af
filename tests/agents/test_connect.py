"""Each agent finds the gateway by the settings that a client's page offers, pasted as they are."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import spoken
from tests.agents.agents import surroundings
from tests.blueprints.settings_page import pasted
from tests.blueprints.visitor import WITH_PASSWORD
from tests.environments import SCRIPTS, node_environment
from tests.probes.scripted import new_client
from tests.running import Running
from tests.spoken import Said
from tests.upstream import Upstream

WORD = "edelweiss"
TASK = "Say hello"
Script = Callable[[dict[str, str], Path, Path], str]
"""Of the settings, the agent's home and where it works: what is said in a shell."""
_PATIENCE = 120.0


@pytest.fixture(scope="module")
def modules() -> Path:
    return node_environment(Path(__file__).parent / "package.json", SCRIPTS)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("gateway"), environment=WITH_PASSWORD) as running:
        yield running


def claude(texts: dict[str, str], home: Path, work: Path) -> str:
    return texts["claude-code-1"] + f" -p '{TASK}'"


def codex(texts: dict[str, str], home: Path, work: Path) -> str:
    (home / ".codex").mkdir()
    quiet = "\n[analytics]\nenabled = false\n"
    (home / ".codex" / "config.toml").write_text(texts["codex-1"] + quiet)
    return texts["codex-2"] + f" exec --skip-git-repo-check '{TASK}'"


def opencode(texts: dict[str, str], home: Path, work: Path) -> str:
    (work / "opencode.json").write_text(texts["opencode-1"])
    return f"opencode run '{TASK}'"


@pytest.mark.parametrize("script", [claude, codex, opencode], ids=lambda one: one.__name__)
def test_an_agent_finds_the_gateway(
    modules: Path,
    gateway: Running,
    upstream: Upstream,
    tmp_path: Path,
    script: Script,
) -> None:
    upstream.always(lambda received: spoken.answer("openai", Said(f"I say {WORD}"), received))
    made = new_client(gateway, upstream, default_model="some-model", allowed_models=["some-model"])
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    ran = subprocess.run(
        ["sh", "-ec", script(pasted(gateway, made), home, work)],
        cwd=work,
        env=environment(home, modules),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert WORD in ran.stdout
    assert {received.model for received in upstream.requests} == {"some-model"}


def environment(home: Path, modules: Path) -> dict[str, str]:
    usual = surroundings(home)
    return {
        **usual,
        "PATH": f"{modules / '.bin'}:{usual['PATH']}",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
