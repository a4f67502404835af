"""A JSON object of a request, read by name: in camelCase or snake_case, and with its path."""

from typing import Any

from gateway.errors import BadRequest


class Fields:
    """Members are asked for in camelCase; null is as good as absent.

    Raises BadRequest that names the path of what has the wrong type.
    """

    __slots__ = ("path", "_asked", "_members")

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong(path or "body", "an object")
        self.path = path
        self._members = {_camel(name): item for name, item in value.items() if item is not None}
        self._asked: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def value(self, name: str) -> Any:
        self._asked.add(name)
        return self._members.get(name)

    def text(self, name: str) -> str | None:
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise wrong(self.at(name), "a string")
        return value

    def word(self, name: str) -> str:
        """A text that must be there."""
        value = self.text(name)
        if not value:
            raise wrong(self.at(name), "a string that is not empty")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise wrong(self.at(name), "true or false")
        return value

    def number(self, name: str) -> float | None:
        value = self.value(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise wrong(self.at(name), "a number")

    def whole(self, name: str) -> int | None:
        """An integer; 40.0 is one, too: the SDK sends `topK` so."""
        value = self.number(name)
        if value is not None and value % 1 != 0:
            raise wrong(self.at(name), "an integer")
        return None if value is None else int(value)

    def object(self, name: str) -> dict[str, Any] | None:
        """An object whose own members are none of the dialect's (a schema, arguments)."""
        value = self.value(name)
        if value is not None and not isinstance(value, dict):
            raise wrong(self.at(name), "an object")
        return value

    def fields(self, name: str) -> "Fields | None":
        value = self.value(name)
        return None if value is None else Fields(value, self.at(name))

    def each(self, name: str) -> "list[Fields]":
        """The objects of an array; a single object counts as an array of one."""
        value = self.value(name)
        if value is None:
            return []
        if isinstance(value, dict):
            return [Fields(value, self.at(name))]
        if not isinstance(value, list):
            raise wrong(self.at(name), "an array of objects")
        return [Fields(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value)]

    def texts(self, name: str) -> list[str]:
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong(self.at(name), "an array of strings")
        return value

    def leave(self, name: str) -> None:
        """Counts a member as not asked for, after all."""
        self._asked.discard(name)

    def rest(self) -> dict[str, Any]:
        """The members that nobody has asked for."""
        return {name: item for name, item in self._members.items() if name not in self._asked}


def wrong(path: str, wanted: str) -> BadRequest:
    return BadRequest(f"`{path}` must be {wanted}", param=path)


def _camel(name: str) -> str:
    if "_" not in name or name.startswith("_"):
        return name
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)
