"""Kinds of pictures, told by their first bytes: what a sealed body turns out to be is never taken on trust."""

SEALED = "image/vnd.pugmark.sealed"  # still sealed; Camtrap DP wants a media type that begins with image/


def media_type(data: bytes) -> tuple[str, str] | None:
    """(media type, file suffix) of a picture that browsers show, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp"
    if data[4:12] == b"ftypavif":
        return "image/avif", "avif"
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg", "jpg"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png", "png"
    return None


def picture_name(number: int, sha256: bytes) -> str:
    """A picture in the page's addresses: its row, where it is found at once, and its digest, which never changes."""
    return f"{number}-{sha256.hex()}"
