"""A value that fits a JSON schema, the same each time, with as little in it as is telling."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from math import inf
from typing import Any

import orjson

from gateway.providers.demo.keywords import Rules, member, written
from gateway.providers.demo.schema import NoInstance, Refs, Schema, Steps
from gateway.providers.demo.values import fraction, number, text, whole_number

_LARGEST_SCHEMA = 200_000
_DEEPEST = 60
# What is optional stays away once an instance has cost this share of the steps that were left,
# and from this depth on.
_GENEROUS_SHARE = 0.2
_GENEROUS_DEPTH = 8
# Other values to try where one is refused: by `not`, by `oneOf`, or for being there already.
_TURNS = 8


def example(schema: Any, variation: int, steps: Steps) -> str:
    """An instance of `schema` as JSON text; `variation` gives another. Raises NoInstance."""
    try:
        if len(orjson.dumps(schema)) > _LARGEST_SCHEMA:
            raise NoInstance("it is too large")
        value = _Maker(schema, steps).value(schema, _Place(variation=variation))
        return orjson.dumps(value).decode()
    except (RecursionError, ArithmeticError, orjson.JSONEncodeError) as error:
        raise NoInstance("it goes too far") from error


@dataclass(frozen=True)
class _Place:
    """Where in the instance a value stands, and which references led there."""

    path: tuple[str, ...] = ()
    refs: Refs = frozenset()
    variation: int = 0

    @property
    def name(self) -> str:
        return self.path[-1] if self.path else "value"

    def below(self, name: str) -> "_Place":
        return replace(self, path=(*self.path, name))

    def varied(self, by: int) -> "_Place":
        return replace(self, variation=self.variation + by)


class _Maker:
    def __init__(self, root: Any, steps: Steps) -> None:
        self._schema = Schema(root, steps)
        self._steps = steps
        self._lean_from = steps.left * (1 - _GENEROUS_SHARE)
        self._makers: Mapping[str, Callable[[Rules, _Place], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": lambda rules, at: text(rules, at.name, at.variation),
            "number": lambda rules, at: number(rules, at.variation),
            "integer": lambda rules, at: whole_number(rules, at.variation),
            "fraction": lambda rules, at: fraction(rules, at.variation),
            "boolean": lambda rules, at: at.variation % 2 == 0,
            "null": lambda rules, at: None,
        }

    def value(self, schema: Any, at: _Place) -> Any:
        """The first of the ways to meet `schema` that can be gone to its end. Raises NoInstance."""
        if len(at.path) > _DEEPEST:
            raise NoInstance("it is too deep")
        if at.variation == 0 and isinstance(schema, dict) and schema.get("default") is not None:
            # Tools know what to do with it, more than with any other value.
            if self._schema.fits(schema, schema["default"]):
                return schema["default"]
        for turn in range(_TURNS):
            refused = False
            for rules, refs in self._schema.ways(schema, at.refs):
                for made in self._made(rules, replace(at.varied(turn), refs=refs)):
                    if self._schema.fits(schema, made, deep=False):
                        return made
                    refused = True
            if not refused:
                break
        # Where the steps have run out, that is the reason.
        self._steps.spend(0)
        raise NoInstance(f"nothing can stand at /{'/'.join(at.path)}")

    def _made(self, rules: Rules, at: _Place) -> Iterator[Any]:
        if "enum" in rules:
            fitting = [each for each in rules["enum"] if self._schema.fits(rules, each)]
            if fitting:
                yield fitting[at.variation % len(fitting)]
            return
        for kind in _kinds(rules):
            try:
                yield self._makers[kind](rules, at)
            except NoInstance:
                continue

    def _object(self, rules: Rules, at: _Place) -> dict[str, Any]:
        waiting = set(rules.get("required", ()))
        least, most = rules.get("minProperties", 0), rules.get("maxProperties", inf)
        self._expect(least)
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*rules.get("properties", ()), *rules.get("required", ())]):
            room = (least if self._is_lean(at) else most) - len(made) - len(waiting)
            if name not in waiting and room <= 0:
                continue
            try:
                made[name] = self.value(member(rules, name), at.below(name))
            except NoInstance:
                if name in waiting:
                    raise
            waiting.discard(name)
        extra = (name for number in count(1) if (name := f"extra_{number}") not in made)
        while len(made) < least:
            name = next(extra)
            made[name] = self.value(member(rules, name), at.below(name))
        return made

    def _array(self, rules: Rules, at: _Place) -> list[Any]:
        least, most = rules.get("minItems", 0), rules.get("maxItems", inf)
        self._expect(least)
        telling = max(len(rules.get("prefixItems", ())), "items" in rules)
        wanted = least if self._is_lean(at) else min(max(least, telling), most)
        made: list[Any] = []
        taken: set[bytes] | None = set() if rules.get("uniqueItems") else None
        while len(made) < wanted:
            place = at.below(at.name).varied(len(made))
            try:
                made.append(self._item(member(rules, len(made)), taken, place))
            except NoInstance:
                if len(made) < least:
                    raise
                break
        return made

    def _item(self, schema: Any, taken: set[bytes] | None, at: _Place) -> Any:
        """Another than those that are taken, if any are."""
        if taken is None:
            return self.value(schema, at)
        for turn in range(len(taken) + _TURNS):
            made = self.value(schema, at.varied(turn))
            if (key := written(made)) not in taken:
                taken.add(key)
                return made
        raise NoInstance("its items cannot be unique")

    def _expect(self, members: int) -> None:
        if members > self._steps.left:
            raise NoInstance("it wants too many members")

    def _is_lean(self, at: _Place) -> bool:
        return self._steps.left < self._lean_from or len(at.path) > _GENEROUS_DEPTH


# What a schema without a type is about.
_ABOUT: Mapping[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


def _kinds(rules: Rules) -> list[str]:
    about = [kind for kind, keywords in _ABOUT.items() if keywords & rules.keys()]
    kinds = sorted(rules.get("type", about or ["string"]), key="null".__eq__)
    return [*kinds, "fraction"] if "number" in kinds else kinds
