"""A second implementation of the wire, by a stranger who read `PROTOCOL.md` and the frozen vectors and no code."""

import re
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from tests.kit import stranger_words as words
from tests.kit.stranger_bits import RefusedError, demand, read, rows, sha, size_of, write

ALERT, FRAGMENT, HAVE, ACK, HEARTBEAT, PIECE, ASK, WORD, REPLY, QUICK, LOG = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13
RUNGS = words.RUNGS
SPECIES = ("feline", "tiger", "leopard", "snow leopard", "lynx", "puma", "domestic cat", "other feline", "other animal")
KINDS = {1: (1, 2, 3, 4, 5), 2: (1, 2, 3, 4, 5), 3: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13)}
UP_ONLY, DOWN_ONLY = (ALERT, HEARTBEAT, PIECE, ASK, REPLY, LOG), (WORD,)
END, ESC = 0xC0, 0xDB
LONGEST_MS = {"CN470": 1000, "AS923": 400, "EU868": None, "RU864": None, "KR920": None}

# Every layout of the document: names with their bits, "-" before the bits where the number is signed.
BODY = "time:40 uncertainty:8 species:8 confidence:8 count:8 x:8 y:8 w:8 h:8 battery:8"
ENVELOPE = "version:8 rung:8 trap:16 epoch:32 number:32 digest:128"
KEY = "trap:16 epoch:32 number:32 rung:8"
AIR_KEY = "epoch:32 number:24 rung:8"
RECEIPT_ROW = "number:32 rung:8"
PAYLOADS = {
    ALERT: "epoch:32 number:24",
    FRAGMENT: "transfer:16 index:12 total:12",
    HAVE: "transfer:16 total:16 start:16",
    ACK: "",
    HEARTBEAT: "uptime:32 battery:8 queued:16 queued_kib:16 unreceipted:16 full_held:16 sent:32 airtime:32",
    PIECE: "number:12 index:12",
    ASK: "transfer:16 total:16",
    WORD: "",
    REPLY: words.REPLY,
    LOG: words.LOG,
    QUICK: "sf:8 pieces:16",  # up; down its second number is "ms"
}
MORE_HEALTH = "state:8 fault:8 days_left:16 temperature:-8 resets:16 triggers:16 battery_mv:16"
SERIAL = {  # name: (kind, layout, what follows it)
    "HELLO": (0x01, "", None),
    "PUT": (0x02, "priority:8", "envelope"),
    "RECEIPT_TAKEN": (0x03, "", "keys"),
    "STATUS": (0x04, "unreceipted:32 full_held:32 battery:8", None),
    "STORED": (0x11, "", "keys"),
    "DELIVERED": (0x12, "", "keys"),
    "DOWN": (0x13, "", "envelope"),
    "WAKE": (0x14, "trigger:32 cause:8", None),
    "FULL_QUEUE": (0x15, "", "keys"),
    "REFUSED": (0x16, "", "keys"),
    "TIME": (0x17, "time:40 uncertainty:8", None),
    "WANTED": (0x18, "", "keys"),
    "TRANSMIT": (0x21, "", "frame"),
    "HEARD": (0x22, "rssi:-16 snr:-8", "frame"),
    "SENT": (0x23, "queued:8", None),
    "TUNE": (0x24, "sf:8 ms:16", None),
}


# Section 4: keys and frames.
def aes_key(link_key: bytes, down: bool, trap: int) -> bytes:
    return sha(b"pugmark-link-2\0" + bytes([down]) + trap.to_bytes(2, "big") + link_key)[:16]


def key_name(link_key: bytes) -> str:
    return sha(b"pugmark-link-2 name\0" + link_key)[:4].hex()


@dataclass(frozen=True)
class Frame:
    version: int
    down: bool
    flag: bool
    kind: int
    trap: int
    counter: int
    payload: bytes

    @property
    def header(self) -> bytes:
        first = self.version << 6 | self.down << 5 | self.flag << 4 | self.kind
        counter = self.counter.to_bytes(4, "big")
        return bytes([first]) + self.trap.to_bytes(2, "big") + (counter[2:] if self.kind == PIECE else counter)

    @property
    def nonce(self) -> bytes:
        return bytes([self.down]) + self.trap.to_bytes(2, "big") + self.counter.to_bytes(4, "big") + bytes(6)

    @property
    def tag_size(self) -> int:
        return 4 if self.kind in (FRAGMENT, PIECE) else 8

    def cipher(self, link_key: bytes) -> AESCCM:
        return AESCCM(aes_key(link_key, self.down, self.trap), tag_length=self.tag_size)


def seal(frame: Frame, link_key: bytes) -> bytes:
    if frame.version == 1:
        plain = frame.header + frame.payload
        return plain + sha(frame.nonce + plain)[: frame.tag_size]
    return frame.header + frame.cipher(link_key).encrypt(frame.nonce, frame.payload, frame.header)


