"""What is kept of an exchange, so that a later question can go on from it."""

from typing import Any


def stored_items(body: dict[str, Any], response: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of the question, and those of its answer.

    What came before the question is not among them, nor its instructions: they hold for it alone.
    """
    given = body.get("input")
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    asked = [item for item in given or () if item.get("type") != "item_reference"]
    return [*asked, *(response.get("output") or ())]
