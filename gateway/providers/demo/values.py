"""Numbers and texts that keep to the rules of a JSON schema."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from fractions import Fraction
from itertools import chain
from math import ceil, floor, inf
from uuid import UUID

from gateway.providers.demo.keywords import Rules, meets, merged
from gateway.providers.demo.pattern import NotSimple, matching
from gateway.providers.demo.schema import NoInstance

_LONGEST_TEXT = 10_000
_NEAR = 20


def whole_number(rules: Rules, variation: int) -> float:
    return number(merged({"multipleOf": 1}, rules), variation)


def number(rules: Rules, variation: int) -> float:
    """`variation` numbers on from 1, or from the bounds where 1 is outside. Raises NoInstance."""
    for value in _numbers(rules, variation):
        if all(meets(keyword, limit, value) for keyword, limit in rules.items()):
            return value
    raise NoInstance("no number is left between its bounds")


def fraction(rules: Rules, variation: int) -> float:
    """A number that is no integer, for where one must not be. Raises NoInstance."""
    return number({**rules, "multipleOf": rules.get("multipleOf", 0.5)}, 2 * variation)


def _numbers(rules: Rules, variation: int) -> Iterator[float]:
    step = Fraction(str(rules.get("multipleOf", 1)))
    low = max(rules.get("minimum", -inf), rules.get("exclusiveMinimum", -inf))
    high = min(rules.get("maximum", inf), rules.get("exclusiveMaximum", inf))
    starts = [(1, 1)]
    if low > -inf:
        starts.append((ceil(Fraction(str(low)) / step), 1))
    if high < inf:
        starts.append((floor(Fraction(str(high)) / step), -1))
    for start, way in starts:
        for place in chain(range(variation, variation + _NEAR), range(_NEAR)):
            yield _plain(step * (start + way * place))
    if "multipleOf" not in rules and low > -inf and high < inf:
        yield (low + high) / 2


def _plain(value: Fraction) -> float:
    # JSON as it is written here has integers of 64 bits.
    is_short = value.denominator == 1 and abs(value) < 1 << 63
    return value.numerator if is_short else float(value)


def text(rules: Rules, name: str, variation: int) -> str:
    """The first of pattern, format and plain words that keeps to the length. Raises NoInstance."""
    least, most = rules.get("minLength", 0), rules.get("maxLength", _LONGEST_TEXT)
    if least > _LONGEST_TEXT:
        raise NoInstance("its text is too long")
    for made in _texts(rules, least, variation):
        if least <= len(made) <= most:
            return made
    words = f"demo {name[:40]} {variation + 1}" if variation else f"demo {name[:40]}"
    short = words if len(words) <= most else chr(ord("a") + variation % 26) + str(variation)
    return short.ljust(least, ".")[: max(most, 0)]


def _texts(rules: Rules, least: int, variation: int) -> Iterator[str]:
    if "pattern" in rules:
        try:
            yield matching(rules["pattern"], least, variation)
        except NotSimple:
            pass
    if rules.get("format") in _FORMATS:
        yield _FORMATS[rules["format"]](variation)


def _day(variation: int) -> str:
    return str(date(2026, 1, 1) + timedelta(days=variation % 10_000))


_FORMATS: Mapping[str, Callable[[int], str]] = {
    "date": _day,
    "time": lambda variation: f"12:{variation % 60:02}:00Z",
    "date-time": lambda variation: f"{_day(variation)}T12:00:00Z",
    "duration": lambda variation: f"P{variation + 1}D",
    "email": lambda variation: f"demo{variation or ''}@example.com",
    "idn-email": lambda variation: f"demo{variation or ''}@example.com",
    "hostname": lambda variation: f"demo{variation or ''}.example.com",
    "ipv4": lambda variation: f"192.0.2.{variation % 256}",
    "ipv6": lambda variation: f"2001:db8::{variation % 65_536:x}",
    "uri": lambda variation: f"https://example.com/demo{variation or ''}",
    "iri": lambda variation: f"https://example.com/demo{variation or ''}",
    "uri-reference": lambda variation: f"/demo{variation or ''}",
    "uuid": lambda variation: str(UUID(int=variation, version=4)),
}
