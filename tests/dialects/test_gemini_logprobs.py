"""Log probabilities between Gemini's columns and OpenAI's rows."""

from typing import Any

import orjson
import pytest
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion

from gateway.dialects import gemini, openai_chat

ROW = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
OTHER = {"token": "e", "logprob": -1.5, "bytes": [101]}
ROWS = [{**ROW, "top_logprobs": [ROW, OTHER]}, {**OTHER, "top_logprobs": []}]
CHOSEN = [{"token": "é", "logProbability": -0.5}, {"token": "e", "logProbability": -1.5}]
RESULT: dict[str, Any] = {
    "chosenCandidates": CHOSEN,
    "topCandidates": [{"candidates": CHOSEN}, {"candidates": []}],
}


def answer(result: Any, **members: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": "ée"}]}
    candidate = {"content": content, "index": 0, "logprobsResult": result, **members}
    return {"candidates": [candidate]}


def logprobs_of(events: Any) -> Any:
    said = openai_chat.write_answer(events, "m")
    ChatCompletion.model_validate(said, strict=True)
    return said["choices"][0]["logprobs"]


def test_geminis_reach_openais_clients() -> None:
    events = gemini.read_answer(answer(RESULT, finishReason="STOP"))
    assert logprobs_of(events) == {"content": ROWS, "refusal": None}


def test_geminis_pieces_are_added_up() -> None:
    reader = gemini.StreamReader()
    first = {"chosenCandidates": CHOSEN[:1], "topCandidates": RESULT["topCandidates"][:1]}
    events = reader.feed(orjson.dumps(answer(first)))
    second = {"chosenCandidates": CHOSEN[1:]}
    events += reader.feed(orjson.dumps(answer(second, finishReason="STOP")))
    assert logprobs_of([*events, *reader.finish()]) == {"content": ROWS, "refusal": None}


def test_openais_reach_geminis_clients() -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "ée"},
        "logprobs": {"content": ROWS, "refusal": None},
        "finish_reason": "stop",
    }
    said = gemini.write_answer(openai_chat.read_answer({"choices": [choice]}), "m")
    GenerateContentResponse.model_validate(said)
    assert said["candidates"][0]["logprobsResult"] == RESULT


def test_geminis_own_come_as_they_came() -> None:
    result = {**RESULT, "logProbabilitySum": -2.0}
    events = gemini.read_answer(answer(result, finishReason="STOP"))
    assert gemini.write_answer(events, "m")["candidates"][0]["logprobsResult"] == result


@pytest.mark.parametrize(
    "odd",
    [None, 5, [], {}, {"chosenCandidates": 5}, {"chosenCandidates": [{"token": 5}, None, {}]}],
)
def test_what_is_odd_is_left_out(odd: Any) -> None:
    assert logprobs_of(gemini.read_answer(answer(odd, finishReason="STOP"))) is None
