"""The probes in their order, and the results there can be."""

from typing import Literal

from gateway.store.connection_tests import Result

Status = Literal["ok", "not_supported", "unclear", "failed", "not_tried"]

PROBES = {
    "models": "List of models",
    "whole": "Whole answer",
    "stream": "Stream",
    "stream_usage": "Usage in the stream",
    "tools": "Tools",
    "parallel_tools": "Parallel tool calls",
    "json_schema": "JSON schema",
    "image": "Image",
}
"""By the name in the API, what people call it."""

STATUSES: dict[Status, str] = {
    "ok": "ok",
    "not_supported": "not supported",
    "unclear": "not shown",
    "failed": "failed",
    "not_tried": "not tried",
}
"""`unclear`: an answer came, but it does not show whether the thing works."""


def not_tried(probe: str, why: str) -> Result:
    return {
        "probe": probe,
        "status": "not_tried",
        "detail": why,
        "ms": None,
        "model": None,
        "request_id": None,
    }
