"""An operator's own tools, as docs/tools.md shows them."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.tools import Fetcher, ToolFailed, apart, tool

STOCK = {"A-1": 3, "B-2": 0}


@tool
def stock(article: str, store: Literal["north", "south"] = "north") -> dict[str, int | str]:
    """How many pieces of an article are in a store.

    article: its number, such as A-1
    store: which of the stores
    """
    if article not in STOCK:
        raise ToolFailed(f"There is no article {article}.")
    return {"article": article, "pieces": STOCK[article], "store": store}


@tool(name="count-down")
def count(start: Annotated[int, Field(ge=0, le=9)]) -> list[int]:
    """Counts down to zero.

    Args:
        start: where to begin,
            at most 9
    """
    return apart(lambda: list(range(start, -1, -1)))


@tool
def reach(fetcher: Fetcher, url: str) -> int:
    """How many bytes stand at an address."""
    return len(fetcher.page(url, 1000).body)


@tool
def trouble(kind: str) -> object:
    """Goes wrong in a way of its own."""
    if kind == "endless":
        import time

        time.sleep(60)
    if kind == "no json":
        return object()
    if kind == "loop":
        found: list[object] = []
        found.append(found)
        return found
    if kind == "surrogate":
        return "\ud800"
    raise KeyError("sk-secret-inside-0123456789")


def not_a_tool() -> None:
    """Nobody marked it."""
