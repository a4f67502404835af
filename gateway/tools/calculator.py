"""A tool that calculates: an expression of numbers, bounded in length and in size."""

import math
import operator
from collections.abc import Callable
from typing import Any

from gateway.tools.function import ToolFailed

_LONGEST = 1000
_MOST_BITS = 10_000
_NOT_NUMBERS = "only numbers are calculated with"


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, exact for whole numbers.

    Operators: + - * / // % ** ( ) < <= > >= == != and or not, `a if b else c`.
    Constants: pi, e, tau. Functions: abs, round, floor, ceil, trunc, sqrt, cbrt, exp, log (natural,
    or with a base: log(x, base)), log2, log10, sin, cos, tan, asin, acos, atan, atan2, sinh, cosh,
    tanh, degrees, radians, hypot, gcd, lcm, factorial, comb, perm, min, max, sum.

    expression: such as (3 + 4) * sqrt(2) / 5 ** 2
    """
    if len(expression) > _LONGEST:
        raise ToolFailed(f"The expression is longer than {_LONGEST} characters.")
    try:
        value = _evaluator().eval(expression.strip())
        return _written(value)
    except ZeroDivisionError:
        raise ToolFailed("It divides by zero.") from None
    except RecursionError:
        raise ToolFailed("The expression is nested too deeply.") from None
    except OverflowError as error:
        raise ToolFailed(f"A number in it is too large: {error}.") from None
    except Exception as error:
        raise ToolFailed(f"It cannot be calculated: {error}") from None


def _evaluator() -> Any:
    import ast

    from simpleeval import DEFAULT_OPERATORS, SimpleEval

    operators = {
        node: _OPERATORS.get(node.__name__) or _of_numbers(function)
        for node, function in DEFAULT_OPERATORS.items()
        if node.__name__ not in ("In", "NotIn", "Is", "IsNot")
    }
    evaluator = SimpleEval(operators=operators, functions=_FUNCTIONS, names=dict(_CONSTANTS))
    for node in (ast.Attribute, ast.Subscript, ast.JoinedStr, ast.FormattedValue, ast.Assign):
        evaluator.nodes.pop(node, None)
    return evaluator


def _number(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise ValueError(_NOT_NUMBERS)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise OverflowError("its whole numbers may have 3000 digits")
    return value


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*values: Any) -> Any:
        return _number(function(*map(_number, values)))

    return checked


def _power(base: Any, exponent: Any) -> Any:
    base, exponent = _number(base), _number(exponent)
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) > 1 and math.log2(abs(base)) * abs(exponent) > _MOST_BITS:
        raise OverflowError("its whole numbers may have 3000 digits")
    return _number(base**exponent)


def _shifted(value: Any, by: Any) -> Any:
    if _number(by) > _MOST_BITS:
        raise OverflowError("its whole numbers may have 3000 digits")
    return _number(_number(value) << by)


def _rounded(value: Any, digits: int = 0) -> Any:
    if abs(digits) > 100:
        raise OverflowError("a number is rounded to 100 places at most")
    return round(value, digits) if digits else round(value)


def _up_to_1000(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*values: Any) -> Any:
        if any(value > 1000 for value in values):
            raise OverflowError("this function takes numbers up to 1000")
        return function(*values)

    return checked


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Pow": _power,
    "LShift": _shifted,
    "Mult": _of_numbers(operator.mul),
    "Add": _of_numbers(operator.add),
    "Mod": _of_numbers(operator.mod),
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau, "True": True, "False": False}
_NAMED: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(math, name)
        for name in (
            *("floor", "ceil", "trunc", "sqrt", "cbrt", "exp", "log", "log2", "log10"),
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"),
            *("degrees", "radians", "hypot", "gcd", "lcm"),
        )
    },
    "factorial": _up_to_1000(math.factorial),
    "comb": _up_to_1000(math.comb),
    "perm": _up_to_1000(math.perm),
    "pow": _power,
    "abs": abs,
    "round": _rounded,
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "sum": lambda *values: sum(values),
}
_FUNCTIONS = {name: _of_numbers(function) for name, function in _NAMED.items()}


def _written(value: Any) -> str:
    """Fifteen digits of a fraction are those that a double is sure of: 0.1 + 0.2 is 0.3."""
    value = _number(value)
    return format(value, ".15g") if isinstance(value, float) else str(value)
