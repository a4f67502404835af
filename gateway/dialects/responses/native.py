"""What this dialect alone says, kept for whoever speaks it too."""

from typing import Any

NAME = "responses"


def kept(members: dict[str, Any]) -> dict[str, Any] | None:
    return {NAME: members} if members else None


def own(native: dict[str, Any] | None) -> dict[str, Any]:
    """What was said in this dialect; empty if it was said in another, or not at all."""
    members = native.get(NAME) if native else None
    return members if isinstance(members, dict) else {}