def whole_counter(short: int, heard: int) -> int:
    """The first value above the greatest heard whose last 16 bits are these."""
    return heard + 1 + (short - heard - 1) % 65536


def open_frame(data: bytes, link_key: bytes, heard: int | None = None) -> Frame:
    """`heard`: the greatest counter taken from this sender, which only a piece needs."""
    demand(len(data) >= 3, "too short")
    version, down, flag, kind = data[0] >> 6, bool(data[0] & 32), bool(data[0] & 16), data[0] & 15
    demand(kind in KINDS.get(version, ()), "another version or kind")
    demand(kind not in (UP_ONLY if down else DOWN_ONLY), "goes the other way")
    trap, at = int.from_bytes(data[1:3], "big"), 5 if kind == PIECE else 7
    demand(trap > 0, "trap 0")
    counter = int.from_bytes(data[3:at], "big")
    if kind == PIECE:
        demand(heard is not None, "a piece before anything was heard")
        counter = whole_counter(counter, heard)
        demand(counter < 1 << 32, "no such counter")
    frame = Frame(version, down, flag, kind, trap, counter, b"")
    demand(len(data) >= at + frame.tag_size, "too short")
    if version == 1:
        payload = data[at : -frame.tag_size]
        demand(sha(frame.nonce + data[: -frame.tag_size])[: frame.tag_size] == data[-frame.tag_size :], "checksum")
    else:
        try:
            payload = frame.cipher(link_key).decrypt(frame.nonce, data[at:], data[:at])
        except InvalidTag:
            raise RefusedError("tag") from None
    return Frame(version, down, flag, kind, trap, counter, payload)


