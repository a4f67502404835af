"""Every import goes downwards; only some rooms may know Flask, HTTP clients or SQLAlchemy."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    [room.strip() for room in line.split(",")]
    for line in re.findall(r"^    (\S.*)$", gateway.__doc__ or "", re.MULTILINE)
]
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}
NEIGHBOURS = {
    ("context", "providers"),
    ("context", "prices"),
    ("context", "breaker"),
    ("catalogue", "routing"),
}
FILES = [ROOT / "app.py", ROOT / "wsgi.py", *sorted((ROOT / "gateway").rglob("*.py"))]
ALLOWED = {
    "flask": ("app", "blueprints", "commands", "extensions", "context"),
    "flask_limiter": ("app", "blueprints", "extensions"),
    "flask_sqlalchemy": ("extensions",),
    "flask_wtf": ("blueprints", "extensions"),
    "requests": ("upstream",),
    "geventhttpclient": ("upstream",),
    "urllib3": ("upstream",),
    # `context` holds the engine, and only hands it on.
    "sqlalchemy": ("store", "extensions", "context"),
}


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "gateway" and len(parts) > 1 else parts[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else node.module or "" for name in whole)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_imports_downwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in HEIGHT, f"{room} stands on no floor: name it in gateway/__init__.py"
    for name in imports(path):
        if not name.startswith("gateway."):
            continue
        other = name.split(".")[1]
        if other == room or (room, other) in NEIGHBOURS:
            continue
        below = HEIGHT[other] < HEIGHT[room]
        ground = other == "errors" or (HEIGHT[room] == HEIGHT[other] == min(HEIGHT.values()))
        assert below or ground, f"{room} may not import {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_knows_only_the_packages_of_its_room(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        package = name.partition(".")[0]
        if package in ALLOWED:
            assert room in ALLOWED[package], f"{room} may not import {package}"


def test_there_are_no_circles() -> None:
    modules = {module_name(path): path for path in FILES}
    known = {
        name: {other for other in imports(path) if other in modules and other != name}
        for name, path in modules.items()
    }
    seen: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' → '.join((*way, name))}"
        if name not in seen:
            for other in known[name]:
                visit(other, (*way, name))
            seen.add(name)

    for name in modules:
        visit(name, ())


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")
