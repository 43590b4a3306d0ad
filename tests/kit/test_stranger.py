"""The frozen bytes, read by the second implementation (`stranger.py`), which knows the document and no code."""

import json
import random
import unittest
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from tests.kit import stranger as s

VECTORS = Path(__file__).parent.parent / "wire" / "vectors"
TRAP, EPOCH, NUMBER = 0x0201, 0xC0FFEE01, 812
BOX = {"time": 185_850_000_123, "uncertainty": 40, "species": 1, "confidence": 231, "count": 1}
BOX |= {"x": 12, "y": 34, "w": 120, "h": 90, "battery": 77}
NAMED = {"trap": TRAP, "epoch": EPOCH, "number": NUMBER}
ACKED = [{"epoch": EPOCH, "number": NUMBER, "rung": rung} for rung in (0, 1)]
CROP = bytes(range(256))
# The piece has the whole counter 0x10402: its vector does not say so, the ask's (0x10403) lets one guess it.
HEARD = 0x10401

# name: kind, down, flag, counter
HEADERS = {
    "alert": (s.ALERT, False, True, 0x401),
    "fragment": (s.FRAGMENT, False, False, 0x402),
    "piece": (s.PIECE, False, False, 0x10402),
    "ask": (s.ASK, False, True, 0x10403),
    "have": (s.HAVE, True, True, 7),
    "ack": (s.ACK, True, False, 8),
    "empty_ack": (s.ACK, True, False, 0xFFFFFFFF),
    "heartbeat": (s.HEARTBEAT, False, True, 0x403),
    "word": (s.WORD, True, True, 9),
    "reply": (s.REPLY, False, True, 0x404),
    "long_heartbeat": (s.HEARTBEAT, False, True, 0x405),
    "log_wanted": (s.WORD, True, False, 10),
    "log": (s.LOG, False, True, 0x406),
}
SAID = [  # the frozen word
    ("time", {"time": BOX["time"], "uncertainty": 42}),
    ("margin", {"margin": -7}),
    ("wanted", {"epoch": EPOCH, "number": NUMBER, "rung": 2}),
    ("setting", {"command": 40001, "setting": 3, "value": 10}),
    (None, 200, b"later"),
]
OVERHEAD = {s.FRAGMENT: 16, s.PIECE: 12}


def vectors(version: int) -> dict:
    return {
        name: value if name == "key_name" else bytes.fromhex(value)
        for name, value in json.loads((VECTORS / f"v{version}.json").read_text()).items()
    }


OLD, LINK = vectors(1), vectors(3)["link_key"]
EVERY = [
    (version, name.removesuffix("_frame"), data)
    for version in (1, 2, 3)
    for name, data in vectors(version).items()
    if name.endswith("_frame")
]


def refused(task, *arguments) -> bool:
    try:
        task(*arguments)
    except s.RefusedError:
        return True
    return False


def flipped(data: bytes):
    for bit in range(8 * len(data)):
        yield data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


