"""What pages that change are made of, and the time that they tell of."""

from typing import Any

from flask import render_template, request

from gateway.store.stats import RANGES

DEFAULT_RANGE = "24h"
SPANS = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}


def part(template: str, **values: Any) -> str:
    """Without what indents it: it is sent again and again."""
    lines = render_template(template, **values).splitlines()
    return "\n".join(line for one in lines if (line := one.strip()))


def chosen_range() -> str:
    """One of RANGES, as the address asks; what it does not know is the usual one."""
    name = request.args.get("range", DEFAULT_RANGE)
    return name if name in RANGES else DEFAULT_RANGE
