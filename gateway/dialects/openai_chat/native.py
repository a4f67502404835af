"""What this dialect alone says, kept for whoever speaks it too."""

from typing import Any

NAME = "openai_chat"


def kept(members: dict[str, Any]) -> dict[str, Any] | None:
    return {NAME: members} if members else None


def own(native: dict[str, Any] | None) -> dict[str, Any]:
    """What was said in this dialect; empty if it was said in another, or not at all."""
    members = native.get(NAME) if native else None
    return members if isinstance(members, dict) else {}


def rest(members: dict[str, Any], *known: str) -> dict[str, Any]:
    """The members that have no word elsewhere; null says nothing."""
    return {
        name: value for name, value in members.items() if name not in known and value is not None
    }