class Frames(unittest.TestCase):
    def test_every_frozen_frame_opens_and_means_the_same_in_every_version(self):
        crop = OLD["crop_envelope"]
        transfer = int.from_bytes(s.sha(crop)[:2], "big")
        missing = [3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19]
        status = {"uptime": 86400, "battery": 77, "queued": 3, "queued_kib": 5, "unreceipted": 0, "full_held": 0}
        more = {"state": 0, "fault": 27, "days_left": 212, "temperature": -21, "resets": 3, "triggers": 14}
        more["battery_mv"] = 6312
        entries = [
            {"time": 185_850_000, "is_true": 1, "code": 1, "value": 2},
            {"time": 86_400, "is_true": 0, "code": 27, "value": 1},
        ]
        alert = {"epoch": EPOCH, "number": NUMBER, "alert": BOX, "envelope": OLD["alert_envelope"]}
        means = {
            "alert": alert,
            "fragment": {"transfer": transfer, "index": 2, "total": 4, "piece": crop[2 * 83 : 3 * 83]},
            "piece": {"number": transfer >> 4, "index": 1, "piece": crop[83 : 2 * 83]},
            "ask": {"transfer": transfer, "total": 4},
            "have": {"transfer": 0xABCD, "total": 20, "start": 3, "bitmap": b"\x50\x01", "missing": missing},
            "ack": {"keys": ACKED},
            "empty_ack": {"keys": []},
            "heartbeat": {**status, "sent": 0, "airtime": 9001, "behind": b""},
            "word": {"items": SAID},
            "reply": {"command": 40001, "outcome": 3, "value": 9},
            "long_heartbeat": {**status, "sent": 0, "airtime": 9001, "more": more, "behind": b""},
            "log_wanted": {"items": [("log", {"first": 90721, "count": 5})]},
            "log": {"first": 90721, "left": 3, "entries": entries},
        }
        assert {name for _, name, _ in EVERY} == set(means)
        for version, name, data in EVERY:
            with self.subTest(version=version, name=name):
                frame = s.open_frame(data, LINK, HEARD)
                assert (frame.version, frame.trap) == (version, TRAP)
                assert (frame.kind, frame.down, frame.flag, frame.counter) == HEADERS[name]
                assert s.understand(frame) == means[name]

    def test_every_frozen_frame_is_sealed_to_the_very_same_bytes(self):
        for version, name, data in EVERY:
            with self.subTest(version=version, name=name):
                kind, down, flag, counter = HEADERS[name]
                row = s.understand(s.open_frame(data, LINK, HEARD))
                payload = s.express(kind, row)
                again = s.Frame(version, down, flag, kind, TRAP, counter, payload)
                assert s.seal(again, LINK) == data
                if kind in OVERHEAD:
                    assert len(data) == OVERHEAD[kind] + len(row["piece"])
                    assert len(data) <= s.largest_frame("CN470", 10)

    def test_sizes_that_the_document_names(self):
        sizes = {name: len(data) for version, name, data in EVERY if version == 3}
        assert (sizes["alert"], sizes["ask"]) == (36, 19)

    def test_any_flipped_bit_is_refused(self):
        for version, name, data in EVERY:
            for wrong in flipped(data):
                assert refused(s.open_frame, wrong, LINK, HEARD), (version, name)

    def test_any_shorter_frame_and_any_other_key_is_refused(self):
        for version, name, data in EVERY:
            for size in range(len(data)):
                assert refused(s.open_frame, data[:size], LINK, HEARD), (version, name, size)
            if version > 1:
                assert refused(s.open_frame, data, bytes(16), HEARD)

    def test_a_piece_opens_only_within_65536_frames(self):
        piece = vectors(3)["piece_frame"]
        for heard, opens in ((None, False), (0x401, False), (0x402, True), (0x10401, True), (0x10402, False)):
            assert refused(s.open_frame, piece, LINK, heard) == (not opens), heard

    def test_short_counters(self):
        assert s.whole_counter(0x0402, 0x10401) == 0x10402
        assert s.whole_counter(0x0402, 0x10402) == 0x20402
        assert s.whole_counter(0x0000, 0x1FFFF) == 0x20000
        assert s.whole_counter(0xFFFF, 0x1FFFE) == 0x1FFFF

    def test_kinds_of_later_versions_and_of_the_other_way_are_refused(self):
        later = [(2, kind, down) for kind in range(6, 11) for down in (False, True)]
        later += [(1, s.ASK, False), (0, s.ALERT, False)]
        later += [(3, kind, down) for kind in (0, 11, 12, 14, 15) for down in (False, True)]
        for version, kind, down in later:
            assert refused(s.open_frame, s.seal(s.Frame(version, down, False, kind, TRAP, 9, bytes(21)), LINK), LINK, 8)
        for kind in s.UP_ONLY + s.DOWN_ONLY:
            row = s.Frame(3, kind in s.UP_ONLY, False, kind, TRAP, 9, bytes(21))
            assert refused(s.open_frame, s.seal(row, LINK), LINK, 8)

    def test_payloads_that_cannot_be_are_refused(self):
        wrong = [
            (s.ALERT, 0, bytes(20)),
            (s.ALERT, 0, bytes(22)),
            (s.FRAGMENT, 0, bytes.fromhex("1a9b00400400")),  # index 4 of 4
            (s.FRAGMENT, 1, bytes.fromhex("1a9b0000")),
            (s.HAVE, 1, bytes.fromhex("abcd00030004")),  # from 4 of 3
            (s.HAVE, 1, bytes.fromhex("abcd0fff0000") + bytes(33)),
            (s.ACK, 1, bytes(7)),
            (s.ACK, 1, bytes(72)),
            (s.ACK, 1, bytes(7) + b"\x0a"),  # rung 10
            (s.ASK, 0, bytes(5)),
            (s.HEARTBEAT, 0, bytes(20)),
            (s.PIECE, 0, bytes(2)),
            (s.WORD, 1, bytes.fromhex("0201f9 04")),
            (s.WORD, 1, bytes.fromhex("0201f9 0407 9c4103000000")),
            (s.REPLY, 0, bytes(6)),
            (s.REPLY, 0, bytes(8)),
            (s.REPLY, 0, bytes.fromhex("9c41 05 00000009")),  # outcome 5
            (s.LOG, 0, bytes(4)),
            (s.LOG, 0, bytes(11)),
            (s.LOG, 0, bytes.fromhex("ffffffff 00") + bytes(14)),  # beyond the last sequence
            (s.QUICK, 0, bytes(2)),
            (s.QUICK, 1, bytes(4)),
        ]
        for kind, down, payload in wrong:
            frame = s.open_frame(s.seal(s.Frame(3, bool(down), False, kind, TRAP, 9, payload), LINK), LINK, 8)
            assert refused(s.understand, frame), (kind, payload)