# Section 5: payloads.
def understand(frame: Frame) -> dict:
    row, rest = read(PAYLOADS[frame.kind], frame.payload)
    if frame.kind == ALERT:
        row["alert"] = read_alert(rest)
        row["envelope"] = envelope(0, frame.trap, row["epoch"], row["number"], rest)
    elif frame.kind in (FRAGMENT, PIECE):
        demand(len(rest) > 0, "nothing in it")
        demand(frame.kind == PIECE or row["index"] < row["total"], "no such piece")
        row["piece"] = rest
    elif frame.kind == HAVE:
        demand(len(rest) <= 32 and row["start"] <= row["total"], "no such bitmap")
        bits = [row["start"] + i for i in range(8 * len(rest)) if rest[i // 8] << i % 8 & 128]
        row["bitmap"], row["missing"] = rest, sorted(set(range(row["start"], row["total"])) - set(bits))
    elif frame.kind == ACK:
        row["keys"] = rows(AIR_KEY, rest)
        demand(len(row["keys"]) <= 8 and all(key["rung"] in RUNGS for key in row["keys"]), "no such keys")
    elif frame.kind == HEARTBEAT:
        if len(rest) >= size_of(MORE_HEALTH):
            row["more"], rest = read(MORE_HEALTH, rest)
        row["behind"] = rest
    elif frame.kind == LOG:
        row["entries"] = rows(words.ENTRY, rest)
        demand(row["first"] + len(row["entries"]) <= 1 << 32, "no such sequences")
    elif frame.kind == WORD:
        row["items"] = words.read_items(rest)
    else:
        demand(not rest, "too long")
    if frame.kind == REPLY:
        demand(row["outcome"] in words.OUTCOMES, "no such outcome")
    if frame.kind == QUICK and frame.down:
        row["ms"] = row.pop("pieces")
    return row


def express(kind: int, row: dict) -> bytes:
    """The payload again."""
    if kind == QUICK:
        row = {"pieces": row.get("ms"), **row}
    head = write(PAYLOADS[kind], row)
    if kind == ALERT:
        return head + write(BODY, row["alert"])
    if kind == WORD:
        return words.write_items(row["items"])
    if kind == ACK:
        return b"".join(write(AIR_KEY, key) for key in row["keys"])
    if kind == LOG:
        return head + b"".join(write(words.ENTRY, entry) for entry in row["entries"])
    if kind == HEARTBEAT and "more" in row:
        head += write(MORE_HEALTH, row["more"])
    rest = {FRAGMENT: "piece", PIECE: "piece", HAVE: "bitmap", HEARTBEAT: "behind"}
    return head + (row[rest[kind]] if kind in rest else b"")


# Sections 2, 3 and 7: what is carried.
def envelope(rung: int, trap: int, epoch: int, number: int, body: bytes) -> bytes:
    row = {"version": 1, "rung": rung, "trap": trap, "epoch": epoch, "number": number}
    return write(ENVELOPE, {**row, "digest": int.from_bytes(sha(body)[:16], "big")}) + body


def read_envelope(data: bytes) -> dict:
    row, body = read(ENVELOPE, data)
    demand(row["version"] == 1 and row["rung"] in RUNGS and row["trap"] > 0, "not an envelope")
    demand(len(body) <= 16 << 20 and sha(body)[:16] == data[12:28], "not its body")
    return {**row, "body": body}


def read_alert(body: bytes) -> dict:
    row, rest = read(BODY, body)
    demand(not rest and row["species"] < len(SPECIES) and row["count"] > 0, "not an alert")
    return row


def uncertainty_ms(code: int) -> int | None:
    return None if code == 255 else (8 + code % 8) << code // 8


def read_receipt(body: bytes) -> dict:
    row, rest = read("epoch:32 count:8", body)
    demand(1 <= row["count"] <= 64 and len(rest) == 5 * row["count"] + 64, "not a receipt")
    return {**row, "rows": rows(RECEIPT_ROW, rest[:-64]), "signature": rest[-64:]}


def statement(trap: int, receipt: dict, digests: dict[tuple[int, int], bytes]) -> bytes:
    """What the signature is over: `digests` has the SHA-256 of the trap's own bodies by number and rung."""
    lines = sorted(write(RECEIPT_ROW, row) + digests[row["number"], row["rung"]] for row in receipt["rows"])
    head = write("trap:16 epoch:32 count:8", {**receipt, "trap": trap})
    return b"pugmark-receipt-1\0" + head + b"".join(lines)


# Section 8: serial lines.
def to_line(name: str, row: dict, rest: bytes = b"") -> bytes:
    kind, spec, _ = SERIAL[name]
    inner = bytes([kind]) + write(spec, row) + rest
    inner += zlib.crc32(inner).to_bytes(4, "big")
    return b"\xc0" + inner.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def from_line(stream: bytes) -> list[tuple[str, dict, bytes]]:
    return [message(part) for part in stream.split(b"\xc0") if part]


def message(escaped: bytes) -> tuple[str, dict, bytes]:
    demand(re.fullmatch(rb"(?s:[^\xdb]|\xdb[\xdc\xdd])*", escaped) is not None, "not SLIP")
    inner = escaped.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
    demand(5 <= len(inner) <= 5 + 12 * 1024, "no such length")
    demand(zlib.crc32(inner[:-4]).to_bytes(4, "big") == inner[-4:], "CRC-32")
    name = next((name for name, (kind, _, _) in SERIAL.items() if kind == inner[0]), None)
    demand(name is not None, "unknown kind")
    row, rest = read(SERIAL[name][1], inner[1:-4])
    match SERIAL[name][2]:
        case None:
            demand(not rest, "too long")
        case "envelope":
            row["envelope"] = read_envelope(rest)
        case "keys":
            row["keys"] = rows(KEY, rest)
    return name, row, rest


# Section 1: airtime.
def airtime_us(size: int, sf: int, preamble: int = 8) -> int:
    symbol = 8 << sf  # 2^SF / 125 kHz
    slow = symbol >= 16_000
    blocks = -(-(8 * size - 4 * sf + 28 + 16) // (4 * (sf - 2 * slow)))
    return symbol * (4 * preamble + 17) // 4 + symbol * (8 + max(0, blocks) * 5)


def largest_frame(plan: str, sf: int) -> int:
    limit = LONGEST_MS[plan]
    return max((n for n in range(256) if limit is None or airtime_us(n, sf) <= limit * 1000), default=0)


# Section 6: frames to objects.
class Listener:
    """Hears both ends of one link, and puts together what goes over it."""

    def __init__(self, link_key: bytes, trap: int) -> None:
        self.link_key, self.trap = link_key, trap
        self.heard: dict[bool, int | None] = {False: None, True: None}
        self.pieces: dict[tuple[bool, int], dict[int, bytes]] = {}
        self.known: dict[tuple[bool, int], tuple[int, int]] = {}  # transfer and total
        self.objects: list[dict] = []

    def hear(self, data: bytes) -> tuple[Frame, dict]:
        down = bool(data[0] & 32)
        frame = open_frame(data, self.link_key, self.heard[down])
        demand(frame.trap == self.trap, "another trap")
        demand(self.heard[down] is None or frame.counter > self.heard[down], "played again")
        self.heard[down] = frame.counter
        row = understand(frame)
        if frame.kind == ALERT:
            self.keep(read_envelope(row["envelope"]))
        elif frame.kind in (FRAGMENT, PIECE):
            self.collect(frame, row)
        return frame, row

    def keep(self, thing: dict) -> None:
        if thing not in self.objects:
            self.objects.append(thing)

    def collect(self, frame: Frame, row: dict) -> None:
        name = frame.down, row["transfer"] >> 4 if frame.kind == FRAGMENT else row["number"]
        if frame.kind == FRAGMENT:
            known = row["transfer"], row["total"]
            if self.known.get(name, known) != known:
                self.pieces.pop(name, None)
            self.known[name] = known
        here = self.pieces.setdefault(name, {})
        here[row["index"]] = row["piece"]
        transfer, total = self.known.get(name, (0, 0))
        if not total or not all(index in here for index in range(total)):
            return
        whole = b"".join(here[index] for index in range(total))
        del self.pieces[name]
        if sha(whole)[:2] == transfer.to_bytes(2, "big"):
            self.keep(read_envelope(whole))
