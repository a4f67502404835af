"""How vendors of OpenAI's dialect differ in the question, as data, and the edits that follow.

A question is relayed: what is not named here goes up byte for byte.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.chat import ChatRequest
from gateway.dialects.splice import Edits, elements, joined, value_of, with_value
from gateway.errors import BadRequest

ItemChange = Callable[[dict[str, Any], bytes], dict[str, bytes | None]]
TurnsChange = Callable[[list[dict[str, Any]], list[bytes]], list[bytes]]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Fields: `rename`: field → the vendor's name for it. `drop`: hints that it refuses or ignores;
    they are named in `x-gateway-dropped-params`. `known`: all that it takes; others are hints to
    it. `needless`: what it does anyhow and may not be asked for. `only`: fields whose loss would
    change the meaning → the values that change nothing (these are left out); any other is a 400.
    `fixed`: the same, where these may be said. `words`: field → {value: the vendor's word, None
    leaves it out}. `body` gives members of the body to replace (None leaves one out).

    Items: `roles`: role → the vendor's role. `message` and `tool` give members to replace (JSON
    text, None leaves one out) in one message or tool, from it parsed and its text. `message_drop`:
    what it refuses in messages, but a tool's. `turns` gives all messages' texts, from them parsed
    and their texts. `preface` gives what the system has to say, and the hint it stands for.
    `returned`: members of the model's messages that it wants back with tool calls; the gateway
    keeps them for clients that drop them (dialects/recall.py).
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    needless: frozenset[str] = frozenset()
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    message: ItemChange | None = None
    tool: ItemChange | None = None
    body: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    known: frozenset[str] | None = None
    message_drop: frozenset[str] = frozenset()
    turns: TurnsChange | None = None
    preface: Callable[[dict[str, Any]], tuple[str, str] | None] | None = None
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
        if quirks.message is not None or quirks.roles or quirks.message_drop:
            self._change_items("messages", _message_change(quirks))
            self._name_dropped(quirks.message_drop)
        if quirks.turns is not None:
            self._change_turns(quirks.turns)
        said = None if quirks.preface is None else quirks.preface(body)
        if said is not None:
            self.prepend_message("system", said[0])
            self.hints.append(said[1])

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
        if self.rename or self.leave_out:
            return self._edited()
        text, added = raw, b""
        for name, value in self.replace.items():
            if name not in body:
                # What is there need not even be looked at.
                added += b'"%b":%b,' % (name.encode(), value)
            elif (spliced := with_value(text, name, value)) is not None:
                text = spliced
            else:
                return self._edited()
        return b"{" + added + text.lstrip()[1:] if added else text

    def _edited(self) -> bytes:
        return Edits(self.replace, self.rename, frozenset(self.leave_out)).apply(self.request.raw)

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
        for name, values in quirks.fixed.items():
            if body.get(name) is not None and body[name] not in values:
                raise _cannot(vendor, name)
        self.leave_out |= quirks.needless & body.keys()
        strange = set() if quirks.known is None else body.keys() - quirks.known - self.leave_out
        strange -= self.rename.keys()
        for name in sorted(quirks.drop & body.keys() | strange):
            self.leave_out.add(name)
            if body[name] is not None:
                self.hints.append(name)

    def _change_items(self, key: str, change: ItemChange) -> None:
        """Replaces members of the objects in the array `key`."""
        items, texts = self._items(key)
        parts, changed = [], False
        for item, text in zip(items, texts, strict=True):
            members = change(item, text)
            changed = changed or bool(members)
            parts.append(edited(text, members) if members else text)
        if changed:
            self.replace[key] = joined(parts)

    def _change_turns(self, change: TurnsChange) -> None:
        messages, texts = self._items("messages")
        changed = change(messages, texts)
        if changed is not texts:
            self.replace["messages"] = joined(changed)

    def _items(self, key: str) -> tuple[list[Any], list[bytes]]:
        """The array `key` as it is by now: its elements parsed, and their texts."""
        text = self.replace.get(key)
        items = self.request.body.get(key) if text is None else orjson.loads(text)
        if not isinstance(items, list) or key in self.leave_out:
            return [], []
        text = text or value_of(self.request.raw, key) or b"[]"
        return items, [text[start:end] for start, end in elements(text, 0)]

    def _name_dropped(self, members: frozenset[str]) -> None:
        messages = self.request.body.get("messages") or ()
        for name in sorted(members):
            said = (one.get(name) for one in messages if one["role"] != "tool")
            if any(value is not None for value in said):
                self.hints.append(f"messages[].{name}")


def edited(text: bytes, members: Mapping[str, bytes | None]) -> bytes:
    """An object's text with some members replaced, or left out where they are None."""
    replace = {name: value for name, value in members.items() if value is not None}
    return Edits(replace, drop=frozenset(members.keys() - replace.keys())).apply(text)


def _written(name: str, value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # it reads deeper than it writes
        raise BadRequest(f"`{name}` is nested too deeply", param=name) from None


def _message_change(quirks: Quirks) -> ItemChange:
    def change(message: dict[str, Any], text: bytes) -> dict[str, bytes | None]:
        replace = {} if quirks.message is None else quirks.message(message, text)
        gone = quirks.message_drop & message.keys()
        if gone and message["role"] != "tool":
            replace |= dict.fromkeys(gone)
        role = quirks.roles.get(message["role"])
        return replace if role is None else {**replace, "role": orjson.dumps(role)}

    return change


def _cannot(vendor: str, name: str) -> BadRequest:
    return BadRequest(
        f"{vendor} cannot honour `{name}`: leave it out, or ask another provider",
        param=name,
        code="unsupported_parameter",
    )
