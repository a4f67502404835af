"""What the tests of the doors share: the vendors' own SDKs, and the tallies of the recordings."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import openai
import pytest

from tests.running import Running
from tests.upstream import Recording, Upstream


@dataclass
class Tally:
    """How many recordings passed unchanged, of how many, by row (a vendor, usually) and form."""

    played: Counter[tuple[str, str]] = field(default_factory=Counter)
    unchanged: Counter[tuple[str, str]] = field(default_factory=Counter)

    @contextmanager
    def counting(self, recording: Recording, row: str | None = None) -> Iterator[None]:
        """It passed unchanged if what is asserted inside holds."""
        kind = row or recording.provider, "stream" if recording.stream else "whole"
        self.played[kind] += 1
        yield
        self.unchanged[kind] += 1

    def lines(self) -> Iterator[str]:
        rows = sorted({row for row, _ in self.played})
        width = max([12, *(len(row) + 2 for row in rows)])
        for row in rows:
            forms = [self._line(form, (row, form)) for form in ("whole", "stream")]
            yield f"{row:<{width}}" + "".join(forms)
        yield f"{'all':<{width}}{self.unchanged.total()} of {self.played.total()}"

    def _line(self, form: str, kind: tuple[str, str]) -> str:
        count = f"{self.unchanged[kind]} of {self.played[kind]}" if self.played[kind] else "none"
        return f"{form} {count:<14}"


TALLY = pytest.StashKey[Tally]()
MATRIX = pytest.StashKey[Tally]()
TITLES = {
    TALLY: "recordings that passed the gateway unchanged",
    MATRIX: "recordings that every door's SDK reads as their vendor's own does",
}


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash.setdefault(TALLY, Tally())


@pytest.fixture(scope="session")
def matrix_tally(pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash.setdefault(MATRIX, Tally())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for key, title in TITLES.items():
        tally = config.stash.get(key, None)
        if tally is not None:
            terminalreporter.section(title)
            for line in tally.lines():
                terminalreporter.line(line)


@pytest.fixture(scope="session")
def _others() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def others(_others: Upstream) -> Iterator[Upstream]:
    """Where `impatient` finds Anthropic and Gemini, with the keys `key-of-anthropic`, …"""
    yield _others
    _others.clear()


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory, _others: Upstream) -> Iterator[Running]:
    """A gateway that soon sends heads and keep-alives, and has providers of its own."""
    names = ("anthropic", "gemini")
    settings = {
        "upstream": {"max_retries": 0, "head_wait": 0.1, "keepalive_interval": 0.1},
        "providers": {
            name: {"api_key": f"key-of-{name}", "base_url": _others.origin} for name in names
        },
    }
    with Running(tmp_path_factory.mktemp("impatient"), settings) as running:
        yield running


@pytest.fixture(scope="session")
def sdk(gateway: Running) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK at the gateway, without retries; `sdk.with_options(api_key=…)` asks."""
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0) as client:
        yield client
