"""How vendors of OpenAI's dialect differ in the question, as data, and the edits that follow.

A question is relayed: what is not named here goes up byte for byte.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.chat import ChatRequest
from gateway.dialects.splice import Edits, elements, joined, value_of
from gateway.errors import BadRequest

ItemChange = Callable[[dict[str, Any], bytes], dict[str, bytes]]


@dataclass(frozen=True, slots=True)
class Quirks:
    """`rename`: field → the vendor's name for it. `drop`: hints that it refuses or ignores; they
    are named in `x-gateway-dropped-params`. `needless`: what it does anyhow and may not be asked
    for. `only`: fields whose loss would change the meaning → the values that change nothing (these
    are left out); any other is a 400. `words`: field → {value: the vendor's word, None leaves it
    out}. `roles`: role → the vendor's role. `message` and `tool` give members to replace (JSON
    text) in one message or tool, from it parsed and its text; `body` gives members of the body to
    replace (None leaves one out). `returned`: members of the model's messages that it wants back
    with tool calls; the gateway keeps them for clients that drop them (dialects/recall.py).
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    needless: frozenset[str] = frozenset()
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    message: ItemChange | None = None
    tool: ItemChange | None = None
    body: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    returned: tuple[str, ...] = ()


NO_QUIRKS = Quirks()


@dataclass(slots=True)
class Draft:
    """The edits of one question while they are collected, under the vendor's names."""

    request: ChatRequest
    replace: dict[str, bytes] = field(default_factory=dict)
    leave_out: set[str] = field(default_factory=set)
    rename: Mapping[str, str] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)

    def adapt(self, quirks: Quirks, vendor: str) -> None:
        """Collects what the vendor's quirks ask for. Raises BadRequest that names a field."""
        body = self.request.body
        self._rename(body, quirks)
        self._leave_out(body, quirks, vendor)
        for name, words in quirks.words.items():
            value = body.get(name)
            if isinstance(value, str) and value in words:
                self.set(name, words[value])
        if quirks.body is not None:
            for name, value in quirks.body(body).items():
                self.set(name, value)
        if quirks.tool is not None:
            self._change_items("tools", quirks.tool)
        if quirks.message is not None or quirks.roles:
            self._change_items("messages", _message_change(quirks))

    def set(self, name: str, value: Any) -> None:
        """Gives a member another value; None leaves it out, and out it stays."""
        if value is None:
            self.leave_out.add(name)
        elif name not in self.leave_out:
            self.replace[self.rename.get(name, name)] = _written(name, value)

    def prepend_message(self, role: str, content: str) -> None:
        """Puts a message before all others."""
        text = self.replace.get("messages") or value_of(self.request.raw, "messages") or b"[]"
        message = orjson.dumps({"role": role, "content": content})
        self.replace["messages"] = b"[" + message + b"," + text[1:]

    def text(self) -> bytes:
        """The body after the edits: the very bytes that came, if there are none."""
        raw, body = self.request.raw, self.request.body
        if not self.replace and not self.rename and not self.leave_out:
            return raw
        if self.rename or self.leave_out or any(name in body for name in self.replace):
            return Edits(self.replace, self.rename, frozenset(self.leave_out)).apply(raw)
        # Only additions: what is there need not even be looked at.
        added = b",".join(b'"%b":%b' % (k.encode(), v) for k, v in self.replace.items())
        return b"{" + added + b"," + raw.lstrip()[1:]

    def _rename(self, body: Mapping[str, Any], quirks: Quirks) -> None:
        """Where both names are given, the one that is to be renamed wins, unless it is null."""
        renamed = {old: new for old, new in quirks.rename.items() if old in body}
        idle = {old for old, new in renamed.items() if body[old] is None and new in body}
        self.rename = {old: new for old, new in renamed.items() if old not in idle}
        self.leave_out |= idle | {new for new in self.rename.values() if new in body}

    def _leave_out(self, body: Mapping[str, Any], quirks: Quirks, vendor: str) -> None:
        for name, harmless in quirks.only.items():
            if name in body:
                if body[name] is not None and body[name] not in harmless:
                    raise _cannot(vendor, name)
                self.leave_out.add(name)
        self.leave_out |= quirks.needless & body.keys()
        for name in sorted(quirks.drop & body.keys()):
            self.leave_out.add(name)
            if body[name] is not None:
                self.hints.append(name)

    def _change_items(self, key: str, change: ItemChange) -> None:
        """Replaces members of the objects in the array `key`."""
        items = self.request.body.get(key)
        if not isinstance(items, list):
            return
        text = value_of(self.request.raw, key) or b"[]"
        parts, changed = [], False
        for item, (start, end) in zip(items, elements(text, 0), strict=True):
            replace = change(item, text[start:end])
            changed = changed or bool(replace)
            parts.append(Edits(replace).apply(text[start:end]) if replace else text[start:end])
        if changed:
            self.replace[key] = joined(parts)


def _written(name: str, value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # it reads deeper than it writes
        raise BadRequest(f"`{name}` is nested too deeply", param=name) from None


def _message_change(quirks: Quirks) -> ItemChange:
    def change(message: dict[str, Any], text: bytes) -> dict[str, bytes]:
        replace = {} if quirks.message is None else quirks.message(message, text)
        role = quirks.roles.get(message["role"])
        return replace if role is None else {**replace, "role": orjson.dumps(role)}

    return change


def _cannot(vendor: str, name: str) -> BadRequest:
    return BadRequest(
        f"{vendor} cannot honour `{name}`: leave it out, or ask another provider",
        param=name,
        code="unsupported_parameter",
    )
