"""Put the browser's libraries into static/vendor, from npm packages of the versions below."""

import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "static" / "vendor"


@dataclass(frozen=True)
class Package:
    """`files`: ending of the name here, and where it is in the package."""

    name: str
    package: str
    version: str
    licence: str
    files: tuple[tuple[str, str], ...]


PACKAGES = (
    Package(
        "bootstrap",
        "bootstrap",
        "5.3.9",
        "LICENSE",
        (
            ("min.css", "dist/css/bootstrap.min.css"),
            ("min.js", "dist/js/bootstrap.bundle.min.js"),
        ),
    ),
    Package(
        "chart",
        "chart.js",
        "4.6.1",
        "LICENSE.md",
        (("min.js", "dist/chart.umd.min.js"),),
    ),
)


def main() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            _vendor(package, Path(folder))


def _vendor(package: Package, folder: Path) -> None:
    wanted = f"{package.package}@{package.version}"
    subprocess.run(["npm", "pack", wanted], cwd=folder, check=True, capture_output=True)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    stem = f"{package.name}-{package.version}"
    shutil.copyfile(folder / "package" / package.licence, VENDOR / f"{stem}.LICENSE")
    for ending, inside in package.files:
        text = (folder / "package" / inside).read_text(encoding="utf-8")
        (VENDOR / f"{stem}.{ending}").write_text(_without_map(text), encoding="utf-8")


def _without_map(text: str) -> str:
    """Its source map is not here, and a browser's tools would ask for it."""
    lines = [line for line in text.splitlines() if "# sourceMappingURL=" not in line]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
