"""Tool choices of OpenAI's that are objects, said by fewer tools and a word."""

from typing import Any


def narrowed(body: dict[str, Any]) -> dict[str, Any]:
    """Members that say the same as a choice that names tools; none where it names no tool.

    One tool that must be called: it is the only one on offer, and some tool is required.
    """
    choice = body.get("tool_choice")
    mode, names = _named(choice) if isinstance(choice, dict) else (None, [])
    tools = [tool for tool in _objects(body.get("tools")) if _name(tool) in names]
    return {"tool_choice": mode, "tools": tools} if mode and tools else {}


def allowed_alone(body: dict[str, Any]) -> dict[str, Any]:
    """The same for `allowed_tools` alone: one named tool is understood."""
    choice = body.get("tool_choice")
    is_list = isinstance(choice, dict) and choice.get("type") == "allowed_tools"
    return narrowed(body) if is_list else {}


def _named(choice: dict[str, Any]) -> tuple[str | None, list[str]]:
    if name := _name(choice):
        return "required", [name]
    allowed = choice.get("allowed_tools")
    if not isinstance(allowed, dict):
        return None, []
    mode = allowed.get("mode")
    names = [name for tool in _objects(allowed.get("tools")) if (name := _name(tool))]
    return ("required" if mode == "required" else "auto"), names


def _name(tool: dict[str, Any]) -> str | None:
    """Of a function tool, or of a choice of one."""
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
