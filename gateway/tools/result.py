"""What a run of a tool came to."""

import binascii
from dataclasses import dataclass

from gateway.conversation import Image

_LARGEST_IMAGES = 4 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tool itself gave, of any size."""

    text: str
    is_error: bool = False
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolRun:
    """What the model is told. `size`: bytes of the whole result, before it was cut."""

    text: str
    is_error: bool
    seconds: float
    size: int
    images: tuple[Image, ...] = ()


def capped(outcome: Outcome, seconds: float, most: int) -> ToolRun:
    """At most so many bytes of text, and as many images as fit within 4 MB."""
    encoded = outcome.text.encode(errors="replace")
    images, left_out, room = [], 0, _LARGEST_IMAGES
    for image in outcome.images:
        room -= len(image.data or "")
        if room >= 0:
            images.append(image)
        else:
            left_out += 1
    text = encoded.decode()
    if len(encoded) > most:
        kept = encoded[:most].decode(errors="ignore")
        text = f"{kept}\n[cut: these are the first {most} of {len(encoded)} bytes]"
    if left_out:
        text += f"\n[{left_out} images were left out: together they are over 4 MB]"
    size = len(encoded) + sum(len(image.data or "") * 3 // 4 for image in outcome.images)
    return ToolRun(text, outcome.is_error, seconds, size, tuple(images))


def is_base64(data: str) -> bool:
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True
