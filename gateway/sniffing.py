"""What the first bytes of media say they are."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
)
# By what stands behind the size of the first box, and behind RIFF's.
_BRANDS = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
}
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}

LONGEST = 12


def media_type_of(start: bytes) -> str | None:
    """The media type that at least LONGEST first bytes tell of, if it is one of those above."""
    for beginning, media_type in _BEGINNINGS:
        if start.startswith(beginning):
            return media_type
    if start.startswith(b"RIFF"):
        return _IN_RIFF.get(start[8:12])
    return _BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None
