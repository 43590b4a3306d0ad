"""A download that broke off goes on where it stopped: what a Range header asks for (RFC 9110, 14; pure)."""

import re


def wanted_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header with one range; None where it asks for all, or for what we do not give.

    Raises: ValueError for a range that begins behind the end.
    """
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if first >= size:
        raise ValueError
    return (first, last) if first <= last else None


def part_headers(name: str, tag: str, size: int, part: tuple[int, int] | None) -> dict[str, str]:
    """Of an answer with this part of a file of `size` bytes, None: with all of it; `tag`: its ETag."""
    first, last = part or (0, size - 1)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Content-Length": str(last - first + 1),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return headers | ({"Content-Range": f"bytes {first}-{last}/{size}"} if part else {})
