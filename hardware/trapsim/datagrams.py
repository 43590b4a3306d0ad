"""What the simulated radios and the channel say to each other over loopback datagrams.

node -> channel   b"J"                     I listen here (repeated: either side may have been restarted)
                  b"T" frame               my antenna starts sending this
channel -> node   b"B" ms u32              the channel is busy for this long
                  b"F" rssi i16 snr i8 frame   you heard this (dBm, quarter dB)
"""

import socket
import struct

JOIN = b"J"
TRANSMIT = b"T"
BUSY = b"B"
FRAME = b"F"
JOIN_EVERY_MS = 2000


def open_socket(port: int) -> socket.socket:
    """A non-blocking datagram socket on loopback; port 0 takes a free one."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]] | None:
    """The next datagram with its sender, or None."""
    try:
        data, sender = sock.recvfrom(2048)
    except (BlockingIOError, ConnectionRefusedError):
        return None  # a refused one: a peer was restarted and its old port is closed
    return data, sender


def pack_frame(rssi_dbm: int, snr_quarters: int, frame: bytes) -> bytes:
    return FRAME + struct.pack(">hb", rssi_dbm, snr_quarters) + frame
