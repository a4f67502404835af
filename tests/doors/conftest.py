"""What the tests of the doors share: the vendors' own SDKs, and the tallies of the recordings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

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


class Table:
    """The cells of the table of tools that were filled; one that shows less says why.

    Made of what passed tests have recorded, so that it is whole if several processes ran them.
    """

    def __init__(self, reports: Iterable[pytest.TestReport]) -> None:
        recorded: list[dict[str, Any]] = [dict(report.user_properties) for report in reports]
        cells = [each["tool cell"] for each in recorded if "tool cell" in each]
        self._filled = {(*cell,): reason for *cell, reason in cells}
        self._reasons = list(dict.fromkeys(filter(None, self._filled.values())))

    def lines(self) -> Iterator[str]:
        scenarios = list(dict.fromkeys(cell[2] for cell in self._filled))
        if scenarios:
            yield f"{'door, provider (whole/stream)':<32}" + "  ".join(scenarios)
        for door, provider in dict.fromkeys(cell[:2] for cell in self._filled):
            row = ""
            for each in scenarios:
                cells = [(door, provider, each, stream) for stream in (False, True)]
                row += f"{'/'.join(map(self._mark, cells)):<{len(each) + 2}}"
            yield f"{door + ', ' + provider:<32}{row}".rstrip()
        yield from (f"({number}) {reason}" for number, reason in enumerate(self._reasons, 1))

    def _mark(self, cell: tuple[Any, ...]) -> str:
        if cell not in self._filled:
            return "-"
        reason = self._filled[cell]
        return "ok" if reason is None else f"({self._reasons.index(reason) + 1})"


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
    if table := list(Table(terminalreporter.getreports("passed")).lines()):
        terminalreporter.section("tools in pass-through, at every door with every provider")
        for line in table:
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
