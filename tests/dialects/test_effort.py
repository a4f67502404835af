"""Words of effort and budgets of tokens stand for each other."""

import pytest

from gateway.conversation import Effort
from gateway.dialects.effort import BUDGETS, budget_of_effort, effort_of_budget


@pytest.mark.parametrize("effort", BUDGETS)
def test_an_effort_is_told_from_its_own_budget(effort: Effort) -> None:
    assert effort_of_budget(budget_of_effort(effort)) == effort


@pytest.mark.parametrize(
    ("budget", "effort"),
    [
        (-1, "medium"),
        (0, "none"),
        (1, "minimal"),
        (1023, "minimal"),
        (1024, "low"),
        (4000, "low"),
        (16_000, "medium"),
        (31_999, "high"),
        (40_000, "xhigh"),
        (1_000_000, "max"),
    ],
)
def test_a_budget_is_the_highest_effort_that_it_pays_for(budget: int, effort: Effort) -> None:
    assert effort_of_budget(budget) == effort


def test_more_effort_has_more_budget() -> None:
    budgets = list(BUDGETS.values())
    assert budgets == sorted(set(budgets))
