"""Tables as CSV, sent while they are read."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from flask import Response

from gateway.store.stats import stamp

_LINES_AT_ONCE = 200
# Spreadsheets would run them: a model's name is whatever a caller likes.
_FORMULA = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20", "\0")  # the second four as wide as ideographs


def csv_answer(name: str, head: Sequence[str], lines: Iterable[Sequence[Any]]) -> Response:
    return Response(
        _portions(head, lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _portions(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    for number, line in enumerate(lines, 1):
        writer.writerow([_cell(value) for value in line])
        if number % _LINES_AT_ONCE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if _is_formula(value) else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else value


def _is_formula(text: str) -> bool:
    blank = text[:1] in ("\t", "\r", "\n")
    return blank or text.lstrip().startswith(_FORMULA)
