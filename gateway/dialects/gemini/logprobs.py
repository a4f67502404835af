"""The log probabilities of an answer's tokens: Gemini's columns, and OpenAI's rows."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from gateway.dialects.openai_chat import native as chat_native

JsonObject = dict[str, Any]


def rows_of(result: Any) -> list[JsonObject]:
    """OpenAI's entries, of one `logprobsResult`; what is not as it should be is left out."""
    columns = result if isinstance(result, dict) else {}
    chosen = _objects(columns.get("chosenCandidates"))
    tops = _objects(columns.get("topCandidates"))[: len(chosen)]
    nothing: JsonObject = {}
    rows = []
    for token, top in zip_longest(chosen, tops, fillvalue=nothing):
        row = _row(token)
        if row is not None:
            others = map(_row, _objects(top.get("candidates")))
            rows.append({**row, "top_logprobs": [other for other in others if other]})
    return rows


def kept(rows: list[JsonObject]) -> JsonObject:
    """As the canonical words keep it: these are OpenAI's."""
    return chat_native.kept({"logprobs": {"content": rows}}) or {} if rows else {}


def result_of(native: JsonObject | None) -> JsonObject | None:
    """`logprobsResult`, of what a vendor of OpenAI's dialect said."""
    told = chat_native.own(native).get("logprobs")
    rows = _objects(told.get("content")) if isinstance(told, dict) else []
    if not rows:
        return None
    tops = [{"candidates": _candidates(_objects(row.get("top_logprobs")))} for row in rows]
    columns: JsonObject = {"chosenCandidates": _candidates(rows)}
    return columns | ({"topCandidates": tops} if any(top["candidates"] for top in tops) else {})


def _candidates(rows: Iterable[JsonObject]) -> list[JsonObject]:
    return [{"token": row["token"], "logProbability": row["logprob"]} for row in rows]


def _row(candidate: JsonObject) -> JsonObject | None:
    token, logprob = candidate.get("token"), candidate.get("logProbability")
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    data = list(token.encode(errors="replace"))
    return {"token": token, "logprob": float(logprob), "bytes": data}


def _objects(value: Any) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
