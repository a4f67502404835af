"""What the gateway can run for a model: its own functions, an operator's, and MCP servers'.

    toolbox    all tools by name, which of them are on, and how one is run
    table      TOOLS: the built-in functions, by their subjects
    function   a plain typed function as a tool; `schema` reads its signature and docstring
    modules    an operator's own functions, marked by `@tool`
    mcp        tools of servers that speak the Model Context Protocol; `mcp_wire` is one exchange

A tool is never a shell, and never a way to run a command on the gateway's machine.
"""

from gateway.fetcher import Fetcher
from gateway.tools.function import ToolFailed, tool
from gateway.tools.threads import apart

__all__ = ["Fetcher", "ToolFailed", "apart", "tool"]
