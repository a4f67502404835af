"""The OpenAPI document: one operation for each method of each route, pages left out."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from gateway.blueprints.docs.operations import AREAS, JSON, OPERATIONS, Area, Operation, area_of
from gateway.blueprints.docs.shapes import TEXT, ref, shapes
from gateway.version import version

ALIAS = "x-alias-of"
"""Of paths that lead to the same, the one to use: the first below /v1/, else the shortest."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ARGUMENT = re.compile(r"<(?:(\w+):)?(\w+)>")
_ID = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_KEY = "a client's key"
SECURITY: Mapping[str, dict[str, Any]] = {
    "clientKey": {"type": "http", "scheme": "bearer", "description": _KEY},
    "clientKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": f"{_KEY}; also accepted as api-key",
    },
    "googleKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-goog-api-key",
        "description": _KEY,
    },
    "googleKeyInQuery": {"type": "apiKey", "in": "query", "name": "key", "description": _KEY},
    "adminToken": {"type": "http", "scheme": "bearer", "description": "GATEWAY_ADMIN_TOKEN"},
    "adminSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": "gateway_session",
        "description": "of who has signed in at /admin; a viewer only reads",
    },
    "metricsPassword": {"type": "http", "scheme": "basic"},
}
_HEADERS = {
    "x-request-id": "the call's own id, for its receipt and the log",
    "x-gateway-provider": "who answered",
    "x-gateway-model": "which model did",
    "x-gateway-attempts": "how often a provider was asked",
}


def document(app: Flask) -> dict[str, Any]:
    """OpenAPI 3.1 of this app, as it is configured now."""
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "AI Gateway",
            "version": version(),
            "description": "One address between applications and LLM providers. Clients call the "
            "doors of OpenAI, Anthropic and Gemini with a key of this gateway; administrators use "
            "the API below /admin/api.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": one.name, "description": one.about} for one in _tags(app)],
        "paths": _paths(app),
        "components": {"schemas": shapes(), "securitySchemes": dict(SECURITY)},
    }


def is_documented(rule: Rule) -> bool:
    """Pages are for people, and so are the files that they bring along."""
    return area_of(rule.endpoint) is not None


def _paths(app: Flask) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    alike: dict[tuple[str, str, Operation], list[str]] = {}
    for rule, area in _routes(app):
        for method in _METHODS:
            if method in (rule.methods or ()):
                for path, operation in _operations(app, rule):
                    told = _told(rule, area, method, path, operation)
                    paths.setdefault(path, {})[method.lower()] = told
                    alike.setdefault((rule.endpoint, method.lower(), operation), []).append(path)
    for (_, method, _), same in alike.items():
        first, *others = sorted(same, key=lambda path: (not path.startswith("/v1/"), len(path)))
        for path in others:
            paths[path][method][ALIAS] = first
    return paths


def _routes(app: Flask) -> Iterator[tuple[Rule, Area]]:
    for rule in app.url_map.iter_rules():
        area = area_of(rule.endpoint)
        if area is not None:
            yield rule, area


def _tags(app: Flask) -> Iterable[Area]:
    used = {area.name for _, area in _routes(app)}
    return [area for area in AREAS if area.name in used]


def _operations(app: Flask, rule: Rule) -> Iterator[tuple[str, Operation]]:
    for operation in OPERATIONS.get(rule.endpoint) or (_undescribed(app, rule.endpoint),):
        path = _ARGUMENT.sub(r"{\2}", rule.rule)
        if operation.ending:
            path = path.rpartition("/")[0] + "/" + operation.ending
        yield path, operation


def _undescribed(app: Flask, endpoint: str) -> Operation:
    """What its docstring says, where the table has nothing to say."""
    told = inspect.getdoc(app.view_functions[endpoint]) or ""
    summary, rest = (" ".join(part.split()) for part in told.partition("\n\n")[::2])
    name = endpoint.rpartition(".")[2].replace("_", " ").capitalize()
    return Operation(summary.removesuffix(".") or name, rest, answers={"2XX": {JSON: {}}})


def _told(rule: Rule, area: Area, method: str, path: str, operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "tags": [area.name],
        "summary": operation.summary,
    }
    if operation.description:
        told["description"] = operation.description
    parameters = [*_in_path(rule, path, operation), *_in_query(operation)]
    if parameters:
        told["parameters"] = parameters
    if operation.body:
        content: dict[str, Any] = {"schema": ref(operation.body.shape)}
        if operation.body.example is not None:
            content["example"] = operation.body.example
        told["requestBody"] = {"required": operation.body.required, "content": {JSON: content}}
    told["responses"] = _answers(area, method, operation, bool(rule.arguments))
    told["security"] = [{name: []} for name in area.security]
    return told


def _in_path(rule: Rule, path: str, operation: Operation) -> Iterator[dict[str, Any]]:
    whole = {name for kind, name in _ARGUMENT.findall(rule.rule) if kind == "int"}
    for name in re.findall(r"{(\w+)}", path):
        told: dict[str, Any] = {"name": name, "in": "path", "required": True}
        told["schema"] = _ID if name in whole else {**TEXT, "minLength": 1}
        told["example"] = 1 if name in whole else operation.sample.get(name, name)
        yield told


def _in_query(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, schema in operation.query.items():
        plain = {key: value for key, value in schema.items() if key != "description"}
        told = {"name": name, "in": "query", "schema": plain}
        if "description" in schema:
            told["description"] = schema["description"]
        yield told


def _answers(area: Area, method: str, operation: Operation, has_arguments: bool) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for status, kinds in operation.answers.items():
        told[str(status)] = {"description": _phrase(status)}
        if kinds:
            content = {kind: {"schema": shape} for kind, shape in kinds.items()}
            told[str(status)]["content"] = content
        if 429 in area.failures and operation.body and not area.is_for_admins:
            told[str(status)]["headers"] = {
                name: {"description": about, "schema": TEXT} for name, about in _HEADERS.items()
            }
    for status in _failures(area, method, operation, has_arguments):
        kind = {"schema": ref(area.failure)}
        kinds = {"text/plain": {"schema": TEXT}} if area.name == "Metrics" else {}
        told[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {JSON: kind, **kinds},
        }
    return told


def _phrase(status: int | str) -> str:
    return HTTPStatus(status).phrase if isinstance(status, int) else "It is done"


def _failures(area: Area, method: str, operation: Operation, has_arguments: bool) -> list[int]:
    failures = {*area.failures, *operation.failures}
    if area.is_for_admins:
        failures |= {404} if has_arguments else set()
        failures |= {400, 413} if method in ("POST", "PUT", "PATCH") else set()
    return sorted(failures)
