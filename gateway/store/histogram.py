"""Durations by size: the bins that rollups count in, and the percentiles that they tell."""

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS = (
    *(10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000),
    *(8_000, 12_000, 16_000, 24_000, 40_000, 60_000, 120_000, 300_000),
)
"""The upper ends of the bins, in milliseconds; one more bin holds what is longer."""
BINS = len(BOUNDS) + 1


def bin_of(milliseconds: float) -> int:
    return bisect_left(BOUNDS, milliseconds)


def percentile(counts: Sequence[int], part: float) -> float | None:
    """The duration that `part` of all stay below, between its bin's ends by rule of three.

    Of what is longer than the last bound, that bound is all that is known.
    """
    rank = sum(counts) * part
    below = 0
    for number, count in enumerate(counts):
        if count and below + count >= rank:
            return _within(number, (rank - below) / count)
        below += count
    return None


def _within(number: int, part: float) -> float:
    if number == len(BOUNDS):
        return float(BOUNDS[-1])
    lower = BOUNDS[number - 1] if number else 0
    return lower + (BOUNDS[number] - lower) * part
