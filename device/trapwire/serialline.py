"""Messages on a serial line (Pi and supervisor, base and modem): SLIP framing with a CRC-32 (PROTOCOL.md section 8).

A line carries `(kind, payload)`. Noise, a half message after a reset, or an oversized one is counted and dropped:
the next END byte starts afresh.
"""

import binascii
import struct

from trapwire.errors import WireError

END = 0xC0
ESC = 0xDB
ESC_END = 0xDC
ESC_ESC = 0xDD
MAX_PAYLOAD_BYTES = 12 * 1024  # a frame-rung object (~8 kB) with its envelope; what an MCU's heap can hold twice

# both ways between Pi and supervisor
HELLO = 0x01  # empty: I have started. The Pi offers every undelivered object again; the supervisor answers HELLO
# base -> modem: empty, are you there? Its answer is HELLO: sf u8, frequency u32 kHz, frames queued u8, dropped u16
# Pi -> supervisor
PUT = 0x02  # priority u8, envelope: take this object and send it
RECEIPT_TAKEN = 0x03  # key (11 bytes): the Pi has applied this receipt durably
STATUS = 0x04  # unreceipted objects u32, full frames held u32, battery u8: for the next heartbeat; a sign of life
DONE = 0x05  # u8: 0 nothing in hand, 1 shutting down now, 2 the visit is over; number u32 of the last WAKE seen to
FAULT = 0x06  # u8: 0 none, 1 the card takes nothing: with STATUS, where there is one or was one
FIRMWARE = 0x07  # as in trapwire.slotwords: new firmware for the supervisor's other slot
# supervisor -> Pi
STORED = 0x11  # key: the object is in the supervisor's flash
DELIVERED = 0x12  # key: the base has committed the object
DOWN = 0x13  # envelope: a receipt (or a command) from the base; repeated until taken
WAKE = 0x14  # trigger number u32, cause u8, age u32 ms (a WAKE without it: 0): something moved so long ago
FULL_QUEUE = 0x15  # key: no room, offer it again later
REFUSED = 0x16  # key: this object cannot go by radio in this trap's name; it will not do to offer it again
TIME = 0x17  # the moment (trapwire.words.encode_time): with WAKE and after the Pi's HELLO, where the time is known
WANTED = 0x18  # key: the base asks for this object; said again at the Pi's next HELLO
MODE = 0x19  # state u8 (trapwire.unitstates), battery percent u8, how the unit is: at HELLO, a change, and in service
LEAVE = 0x1A  # empty: finish, then shut down; said again until DONE
FIRMWARE_IS = 0x1B  # as in trapwire.slotwords: how the supervisor's slots are; answers each FIRMWARE
# base -> modem, modem -> base
TRANSMIT = 0x21  # frame: send it now
TUNE = 0x24  # sf u8, ms u16: a quick turn; behind the frames that were sent before
HEARD = 0x22  # rssi_dbm i16, snr_db_quarters i8, frame
SENT = 0x23  # frames still queued u8: one frame has left the antenna


def encode_message(kind: int, payload: bytes) -> bytes:
    """The bytes for the line.  Raises: WireError when the payload is over `MAX_PAYLOAD_BYTES`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("serial message of %d bytes, allowed are %d" % (len(payload), MAX_PAYLOAD_BYTES))
    raw = bytes([kind]) + payload
    raw += struct.pack(">I", binascii.crc32(raw) & 0xFFFFFFFF)
    raw = raw.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    # An END in front flushes whatever noise the receiver has gathered since the last message.
    return b"\xc0" + raw + b"\xc0"


class SerialDecoder:
    """Bytes in, `(kind, payload)` out; `damaged` counts what was dropped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._escaped = False
        self._overrun = False
        self.damaged = 0

    def feed(self, data: bytes) -> "list[tuple[int, bytes]]":
        """The messages completed by `data`, in order."""
        messages = []
        for byte in data:
            if byte == END:
                message = self._close()
                if message is not None:
                    messages.append(message)
            elif len(self._buffer) > MAX_PAYLOAD_BYTES + 5:
                self._overrun = True
            elif self._escaped:
                self._escaped = False
                if byte == ESC_END:
                    self._buffer.append(END)
                elif byte == ESC_ESC:
                    self._buffer.append(ESC)
                else:
                    self._overrun = True
            elif byte == ESC:
                self._escaped = True
            else:
                self._buffer.append(byte)
        return messages

    def _close(self) -> "tuple[int, bytes] | None":
        raw, self._buffer = bytes(self._buffer), bytearray()
        broken, self._overrun, self._escaped = self._overrun or self._escaped, False, False
        if not raw and not broken:
            return None
        if broken or len(raw) < 5 or struct.pack(">I", binascii.crc32(raw[:-4]) & 0xFFFFFFFF) != raw[-4:]:
            self.damaged += 1
            return None
        return raw[0], raw[1:-4]
