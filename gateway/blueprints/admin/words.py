"""How pages write numbers, money, durations and moments."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint

UNKNOWN = "–"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")

bp = Blueprint("words", __name__)


@bp.app_template_filter()
def number(value: float | None) -> str:
    """Grouped: 1,234,567."""
    return UNKNOWN if value is None else f"{value:,.0f}"


@bp.app_template_filter()
def short(value: float | None) -> str:
    """Of three digits: 12.3 M."""
    if value is None:
        return UNKNOWN
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1e15 else f"{value / size:,.0f} {unit}"
    return number(value)


@bp.app_template_filter()
def money(value: float | None) -> str:
    """Dollars, of small sums as much as there is to tell; None is not known."""
    if value is None:
        return UNKNOWN
    value = float(value)
    if value == 0 or value >= 1:
        return f"${value:,.2f}"
    return f"${value:.4f}" if value >= 0.001 else f"${value:.8f}".rstrip("0")


@bp.app_template_filter()
def cost(told: Mapping[str, Any]) -> str:
    """What some requests cost, as far as it is known: $1.23, `$1.23 +` and more, or unknown."""
    unpriced, priced = told["unpriced"], told["cost_usd"]
    if not unpriced:
        return money(priced)
    # What failed may have cost nothing; all that was answered has no price then.
    if not priced and unpriced >= told["requests"] - told["errors"]:
        return "unknown"
    return f"{money(priced)} +"


@bp.app_template_filter()
def unpriced(told: Mapping[str, Any]) -> str:
    """How many requests had no known price; empty for none."""
    count = told["unpriced"]
    return f"{number(count)} call{'' if count == 1 else 's'} unpriced" if count else ""


@bp.app_template_filter()
def dollars(rate: str) -> str:
    """A price as it was written, with two places at least: $2.50, $0.075."""
    whole, _, places = rate.partition(".")
    return f"${int(whole):,}.{places.rstrip('0'):0<2}"


@bp.app_template_filter()
def milliseconds(value: float | None) -> str:
    """A duration: 240 ms, 1.24 s, 2 min 5 s."""
    if value is None:
        return UNKNOWN
    if value < 1000:
        return f"{value:.0f} ms" if value >= 10 or value == 0 else f"{value:.1f} ms"
    if value < 60_000:
        return f"{value / 1000:.2f} s"
    minutes, rest = divmod(round(value / 1000), 60)
    return f"{minutes:,} min {rest} s"


@bp.app_template_filter()
def percent(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    share = value * 100
    whole = share in (0, 100) or 10 <= share < 99
    return f"{share:.0f} %" if whole else f"{share:.1f} %" if share >= 0.1 else "< 0.1 %"


@bp.app_template_filter()
def iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@bp.app_template_filter()
def as_moment(value: object) -> datetime | None:
    """What JSON has of a moment; None for all else."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


@bp.app_template_filter()
def utc(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
