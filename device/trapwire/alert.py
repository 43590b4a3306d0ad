"""The alert: a sighting in 14 bytes, so that its frame is at most 36 bytes on the air (PROTOCOL.md section 3)."""

import struct

from trapwire.errors import WireError

ALERT_BYTES = 14
TIME_BASE_UNIX_MS = 1577836800000  # 2020-01-01T00:00:00Z; 40 bits of milliseconds reach into 2054
TIME_LAST_UNIX_MS = TIME_BASE_UNIX_MS + (1 << 40) - 1
UNKNOWN = 255  # uncertainty or battery not known

# A crop shows the box and this much more on each side, of the box's width and height, as far as there is picture.
CROP_MARGIN_PERCENT = 15

# A likely species, for priority and never for discarding. Codes are frozen: only add.
SPECIES = {
    0: "feline",
    1: "tiger",
    2: "leopard",
    3: "snow leopard",
    4: "lynx",
    5: "puma",
    6: "domestic cat",
    7: "other feline",
    8: "other animal",  # no cat, and wanted by the keep-list of its trap
}


def encode_uncertainty(uncertainty_ms: "int | None") -> int:
    """One byte for a clock's uncertainty, rounded up to (8 + m) << e ms; `None` means unknown."""
    if uncertainty_ms is None:
        return UNKNOWN
    for code in range(UNKNOWN):
        if decode_uncertainty(code) >= uncertainty_ms:  # type: ignore[operator]
            return code
    return UNKNOWN


def decode_uncertainty(code: int) -> "int | None":
    """Milliseconds for a code, `None` for unknown."""
    return None if code == UNKNOWN else (8 + (code & 7)) << (code >> 3)


class Alert:
    """One sighting, as the trap judged it.

    time_ms: Unix milliseconds, UTC; uncertainty_ms: of that time, or None; species: a code of `SPECIES`;
    confidence: 0–255 for 0–1; count: animals seen at once, 1–255; box: x, y, width, height in 0–255 for 0–1,
    from the top left; battery: percent, or None.
    """

    def __init__(
        self,
        time_ms: int,
        uncertainty_ms: "int | None",
        species: int,
        confidence: int,
        count: int,
        box: "tuple[int, int, int, int]",
        battery: "int | None",
    ) -> None:
        if not 0 <= time_ms - TIME_BASE_UNIX_MS < 1 << 40:
            raise WireError("time_ms %r is not within 2020–2054" % (time_ms,))
        if species not in SPECIES:
            raise WireError("species %r is unknown, allowed: 0–%d" % (species, len(SPECIES) - 1))
        if not 0 <= confidence <= 255:
            raise WireError("confidence %r is not within 0–255" % (confidence,))
        if not 1 <= count <= 255:
            raise WireError("count %r is not within 1–255" % (count,))
        if len(box) != 4 or min(box) < 0 or max(box) > 255:
            raise WireError("box %r is not four values within 0–255" % (box,))
        if battery is not None and not 0 <= battery <= 100:
            raise WireError("battery %r is not within 0–100 percent" % (battery,))
        self.time_ms = time_ms
        self.uncertainty_ms = uncertainty_ms
        self.species = species
        self.confidence = confidence
        self.count = count
        self.box = box
        self.battery = battery

    def encode(self) -> bytes:
        """The alert's 14 bytes: the body of the object on rung `ALERT`."""
        x, y, w, h = self.box
        since = self.time_ms - TIME_BASE_UNIX_MS
        battery = UNKNOWN if self.battery is None else self.battery
        return struct.pack(
            ">BIBBBBBBBBB",
            since >> 32,
            since & 0xFFFFFFFF,
            encode_uncertainty(self.uncertainty_ms),
            self.species,
            self.confidence,
            self.count,
            x,
            y,
            w,
            h,
            battery,
        )


def decode_alert(data: bytes) -> Alert:
    """The alert in `data`.  Raises: WireError."""
    if len(data) != ALERT_BYTES:
        raise WireError("alert of %d bytes, %d are needed" % (len(data), ALERT_BYTES))
    high, low, code, species, confidence, count, x, y, w, h, battery = struct.unpack(">BIBBBBBBBBB", data)
    return Alert(
        TIME_BASE_UNIX_MS + (high << 32 | low),
        decode_uncertainty(code),
        species,
        confidence,
        count,
        (x, y, w, h),
        None if battery == UNKNOWN else battery,
    )
