"""Where the value of a setting comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from; `admin`: it was set while the gateway runs.

    `variables`: the one that sets it, or those that the file's text names as `${…}`.
    """

    kind: Literal["default", "file", "environment", "admin"]
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Origins:
    """Of all settings of one start, by dotted key; two settings are the same without them."""

    file: Path | None = field(default=None, compare=False)
    by_key: Mapping[str, Origin] = field(default_factory=dict, compare=False)

    def of(self, key: str) -> Origin:
        return self.by_key.get(key, _UNSAID)


_UNSAID = Origin("default")
