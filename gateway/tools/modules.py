"""An operator's own tools: the functions of a Python file that `@tool` marks."""

import importlib.util
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.config import ROOT
from gateway.fetcher import Fetcher
from gateway.tools.function import FunctionTool, marked_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Module:
    """`error`: why none of its tools can be used."""

    path: str
    tools: tuple[FunctionTool, ...] = ()
    error: str | None = None


def load(path: str, fetcher: Fetcher) -> Module:
    """A file that fails is logged and has no tools: the gateway does without."""
    try:
        tools = tuple(_tools(path, fetcher))
        for one in tools:
            one.check()
        return Module(path, tools)
    except Exception as error:
        _log.error("The tools of %s cannot be used", path, exc_info=True)
        return Module(path, error=f"{type(error).__name__}: {error}")


def _tools(path: str, fetcher: Fetcher) -> list[FunctionTool]:
    file = ROOT / path
    name = f"gateway_tools_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError("its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and type hints look for it
    spec.loader.exec_module(module)
    marked = {id(value): value for value in vars(module).values() if marked_name(value)}
    return [FunctionTool(function, fetcher, source=path) for function in marked.values()]
