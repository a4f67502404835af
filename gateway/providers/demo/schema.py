"""What a JSON schema says: the ways in which it can be met, and whether a value fits.

Patterns and formats are not judged here: a pattern is a caller's own regular expression, which
could keep the worker busy for ever.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from gateway.providers.demo.keywords import Rules, meets, member, merged, read

Refs = frozenset[str]

_MOST_STEPS = 50_000


class NoInstance(Exception):
    """Nothing fits, or nothing was found within reach."""


class Steps:
    """How much work one request may make: alternatives multiply."""

    def __init__(self) -> None:
        self.left = _MOST_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise NoInstance("it has too many parts or alternatives")


class Schema:
    """A schema, with all that its references point into."""

    def __init__(self, root: Any, steps: Steps) -> None:
        self._root = root
        self._steps = steps

    def ways(self, schema: Any, refs: Refs) -> Iterator[tuple[Rules, Refs]]:
        """Each way to meet `schema` as plain rules, and the references that led there.

        `refs` led to this place already: to follow one of them again would never end.
        """
        if schema is False:
            return
        rules = self._read(schema)
        options: list[list[Any]] = [[part] for part in rules.pop("allOf", [])]
        options += [rules.pop(keyword) for keyword in ("anyOf", "oneOf") if keyword in rules]
        if "$ref" in rules:
            ref = rules.pop("$ref")
            if ref in refs:
                return
            refs |= {ref}
            options.insert(0, [self._target(ref)])
        yield from self._joined(rules, options, refs, refs)

    def fits(self, schema: Any, value: Any, *, deep: bool = True) -> bool:
        """Whether `value` is an instance; unless `deep`, its own members are taken on trust."""
        if not isinstance(schema, dict):
            return schema is not False
        rules = self._read(schema)
        return (
            all(meets(keyword, limit, value) for keyword, limit in rules.items())
            and self._combinations_fit(rules, value, deep)
            and (not deep or self._members_fit(rules, value))
        )

    def _joined(
        self, rules: Rules, options: Sequence[list[Any]], refs: Refs, met: Refs
    ) -> Iterator[tuple[Rules, Refs]]:
        """`rules` with one of each of the options, as far as they do not contradict each other."""
        if not options:
            yield rules, met
            return
        for option in options[0]:
            for more, followed in self.ways(option, refs):
                both = merged(rules, more)
                if both.get("type") != []:
                    yield from self._joined(both, options[1:], refs, met | followed)

    def _combinations_fit(self, rules: Rules, value: Any, deep: bool) -> bool:
        wanted = [*rules.get("allOf", ())]
        if "$ref" in rules:
            wanted.append(self._target(rules["$ref"]))
        return (
            all(self.fits(part, value, deep=deep) for part in wanted)
            and any(self.fits(part, value, deep=deep) for part in rules.get("anyOf", (True,)))
            and sum(self.fits(part, value) for part in rules.get("oneOf", (True,))) == 1
            and not self.fits(rules.get("not", False), value)
        )

    def _members_fit(self, rules: Rules, value: Any) -> bool:
        if isinstance(value, dict):
            return all(self.fits(member(rules, name), part) for name, part in value.items())
        if isinstance(value, list):
            return all(self.fits(member(rules, index), part) for index, part in enumerate(value))
        return True

    def _read(self, schema: Any) -> Rules:
        rules = read(schema)
        sized = (limit for limit in rules.values() if isinstance(limit, list | dict))
        self._steps.spend(1 + sum(map(len, sized)))
        return rules

    def _target(self, ref: str) -> Any:
        """What a JSON pointer into this very schema points at; where it leads nowhere, False."""
        pointer = unquote(ref)
        if pointer != "#" and not pointer.startswith("#/"):
            return False
        found = self._root
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return False
        return found
