"""A tool that converts between units of measurement."""

import math
import re
from functools import cache
from typing import Any

from gateway.tools.function import ToolFailed
from gateway.tools.threads import apart

# pint would work out `m^(9^9^9)`: a unit is names with small powers, multiplied and divided.
_POWER = r"(\s*(\*\*|\^)\s*-?\d{1,2}|[²³])?"
_NAME = r"[^\W\d]+|[°µμΩÅ%][^\W\d]*"
_UNIT = re.compile(rf"(1\s*/\s*)?({_NAME}){_POWER}((\s*[*/·]\s*|\s+)({_NAME}){_POWER}){{0,9}}")


def unit_convert(value: float, from_unit: str, to_unit: str) -> str:
    """Converts a value from one unit of measurement to another (no currencies).

    value: how much of the first unit
    from_unit: such as mile, km/h, degC, kilowatt hour, m^2, GiB
    to_unit: a unit of the same kind
    """
    for unit in (from_unit, to_unit):
        if len(unit) > 100 or not _UNIT.fullmatch(unit.strip()):
            raise ToolFailed(f"{unit[:100]!r} is no unit that can be read.")
    return apart(_converted, value, from_unit.strip(), to_unit.strip())


def _converted(value: float, from_unit: str, to_unit: str) -> str:
    import pint

    units = _units()
    try:
        found = units.Quantity(value, units.parse_units(from_unit)).to(units.parse_units(to_unit))
    except OverflowError:
        raise ToolFailed("The result is too large.") from None
    except (pint.PintError, AttributeError, TypeError, ValueError) as error:
        raise ToolFailed(f"It cannot be converted: {str(error)[:300]}") from None
    if not math.isfinite(found.magnitude):
        raise ToolFailed("The result is too large.")
    return f"{found.magnitude:.12g} {to_unit}"


@cache
def _units() -> Any:
    import pint

    return pint.UnitRegistry()