class Keys(unittest.TestCase):
    def test_a_link_key_has_a_name_and_an_aes_key_each_way(self):
        for version in (2, 3):
            frozen = vectors(version)
            assert s.key_name(frozen["link_key"]) == frozen["key_name"]
            assert s.aes_key(frozen["link_key"], False, TRAP) == frozen["up_key"]
            assert s.aes_key(frozen["link_key"], True, TRAP) == frozen["down_key"]

    def test_the_cipher_is_the_standards(self):
        for row in json.loads((VECTORS / "ccm.json").read_text()):
            key, nonce, aad, data, sealed = (
                bytes.fromhex(row[name]) for name in ("key", "nonce", "aad", "data", "sealed")
            )
            cipher = AESCCM(key, tag_length=row["tag"])
            assert cipher.encrypt(nonce, data, aad) == sealed
            assert cipher.decrypt(nonce, sealed, aad) == data


class Objects(unittest.TestCase):
    def test_the_alert(self):
        assert s.read_alert(OLD["alert_body"]) == BOX
        assert s.write(s.BODY, BOX) == OLD["alert_body"]
        assert s.SPECIES[BOX["species"]] == "tiger"
        assert s.uncertainty_ms(BOX["uncertainty"]) == 256

    def test_the_crane_is_no_cat_and_its_time_is_uncertain(self):
        crane = s.read_alert(OLD["crane_alert_body"])
        assert crane["time"] == 216_864_000_000
        assert s.SPECIES[crane["species"]] == "other animal"
        assert s.uncertainty_ms(crane["uncertainty"]) is None
        assert [crane[name] for name in ("count", "x", "y", "w", "h", "battery")] == [3, 0, 128, 64, 127, 255]
        assert s.write(s.BODY, crane) == OLD["crane_alert_body"]

    def test_alerts_that_cannot_be(self):
        for at, value in ((6, 9), (8, 0)):
            body = bytearray(OLD["alert_body"])
            body[at] = value
            assert refused(s.read_alert, bytes(body))

    def test_envelopes(self):
        for rung, name, body in ((0, "alert", OLD["alert_body"]), (1, "crop", CROP)):
            sealed = OLD[name + "_envelope"]
            row = s.read_envelope(sealed)
            assert {**NAMED, "rung": rung, "version": 1, "body": body, "digest": row["digest"]} == row
            assert s.envelope(rung, TRAP, EPOCH, NUMBER, body) == sealed
            for wrong in flipped(sealed[:2] + sealed[12:]):
                whole = wrong[:2] + sealed[2:12] + wrong[2:]
                assert refused(s.read_envelope, whole) or s.read_envelope(whole)["rung"] != rung
            for size in range(len(sealed)):
                assert refused(s.read_envelope, sealed[:size])
        assert refused(s.read_envelope, s.envelope(12, TRAP, EPOCH, NUMBER, CROP))
        assert refused(s.read_envelope, s.envelope(1, 0, EPOCH, NUMBER, CROP))

    def test_key_lists(self):
        keys = s.rows(s.KEY, OLD["keys"])
        assert keys == [{**NAMED, "rung": 0}, {**NAMED, "rung": 1}]
        assert b"".join(s.write(s.KEY, key) for key in keys) == OLD["keys"]
        assert refused(s.rows, s.KEY, OLD["keys"][:-1])

    def test_the_receipt_gives_the_statement_again(self):
        receipt = s.read_receipt(OLD["receipt_body"])
        assert (receipt["epoch"], receipt["count"]) == (EPOCH, 2)
        assert receipt["rows"] == [{"number": NUMBER, "rung": rung} for rung in (0, 1)]
        assert receipt["signature"] == bytes(range(64))
        digests = {(NUMBER, 0): b"\1" * 32, (NUMBER, 1): b"\2" * 32}
        assert s.statement(TRAP, receipt, digests) == OLD["statement"]
        receipt["rows"].reverse()
        assert s.statement(TRAP, receipt, digests) == OLD["statement"]
        for size in range(len(OLD["receipt_body"])):
            assert refused(s.read_receipt, OLD["receipt_body"][:size])


