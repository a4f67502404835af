"""A tool that picks something out of JSON, bounded in what it may build up."""

from typing import Any

import orjson

from gateway.tools.function import ToolFailed
from gateway.tools.threads import apart

_LONGEST = 2000
_MOST_PARTS = 300_000


def json_query(json: str, expression: str) -> str:
    """What a JMESPath expression finds in a JSON document, as JSON.

    json: the document, as text
    expression: in JMESPath, such as people[?age > `30`].name | sort(@)
    """
    if len(expression) > _LONGEST:
        raise ToolFailed(f"The expression is longer than {_LONGEST} characters.")
    try:
        document = orjson.loads(json)
    except orjson.JSONDecodeError as error:
        raise ToolFailed(f"The document is not JSON: {error}.") from None
    return apart(_found, document, expression)


def _found(document: Any, expression: str) -> str:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        parsed = jmespath.compile(expression).parsed
        found = _bounded()(document).visit(parsed, document)
        return orjson.dumps(found).decode()
    except (JMESPathError, TypeError, ValueError, RecursionError) as error:
        raise ToolFailed(f"The expression does not work: {str(error)[:500]}") from None


def _bounded() -> Any:
    """jmespath's interpreter with an end to it: `[@,@]|[@,@]|…` would double the result each time,
    without taking memory until it is written.
    """
    from jmespath.visitor import TreeInterpreter

    class Bounded(TreeInterpreter):  # type: ignore[misc]
        def __init__(self, document: Any) -> None:
            super().__init__()
            self._steps = _MOST_PARTS
            self._sizes: dict[int, tuple[Any, int]] = {}
            self._check(self._size(document))

        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            self._steps -= 1
            self._check(-self._steps + _MOST_PARTS)
            value = super().visit(node, *args, **kwargs)
            self._check(self._size(value))
            return value

        def _check(self, size: int) -> None:
            if size > _MOST_PARTS:
                raise ValueError("it takes too much to find this")

        def _size(self, value: Any) -> int:
            """How many values it holds, those that it holds twice counted twice."""
            if isinstance(value, str):
                return 1 + len(value) // 64
            if not isinstance(value, list | dict):
                return 1
            known = self._sizes.get(id(value))
            if known is None:
                inner = value.values() if isinstance(value, dict) else value
                # With the value itself, so that nothing else gets its id.
                known = self._sizes[id(value)] = value, 1 + sum(map(self._size, inner))
            return known[1]

    return Bounded
