"""The settings that a client's page offers, as somebody copies them."""

import html
import re
from typing import Any

from gateway.blueprints.admin.connect import KEY
from tests.blueprints.visitor import Visitor
from tests.running import Running

_TEXT = re.compile(r'<code id="connect-([a-z-]+-[0-9])"[^>]*>(.*?)</code>', re.DOTALL)


def pasted(gateway: Running, made: dict[str, Any]) -> dict[str, str]:
    """By program and part (`codex-1`), with the client's key put in."""
    page = Visitor(gateway).get(f"/admin/clients/{made['client']['id']}").text
    return {
        name: html.unescape(text).replace(KEY, made["api_key"])
        for name, text in _TEXT.findall(page)
    }
