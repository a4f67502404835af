"""The items of an answer that is being written: each tells the events of its own course."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import uuid4

from gateway.conversation import CallBegan
from gateway.dialects.responses.native import own

Step = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"


class MessageOut:
    """What the model says: parts of text and of refusal, one of them open at a time."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pieces: list[str] = []
        self.kind: Literal["output_text", "refusal"] | None = None
        self.parts: list[dict[str, Any]] = []
        self.item: dict[str, Any] = {
            "id": new_id("msg"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }

    def open(self) -> Iterable[Step]:
        yield _item_step("added", self.index, dict(self.item))

    @property
    def place(self) -> dict[str, Any]:
        at = len(self.parts) - 1
        return {"item_id": self.item["id"], "output_index": self.index, "content_index": at}

    def begin(self, kind: Literal["output_text", "refusal"]) -> Iterable[Step]:
        """Opens a part, unless one of its kind is open."""
        if self.kind == kind:
            return
        yield from self.end_part()
        self.kind = kind
        self.parts.append(_part(kind))
        yield {"type": "response.content_part.added", **self.place, "part": dict(self.parts[-1])}

    def piece(self, text: str) -> Step:
        self.pieces.append(text)
        step = {"type": f"response.{self.kind}.delta", **self.place, "delta": text}
        return step | {"logprobs": []} if self.kind == "output_text" else step

    def annotate(self, annotation: dict[str, Any]) -> Iterable[Step]:
        """Adds a source to the last part of text, even if that has ended."""
        for at, part in enumerate(self.parts):
            last = part["type"] == "output_text" and part is self._texts()[-1]
            if last and annotation not in part["annotations"]:
                part["annotations"].append(annotation)
                yield {
                    "type": "response.output_text.annotation.added",
                    **self.place,
                    "content_index": at,
                    "annotation_index": len(part["annotations"]) - 1,
                    "annotation": annotation,
                }

    def end_part(self) -> Iterable[Step]:
        if self.kind is None:
            return
        part, text = self.parts[-1], "".join(self.pieces)
        member = "text" if self.kind == "output_text" else "refusal"
        part[member] = text
        step = {"type": f"response.{self.kind}.done", **self.place, member: text}
        yield step | {"logprobs": part["logprobs"]} if self.kind == "output_text" else step
        yield {"type": "response.content_part.done", **self.place, "part": part}
        self.kind, self.pieces = None, []

    def close(self, status: Status) -> Iterable[Step]:
        yield from self.end_part()
        self.item |= {"status": status, "content": self.parts}
        yield _item_step("done", self.index, self.item)

    def written(self) -> int:
        """How many characters the last part of text has."""
        if self.kind == "output_text":
            return sum(map(len, self.pieces))
        texts = self._texts()
        return len(texts[-1]["text"]) if texts else 0

    def _texts(self) -> list[dict[str, Any]]:
        return [part for part in self.parts if part["type"] == "output_text"]


class ReasoningOut:
    """What the model thought: one part of a summary, and the state that a client brings back."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pieces: list[str] = []
        self.item: dict[str, Any] = {"id": new_id("rs"), "type": "reasoning", "summary": []}

    def open(self) -> Iterable[Step]:
        yield _item_step("added", self.index, dict(self.item))

    def piece(self, text: str) -> Iterable[Step]:
        if not self.pieces:
            part = {"type": "summary_text", "text": ""}
            yield {"type": "response.reasoning_summary_part.added", **self._place, "part": part}
        self.pieces.append(text)
        yield {"type": "response.reasoning_summary_text.delta", **self._place, "delta": text}

    def close(self, encrypted: str | None) -> Iterable[Step]:
        if self.pieces:
            text = "".join(self.pieces)
            part = {"type": "summary_text", "text": text}
            yield {"type": "response.reasoning_summary_text.done", **self._place, "text": text}
            yield {"type": "response.reasoning_summary_part.done", **self._place, "part": part}
            self.item["summary"] = [part]
        if encrypted is not None:
            self.item["encrypted_content"] = encrypted
        yield _item_step("done", self.index, self.item)

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item["id"], "output_index": self.index, "summary_index": 0}


class CallOut:
    """A call of a function, or of a custom tool. `names`: namespaces and own names by flat ones."""

    def __init__(self, index: int, call: CallBegan, names: dict[str, tuple[str, str]]) -> None:
        self.index = index
        self.custom = call.custom
        self.pieces: list[str] = []
        self.member = "input" if call.custom else "arguments"
        self.stem = "custom_tool_call_input" if call.custom else "function_call_arguments"
        namespace, name = names.get(call.name, (own(call.native).get("namespace"), call.name))
        self.item: dict[str, Any] = {
            "id": new_id("ctc" if call.custom else "fc"),
            "type": "custom_tool_call" if call.custom else "function_call",
            "status": "in_progress",
            "call_id": call.id,
            "name": name,
            self.member: "",
        }
        if namespace:
            self.item["namespace"] = namespace

    def open(self) -> Iterable[Step]:
        yield _item_step("added", self.index, dict(self.item))

    def piece(self, text: str) -> Step:
        self.pieces.append(text)
        return {"type": f"response.{self.stem}.delta", **self._place, "delta": text}

    def close(self, status: Status) -> Iterable[Step]:
        """A function's arguments are JSON text, also where there are none."""
        if not self.pieces and not self.custom and status == "completed":
            yield self.piece("{}")
        text = "".join(self.pieces)
        yield {"type": f"response.{self.stem}.done", **self._place, self.member: text}
        self.item |= {"status": status, self.member: text}
        yield _item_step("done", self.index, self.item)

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item["id"], "output_index": self.index}


def whole(index: int, item: dict[str, Any]) -> Iterable[Step]:
    """The course of an item that is there at once."""
    yield _item_step("added", index, item)
    yield _item_step("done", index, item)


def _part(kind: str) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}


def _item_step(moment: str, index: int, item: dict[str, Any]) -> Step:
    return {"type": f"response.output_item.{moment}", "output_index": index, "item": item}
