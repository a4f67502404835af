"""Tools that nobody can foretell."""

import secrets
import uuid as ids

from gateway.tools.function import ToolFailed


def random_number(low: int = 1, high: int = 100) -> int:
    """A random whole number, each as likely as the others.

    low: the least that it may be
    high: the most that it may be
    """
    if high < low:
        raise ToolFailed("high is below low.")
    return low + secrets.randbelow(high - low + 1)


def uuid() -> str:
    """A new random UUID (version 4)."""
    return str(ids.uuid4())
