"""Tools that a vendor runs itself, where they are asked of another vendor.

Beside functions they are a help that can be left out; where they are all that is offered, the
answer would be another one without them.
"""

from collections.abc import Callable
from typing import Any

from gateway.conversation import Chat, Tool
from gateway.errors import BadRequest


def sayable(
    chat: Chat, is_known: Callable[[dict[str, Any]], bool], vendor: str
) -> tuple[list[Tool], list[str]]:
    """The tools that can be offered, and what the others are called. Raises BadRequest if none
    can be, or if one that cannot be is to be called.
    """
    known = [tool for tool in chat.tools if tool.hosted is None or is_known(tool.hosted)]
    left_out = [at for at, tool in enumerate(chat.tools) if not any(tool is one for one in known)]
    if left_out and not any(tool.hosted is None for tool in known):
        raise _unsupported(f"tools[{left_out[0]}]", vendor, chat.tools[left_out[0]])
    choice = chat.tool_choice
    if choice is not None and choice.names and not any(t.name in choice.names for t in known):
        for tool in (chat.tools[at] for at in left_out):
            if tool.name in choice.names:
                raise _unsupported("tool_choice", vendor, tool)
    return known, [f"tools[{at}]" for at in left_out]


def _unsupported(param: str, vendor: str, tool: Tool) -> BadRequest:
    return BadRequest(
        f"{vendor} has no tool {tool.name!r} of its own (`{param}`)",
        param=param,
        code="unsupported_parameter",
    )