class Lines(unittest.TestCase):
    def test_the_frozen_message(self):
        ((name, row, rest),) = s.from_line(OLD["put_message"])
        assert (name, row["priority"], row["envelope"]["body"]) == ("PUT", 1, CROP)
        assert rest == OLD["crop_envelope"]
        assert s.to_line(name, row, rest) == OLD["put_message"]

    def test_any_flipped_bit_is_refused(self):
        for wrong in flipped(OLD["put_message"][1:-1]):
            assert refused(s.from_line, wrong)

    def test_signed_numbers_and_stuffing_come_back(self):
        row = {"rssi": -120, "snr": -37}
        news = [("TIME", {"time": 185_850_000_123, "uncertainty": 42}, b""), ("TUNE", {"sf": 7, "ms": 1234}, b"")]
        news.append(("WANTED", {"keys": [{**NAMED, "rung": 1}]}, s.write(s.KEY, {**NAMED, "rung": 1})))
        for said, kind in zip(news, (0x17, 0x24, 0x18), strict=True):
            line = s.to_line(*said)
            assert (line[1], s.from_line(line)) == (kind, [said])
        line = s.to_line("HEARD", row, b"\xc0\xdb\xdc\xdd") + s.to_line("HELLO", {})
        assert s.from_line(line) == [("HEARD", row, b"\xc0\xdb\xdc\xdd"), ("HELLO", {}, b"")]


class Airtime(unittest.TestCase):
    def test_the_tables_of_the_document(self):
        sizes = {"CN470": (255, 255, 197, 99, 36, 10), "AS923": (255, 138, 66, 24), "KR920": (255,) * 6}
        for plan, row in sizes.items():
            assert tuple(s.largest_frame(plan, 7 + i) for i in range(len(row))) == row


class Listening(unittest.TestCase):
    def frames(self, thing: bytes, counter: int, size: int = 83) -> list[bytes]:
        """All pieces of an object but the last in the short form."""
        parts, transfer = [thing[at : at + size] for at in range(0, len(thing), size)], s.sha(thing)[:2]
        row = {"transfer": int.from_bytes(transfer, "big"), "total": len(parts)}
        row["number"], sent = row["transfer"] >> 4, []
        for index, piece in enumerate(parts):
            kind = s.PIECE if index + 1 < len(parts) else s.FRAGMENT
            payload = s.express(kind, {**row, "index": index, "piece": piece})
            sent.append(s.seal(s.Frame(3, False, kind == s.FRAGMENT, kind, TRAP, counter + index, payload), LINK))
        return sent

    def test_pieces_come_together_over_a_wrap_of_the_short_counter(self):
        ear = s.Listener(LINK, TRAP)
        ear.hear(vectors(3)["alert_frame"])
        for data in self.frames(OLD["crop_envelope"], 0xFFFE):
            ear.hear(data)
            assert refused(ear.hear, data)
        assert [(thing["rung"], thing["body"]) for thing in ear.objects] == [(0, OLD["alert_body"]), (1, CROP)]
        assert ear.heard[False] == 0x10001

    def test_a_gap_is_filled_later(self):
        ear = s.Listener(LINK, TRAP)
        ear.hear(vectors(3)["alert_frame"])
        body = random.Random(3).randbytes(2000)
        thing = s.envelope(2, TRAP, EPOCH, 9, body)
        first, again = self.frames(thing, 0x500), self.frames(thing, 0x600)
        for data in first[:4] + first[6:] + again[4:5]:
            ear.hear(data)
        assert len(ear.objects) == 1
        ear.hear(again[5])
        assert ear.objects[1]["body"] == body


if __name__ == "__main__":
    unittest.main()
