"""Environments of their own for what others built: made at first need, kept while the list is
unchanged.

Node's is optional: without npm these tests are skipped, unless REQUIRE_NODE=1 says that they may
not be.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.running import ROOT

NODE = ROOT / ".node"
PYTHON = ROOT / ".venv-sdk"
_PATIENCE = 600.0
# What the agents' packages want to run after they were installed.
SCRIPTS = ("@anthropic-ai/claude-code/install.cjs", "opencode-ai/postinstall.mjs")


def python_environment(requirements: Path) -> Path:
    """The interpreter of an environment that holds what a file of requirements pins."""
    folder = PYTHON / requirements.stem
    python = folder / "bin" / "python"

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
        _run([*pip, "install", "--quiet", "--no-deps", "--no-compile", "-r", str(requirements)])

    _once(folder, requirements, make)
    return python


def node_environment(package: Path, scripts: Sequence[str] = ()) -> Path:
    """The folder `node_modules` with what a package.json names.

    `scripts`: those that the packages want to run after they were installed; npm's newer majors
    run none unasked, the older run all.
    """
    _require_npm()
    folder = NODE / package.parent.name

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(package, folder / "package.json")
        npm = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(npm, folder)
        for script in scripts:
            where = folder / "node_modules" / script
            _run(["node", where.name], where.parent)

    _once(folder, package, make)
    return folder / "node_modules"


def _require_npm() -> None:
    if shutil.which("npm") and shutil.which("node"):
        return
    if os.environ.get("REQUIRE_NODE") == "1":
        pytest.fail("REQUIRE_NODE=1, and there is no npm here")
    pytest.skip("there is no npm here (REQUIRE_NODE=1 makes that a failure)")


def _once(folder: Path, source: Path, make: Callable[[], None]) -> None:
    """Two runs of the tests may want it at the same time."""
    folder.parent.mkdir(exist_ok=True)
    stamp = folder / ".made-from"
    with open(folder.parent / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_bytes() != source.read_bytes():
            make()
            shutil.copy(source, stamp)


def _run(command: list[str], folder: Path = ROOT) -> None:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"


def make_all() -> None:
    """Each of them, all at the same time."""
    tests = Path(__file__).parent
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(python_environment, found) for found in tests.glob("sdks/*.txt")]
        if shutil.which("npm"):
            made.append(pool.submit(node_environment, tests / "sdks" / "package.json"))
            made.append(pool.submit(node_environment, tests / "agents" / "package.json", SCRIPTS))
            made.append(pool.submit(node_environment, tests / "oidc" / "package.json"))
    for each in made:
        each.result()


if __name__ == "__main__":
    make_all()
