"""Each agent does a task of three tool-using turns at a vendor of another dialect than its own."""

import re
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests import spoken
from tests.agents.agents import CLAUDE_CODE, CODEX, CODEX_CODE, OPENCODE, Agent, Place
from tests.environments import SCRIPTS, node_environment
from tests.running import Running
from tests.spoken import Call, Said
from tests.upstream import Answer, Received, Upstream

# Each vendor's way in, and a model of it.
VENDORS = {
    "openai": ("openai-compatible", "/v1", "some-model"),
    "anthropic": ("anthropic", "", "claude-sonnet-4-5"),
    "gemini": ("gemini", "", "gemini-2.5-flash"),
}
_WORD = re.compile(r"The word is (\w+)\.")


@pytest.fixture(scope="session")
def modules() -> Path:
    return node_environment(Path(__file__).parent / "package.json", SCRIPTS)


class Model:
    """Plays the model: it copies the word that it was given by a tool, and says what it counted."""

    def __init__(self, agent: Agent, place: Place, dialect: str) -> None:
        self._agent = agent
        self._place = place
        self._dialect = dialect
        self.seen: list[str] = []

    def __call__(self, received: Received) -> Answer:
        return spoken.answer(self._dialect, self._said(received.json), received)

    def _said(self, body: Any) -> Said:
        names = spoken.offered(self._dialect, body)
        if not names:
            return Said("A title")  # agents ask for one on the side
        results = self.seen = spoken.results(self._dialect, body)
        found = _WORD.search(results[0]) if results else None
        steps = self._agent.steps(self._place, found[1] if found else "")
        if len(results) == len(steps):
            counted = re.findall(r"\d+", results[-1])
            return Said(f"Done: {counted[-1] if counted else results[-1]} letters")
        name, arguments = steps[len(results)]
        assert name in names, f"{name} is not among {names}"
        return Said("Next.", (Call(f"call_{len(results)}", name, arguments),))


@pytest.mark.parametrize(
    ("agent", "dialect"),
    [
        (CLAUDE_CODE, "openai"),
        (CLAUDE_CODE, "gemini"),
        (CODEX, "anthropic"),
        (CODEX, "openai"),
        (CODEX_CODE, "anthropic"),
        (CODEX_CODE, "gemini"),
        (OPENCODE, "anthropic"),
        (OPENCODE, "gemini"),
    ],
    ids=lambda value: value.name.lower().replace(" ", "-") if isinstance(value, Agent) else value,
)
def test_an_agent_does_its_task(
    modules: Path, gateway: Running, upstream: Upstream, tmp_path: Path, agent: Agent, dialect: str
) -> None:
    place = Place(tmp_path / "home", tmp_path / "work")
    word = "edel" + secrets.token_hex(3)
    place.work.mkdir()
    (place.work / "word.txt").write_text(f"The word is {word}.\n")
    model = Model(agent, place, dialect)
    upstream.always(model)
    said = agent.run(modules, place, gateway, _client(gateway, upstream, dialect))
    assert (place.work / "copy.txt").read_text().strip() == word
    assert len(model.seen) == 3 and word in model.seen[0]
    assert re.search(r"Done: 1[01] letters", said), said


def _client(gateway: Running, upstream: Upstream, dialect: str) -> str:
    provider, path, model = VENDORS[dialect]
    return gateway.client(
        provider=provider,
        provider_base_url=upstream.origin + path,
        provider_api_key="upstream-key",
        model_aliases={"*": model},
    )
