"""TOOLS: the functions that are built in, each in the file of its subject."""

from collections.abc import Callable
from typing import Any

from gateway.tools import calculator, chance, clock, encoding, query, units, web

TOOLS: tuple[Callable[..., Any], ...] = (
    clock.get_time,
    clock.get_date,
    calculator.calculate,
    web.http_get,
    web.fetch_page_text,
    web.dns_lookup,
    chance.random_number,
    chance.uuid,
    encoding.hash_text,
    encoding.base64,
    query.json_query,
    units.unit_convert,
)
