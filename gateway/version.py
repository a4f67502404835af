"""Which version of the gateway this is."""

import tomllib

from gateway.config import ROOT


def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
