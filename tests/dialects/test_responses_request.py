"""What the Responses door takes: the shape of a body alone, since a relayed one goes up unread."""

import json
from typing import Any

import pytest

from gateway.dialects.responses import read_request
from gateway.errors import BadRequest
from tests.dialects.responses_sdk import RECORDINGS


def test_every_recorded_question_is_taken() -> None:
    for recording in RECORDINGS:
        raw = json.dumps(recording.request).encode()
        request = read_request(raw)
        assert request.raw == raw and request.body == recording.request
        assert request.model == recording.request["model"]
        assert request.stream is bool(recording.request.get("stream"))
        assert (request.dialect, request.include_usage) == ("responses", True)


@pytest.mark.parametrize("name", ["previous_response_id", "conversation"])
def test_the_input_may_be_elsewhere(name: str) -> None:
    assert read_request(json.dumps({name: "x_1"}).encode()).model is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["Hi"]}, "input"),
        ({"input": [{"role": 5}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": "Hi", "model": 5}, "model"),
        ({"input": "Hi", "stream": "yes"}, "stream"),
        ({"input": "Hi", "tools": {}}, "tools"),
        ({"input": "Hi", "instructions": []}, "instructions"),
        ({"input": "Hi", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "Hi", "reasoning": "low"}, "reasoning"),
        ({"input": "Hi", "text": "json"}, "text"),
        ({"input": "Hi", "temperature": "hot"}, "temperature"),
        ({"input": "Hi", "store": "no"}, "store"),
        ({"input": "Hi", "previous_response_id": 5}, "previous_response_id"),
    ],
)
def test_the_field_at_fault_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(json.dumps(body).encode())
    assert caught.value.param == param


def test_what_is_no_json_object_is_refused() -> None:
    for raw in (b"{", b"[]", b"\xff"):
        with pytest.raises(BadRequest) as caught:
            read_request(raw)
        assert caught.value.code == "invalid_json"
