"""An OpenAPI document as the page shows it: chapters of calls, and the shapes that they name."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.blueprints.docs.document import ALIAS

_BEARER = {"clientKey": "GATEWAY_KEY", "adminToken": "GATEWAY_ADMIN_TOKEN"}
_IN_HEADER = {"clientKeyHeader": "x-api-key", "googleKey": "x-goog-api-key"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is; `shape` names one that has a section of its own."""

    words: str
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a member of an object; `members` are those of an object within."""

    name: str
    kinds: Sequence[Kind]
    is_required: bool
    about: str
    default: str | None
    members: Sequence["Member"] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    meaning: str
    kinds: Sequence[Kind]


@dataclass(frozen=True, slots=True)
class Call:
    anchor: str
    method: str
    path: str
    summary: str
    description: str
    aliases: Sequence[str]
    security: Sequence[str]
    parameters: Sequence[Member]
    body: Kind | None
    answers: Sequence[Answer]
    failures: Sequence[Answer]
    example: str


@dataclass(frozen=True, slots=True)
class Chapter:
    name: str
    about: str
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    about: str
    members: Sequence[Member]


def chapters(document: Mapping[str, Any], origin: str) -> list[Chapter]:
    """The calls by tag; a path that stands for another one is named beside it."""
    calls: dict[str, list[Call]] = {tag["name"]: [] for tag in document["tags"]}
    aliases = _aliases(document)
    for path, method, told in _operations(document):
        if ALIAS not in told:
            alike = aliases.get((path, method), [])
            calls[told["tags"][0]].append(_call(origin, path, method, told, alike))
    return [
        Chapter(one["name"], one["description"], calls[one["name"]]) for one in document["tags"]
    ]


def shapes(document: Mapping[str, Any]) -> list[Shape]:
    return [
        Shape(name, schema.get("description", ""), list(_members(schema)))
        for name, schema in document["components"]["schemas"].items()
    ]


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            yield path, method, told


def _aliases(document: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path, method, told in _operations(document):
        if ALIAS in told:
            found.setdefault((told[ALIAS], method), []).append(path)
    return found


def _call(origin: str, path: str, method: str, told: Mapping[str, Any], aliases: list[str]) -> Call:
    answers = [_answer(status, one) for status, one in told["responses"].items()]
    body = told.get("requestBody", {}).get("content", {}).values()
    return Call(
        anchor=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told["summary"],
        description=told.get("description", ""),
        aliases=aliases,
        security=[name for one in told["security"] for name in one],
        parameters=[_parameter(one) for one in told.get("parameters", ())],
        body=next((kind for one in body for kind in _kinds(one["schema"])), None),
        answers=[one for one in answers if one.status < "400"],
        failures=[one for one in answers if one.status >= "400"],
        example=_curl(origin, path, method, told),
    )


def _answer(status: str, told: Mapping[str, Any]) -> Answer:
    kinds = []
    for media, one in told.get("content", {}).items():
        named = [kind for kind in _kinds(one["schema"]) if kind.shape]
        kinds += named or [Kind(media)]
    return Answer(status, told["description"], kinds)


def _parameter(told: Mapping[str, Any]) -> Member:
    schema = told["schema"]
    return Member(
        told["name"],
        list(_kinds(schema)),
        told.get("required", False),
        told.get("description", ""),
        _default(schema),
    )


def _members(schema: Mapping[str, Any]) -> Iterator[Member]:
    for part in schema.get("allOf", ()):
        if "$ref" in part:
            yield Member("…", list(_kinds(part)), True, "all that is there", None)
        yield from _members(part)
    for name, one in schema.get("properties", {}).items():
        yield Member(
            name,
            list(_kinds(one)),
            name in schema.get("required", ()),
            one.get("description", ""),
            _default(one),
            list(_members(_inner(one))),
        )


def _inner(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object in lists and alternatives, if it has no section of its own."""
    for part in schema.get("anyOf", ()):
        if part.get("type") in ("object", "array"):
            return _inner(part)
    of_list = schema.get("items")
    of_values = schema.get("additionalProperties")
    inner = of_list or (of_values if isinstance(of_values, dict) else None)
    return _inner(inner) if inner else schema


def _kinds(schema: Mapping[str, Any], plural: bool = False) -> Iterator[Kind]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield Kind(name, name)
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from _kinds(part, plural)
    elif "allOf" in schema:
        for part in schema["allOf"]:
            if "$ref" in part:
                yield from _kinds(part, plural)
    elif schema.get("type") == "array":
        inner = list(_kinds(schema.get("items", {}), plural=True))
        yield Kind("list of " + " or ".join(one.words for one in inner), _first_shape(inner))
    else:
        yield Kind(_words(schema))


def _first_shape(kinds: Sequence[Kind]) -> str | None:
    return next((one.shape for one in kinds if one.shape), None)


def _words(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    kind = schema.get("format") or schema.get("type", "any")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{kind}, {low:,} to {high:,}"
    if low is not None:
        return f"{kind}, from {low:,}"
    longest = schema.get("maxLength")
    return f"{kind}, at most {longest:,} characters" if longest else str(kind)


def _default(schema: Mapping[str, Any]) -> str | None:
    default = schema.get("default")
    return None if default in (None, "", [], {}) else json.dumps(default)


def _curl(origin: str, path: str, method: str, told: Mapping[str, Any]) -> str:
    """A command that works when pasted, where its keys are set in the shell."""
    for one in told.get("parameters", ()):
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(str(one["example"]), safe=""))
    lines = [f"curl {shlex.quote(origin + path)}"]
    if method != "get":
        lines[0] += f" -X {method.upper()}"
    lines += _credentials([name for one in told["security"] for name in one])
    content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        body = json.dumps(content["example"], ensure_ascii=False)
        lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _credentials(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name in _BEARER:
            yield f'-H "Authorization: Bearer ${_BEARER[name]}"'
            return
        if name in _IN_HEADER:
            yield f'-H "{_IN_HEADER[name]}: $GATEWAY_KEY"'
            return
        if name == "metricsPassword":
            yield '-u "$METRICS_USER:$METRICS_PASSWORD"'
            return
