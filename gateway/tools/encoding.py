"""Tools that write a text otherwise."""

import binascii
import hashlib
from base64 import b64decode, b64encode
from typing import Literal

from gateway.tools.function import ToolFailed


def hash_text(
    text: str,
    algorithm: Literal["sha256", "sha512", "sha1", "md5", "sha3_256", "blake2b"] = "sha256",
) -> str:
    """The hash of a text (as UTF-8), in hexadecimal.

    text: what is hashed, exactly as it is
    algorithm: which hash
    """
    return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()


def base64(text: str, direction: Literal["encode", "decode"] = "encode") -> str:
    """Encodes a text (as UTF-8) in Base64, or decodes Base64 (also its URL-safe kind) to a text.

    text: the text, or the Base64
    direction: encode or decode
    """
    if direction == "encode":
        return b64encode(text.encode()).decode()
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ToolFailed("This is not Base64.") from None
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        raise ToolFailed(f"It holds no text, but the bytes {decoded[:1000].hex()} …") from None
