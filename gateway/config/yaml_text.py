"""YAML as settings want it; what is wrong is told by its line, and without what it quotes."""

import re
from typing import Any

import yaml

from gateway.config.problems import printable


class _Loader(yaml.SafeLoader):
    """YAML without what settings have no use for: dates (an `api_version` is text), aliases."""

    yaml_implicit_resolvers = {
        first: [pair for pair in resolvers if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "an alias (*name) is not accepted; quotes make it text", mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"{printable(key.value)} stands here for the second time"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # a value that its !!tag does not fit
            problem = "a value of another kind than it claims to be"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def parsed(text: str) -> Any:
    """The value that `text` holds; raises ValueError with the line of what is wrong."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: {_without_content(error.problem or 'not YAML')}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ValueError(f"line {line}: a character that YAML does not allow") from None
    except RecursionError:
        raise ValueError("line 1: nested too deeply") from None


def _without_content(problem: str) -> str:
    """PyYAML's words, without what they quote of the file, which may be half a password."""
    if " tag" in problem:
        return "a tag (!name) is not accepted; quotes make it text"
    return re.split(r" ['\"](?!<)[^'\"]{2,}", problem, maxsplit=1)[0]
