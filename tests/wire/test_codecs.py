"""Every codec of the wire: frozen vectors, round trips, bounds, and garbage that raises nothing but WireError."""

import json
import unittest
from binascii import unhexlify

from tests.wire.world import Random
from trapwire import serialline
from trapwire.airtime import airtime_us, largest_frame
from trapwire.alert import Alert, decode_alert, decode_uncertainty, encode_uncertainty
from trapwire.errors import WireError
from trapwire.fragments import MAX_RADIO_BYTES, Cut, Reassembly, cut, read_fragment, read_piece, transfer_of
from trapwire.frame import (
    ACK,
    ALERT,
    FRAGMENT,
    HAVE,
    HEARTBEAT,
    ChecksumCipher,
    Counter,
    Frame,
    decode_frame,
    encode_frame,
)
from trapwire.objects import CROP, MAX_DOWN_BYTES, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.payloads import (
    decode_ack,
    decode_alert_payload,
    decode_ask,
    decode_have,
    decode_heartbeat,
    encode_have,
    make_have,
)
from trapwire.receipt import MAX_OBJECTS, Receipt, decode_receipt, statement

VECTORS = __file__[: __file__.rindex("/") + 1] + "vectors/v1.json"
KEY = ObjectKey(513, 0xC0FFEE01, 812, CROP)


def vector(name):
    with open(VECTORS) as file:
        return unhexlify(json.load(file)[name])


# Frozen, as the vectors are: written down by hand from section 7 of PROTOCOL.md.
WHOLE_RECEIPT = (
    "c0ffee0102" + "0000032c00" + "01" * 32 + "0000032c01" + "02" * 32 + "".join("%02x" % i for i in range(64))
)


class VectorsTest(unittest.TestCase):
    def test_alert(self):
        envelope = decode_envelope(vector("alert_envelope"))
        self.assertEqual(envelope.key, ObjectKey(513, 0xC0FFEE01, 812, 0))
        self.assertEqual(envelope.body, vector("alert_body"))
        alert = decode_alert(envelope.body)
        self.assertEqual((alert.time_ms, alert.uncertainty_ms), (1763686800123, 256))
        self.assertEqual((alert.species, alert.confidence, alert.count, alert.battery), (1, 231, 1, 77))
        self.assertEqual(alert.box, (12, 34, 120, 90))
        self.assertEqual(envelope.encode(), vector("alert_envelope"))

    def test_an_alert_of_no_cat(self):
        alert = decode_alert(vector("crane_alert_body"))
        self.assertEqual((alert.time_ms, alert.uncertainty_ms), (1794700800000, None))
        self.assertEqual((alert.species, alert.confidence, alert.count, alert.battery), (8, 180, 3, None))
        self.assertEqual(alert.encode(), vector("crane_alert_body"))
        data = bytearray(vector("crane_alert_body"))
        data[6] = 9  # not a code yet
        with self.assertRaises(WireError):
            decode_alert(bytes(data))

    def test_alert_frame_is_36_bytes(self):
        data = vector("alert_frame")
        self.assertEqual(len(data), 36)
        frame = decode_frame(data, ChecksumCipher())
        self.assertEqual((frame.kind, frame.down, frame.flag), (ALERT, False, True))
        self.assertEqual((frame.address, frame.counter), (513, 1025))
        self.assertEqual(decode_alert_payload(513, frame.payload).encode(), vector("alert_envelope"))
        self.assertEqual(encode_frame(frame, ChecksumCipher()), data)

    def test_fragment(self):
        frame = decode_frame(vector("fragment_frame"), ChecksumCipher())
        self.assertEqual(frame.kind, FRAGMENT)
        self.assertEqual(frame.payload, cut(vector("crop_envelope"), 99)[2])

    def test_have(self):
        frame = decode_frame(vector("have_frame"), ChecksumCipher())
        self.assertEqual((frame.kind, frame.down, frame.flag, frame.counter), (HAVE, True, True, 7))
        have = decode_have(frame.payload)
        self.assertEqual((have.transfer, have.total), (0xABCD, 20))
        self.assertEqual(have.missing(), [3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19])

    def test_acknowledgement(self):
        frame = decode_frame(vector("ack_frame"), ChecksumCipher())
        self.assertEqual((frame.kind, frame.down), (ACK, True))
        self.assertEqual(decode_ack(513, frame.payload), unpack_keys(vector("keys")))

    def test_heartbeat(self):
        frame = decode_frame(vector("heartbeat_frame"), ChecksumCipher())
        self.assertEqual(frame.kind, HEARTBEAT)
        values = decode_heartbeat(frame.payload).values
        self.assertEqual((values["uptime_s"], values["queued_kib"], values["airtime_s"]), (86400, 5, 9001))

    def test_receipt(self):
        receipt = decode_receipt(vector("receipt_body"))
        self.assertEqual((receipt.epoch, receipt.objects), (0xC0FFEE01, [(812, 0), (812, 1)]))
        rows = [(812, 0, b"\x01" * 32), (812, 1, b"\x02" * 32)]
        self.assertEqual(statement(513, 0xC0FFEE01, rows), vector("statement"))

    def test_whole_receipt(self):
        data = bytes.fromhex(WHOLE_RECEIPT)
        receipt = decode_receipt(data)
        self.assertEqual((receipt.epoch, receipt.objects), (0xC0FFEE01, [(812, 0), (812, 1)]))
        self.assertEqual((receipt.digests, receipt.signature), ([b"\x01" * 32, b"\x02" * 32], bytes(range(64))))
        self.assertEqual(receipt.encode(), data)
        self.assertIsNone(decode_receipt(vector("receipt_body")).digests)
        for wrong in (data[:-1], data + b"\x00", data[:4] + b"\x03" + data[5:], data[:4] + b"\x00" + data[5:]):
            with self.assertRaises(WireError):
                decode_receipt(wrong)

    def test_the_largest_whole_receipt_may_go_down(self):
        objects = [(i, 0) for i in range(MAX_OBJECTS)]
        whole = Receipt(1, objects, bytes(64), [bytes(32)] * MAX_OBJECTS)
        self.assertTrue(len(whole.encode()) <= MAX_DOWN_BYTES)
        self.assertEqual(decode_receipt(whole.encode()).objects, objects)
        for digests in ([bytes(32)] * 63, [bytes(31)] * MAX_OBJECTS):
            with self.assertRaises(WireError):
                Receipt(1, objects, bytes(64), digests)

    def test_serial_message(self):
        decoder = serialline.SerialDecoder()
        messages = decoder.feed(vector("put_message"))
        self.assertEqual(messages, [(serialline.PUT, b"\x01" + vector("crop_envelope"))])


class BoundsTest(unittest.TestCase):
    def test_airtime_agrees_with_the_field_table(self):
        table = {7: 1027, 8: 1848, 9: 3287, 10: 6164, 11: 13148, 12: 24658}  # 51 B, in 0.1 ms, by Semtech's calculator
        for sf, tenths in table.items():
            self.assertEqual((airtime_us(51, sf) + 50) // 100, tenths)
        self.assertEqual(airtime_us(255, 9) // 1000, 1250)

    def test_largest_frames_agree_with_the_decided_table(self):
        self.assertEqual([largest_frame("cn470", sf) for sf in (9, 10, 11, 12)], [197, 99, 36, 10])
        self.assertEqual([largest_frame("as923", sf) for sf in (9, 10)], [66, 24])
        for plan, sf in (("as923", 11), ("mongolia", 9), ("", 9), ("cn470", 13)):
            with self.assertRaises(WireError):
                largest_frame(plan, sf)

    def test_uncertainty_never_shrinks(self):
        for value in (0, 1, 8, 9, 250, 1000, 59999, 86400000, 3000000000):
            code = encode_uncertainty(value)
            self.assertTrue(decode_uncertainty(code) >= value)
            self.assertTrue(code == 0 or decode_uncertainty(code - 1) < value)
        self.assertIsNone(decode_uncertainty(encode_uncertainty(None)))

    def test_values_out_of_bounds_are_named(self):
        good = [1700000000000, 0, 0, 0, 1, (0, 0, 1, 1), 50]
        for place, value in ((0, 5), (2, 99), (3, 256), (4, 0), (5, (1, 2, 3)), (6, 101)):
            bad = list(good)
            bad[place] = value
            with self.assertRaises(WireError):
                Alert(*bad)
        for key in ((0, 0, 1, 0), (65536, 0, 1, 0), (1, -1, 1, 0), (1, 0, 1 << 24, 0), (1, 0, 1, 10)):
            with self.assertRaises(WireError):
                ObjectKey(*key)

    def test_an_object_too_large_for_the_radio_is_refused(self):
        with self.assertRaises(WireError):
            cut(bytes(MAX_RADIO_BYTES + 1), 197)
        with self.assertRaises(WireError):
            cut(bytes(100), 16)

    def test_receipts_hold_one_to_64_objects(self):
        for count in (0, MAX_OBJECTS + 1):
            with self.assertRaises(WireError):
                Receipt(1, [(i, 0) for i in range(count)], bytes(64))

    def test_a_counter_never_repeats_over_resets(self):
        saved = [0]
        seen = []

        def reserve(end):
            saved[0] = end

        for run in range(4):
            counter = Counter(saved[0], reserve)
            for _ in range(3 + 1030 * (run == 1)):
                value = counter.take()
                self.assertLess(value, saved[0])
                seen.append(value)
        self.assertEqual(len(seen), len(set(seen)))

    def test_a_used_up_counter_says_so(self):
        with self.assertRaises(WireError):
            Counter(0xFFFFFFFF, lambda end: None).take()


class RoundTripTest(unittest.TestCase):
    def test_reports_name_exactly_what_is_missing(self):
        random = Random(5)
        for _ in range(200):
            total = 1 + random.below(250)
            held = {i for i in range(total) if random.below(3)}
            have = decode_have(encode_have(make_have(1, total, held, 32)))
            self.assertEqual(have.missing(), [i for i in range(total) if i not in held])

    def test_fragments_in_any_order_with_repeats_make_the_object(self):
        random = Random(6)
        for size in (1, 150, 153, 154, 1500, 8000):
            envelope = Envelope(KEY, random.bytes(size)).encode()
            whole = Cut(envelope, 99)
            order = sorted(range(whole.total), key=lambda i: random.below(1000))
            reassembly = Reassembly()
            found = None
            for i in order:
                self.assertIsNone(found)
                # One of them says how many there are; the others say only which they are.
                told = i == order[size % len(order)]
                piece = read_fragment(whole.fragment(i)) if told else read_piece(whole.piece(i))
                found = reassembly.add(piece, 0)[1]
                if i != order[-1]:
                    reassembly.add(piece, 0)
            self.assertEqual(found.encode(), envelope)

    def test_pieces_alone_wait_for_a_word_of_how_many_there_are(self):
        envelope = Envelope(KEY, bytes(500)).encode()
        whole = Cut(envelope, 99)
        reassembly = Reassembly()
        for i in range(whole.total):
            self.assertIsNone(reassembly.add(read_piece(whole.piece(i)), 0)[1])
        self.assertIsNone(reassembly.get(whole.transfer))
        self.assertIsNone(reassembly.learn(whole.transfer ^ 0x8000, whole.total, 0))
        partial, found = reassembly.learn(whole.transfer, whole.total, 0)
        self.assertEqual((found.encode(), len(partial.pieces)), (envelope, whole.total))
        self.assertIsNone(reassembly.learn(whole.transfer, whole.total, 0))

    def test_pieces_of_another_object_whose_number_begins_alike_spoil_nothing(self):
        envelope = Envelope(KEY, bytes(range(256))).encode()
        whole = Cut(envelope, 99)
        reassembly = Reassembly()
        other = whole.piece(0)[:2] + bytes([9]) + b"another"  # its piece 9: ours has no such
        self.assertIsNone(reassembly.add(read_piece(other), 0)[1])
        for i in range(whole.total):
            found = reassembly.add(read_fragment(whole.fragment(i)), 0)[1]
        self.assertEqual(found.encode(), envelope)
        self.assertEqual(transfer_of(envelope), whole.transfer)

    def test_a_clash_of_transfers_is_found_and_starts_afresh(self):
        reassembly = Reassembly()
        first = cut(Envelope(KEY, b"a" * 200).encode(), 99)
        second = [first[0][:2] + p[2:] for p in cut(Envelope(KEY, b"b" * 200).encode(), 99)]
        reassembly.add(read_fragment(first[0]), 0)
        reassembly.add(read_fragment(second[1]), 0)
        with self.assertRaises(WireError):
            reassembly.add(read_fragment(second[2]), 0)
        for piece in first[:-1]:
            self.assertIsNone(reassembly.add(read_fragment(piece), 0)[1])
        self.assertEqual(reassembly.add(read_fragment(first[-1]), 0)[1].body, b"a" * 200)

    def test_reassembly_is_bounded(self):
        random = Random(7)
        reassembly = Reassembly(max_transfers=3, max_object_bytes=16000)
        for i in range(500):
            payload = bytes([random.below(256), random.below(256), 0, 0, 200]) + random.bytes(60)
            head = bytes([payload[0], payload[1] & 0xF0, i % 200])
            piece = read_piece(head + payload[5:]) if i % 2 else read_fragment(payload)
            reassembly.add(piece, i)
            self.assertTrue(len(reassembly._partials) <= 3)
            self.assertTrue(sum(p.size() for p in reassembly._partials.values()) <= 32000)

    def test_a_serial_line_recovers_from_noise_and_halves(self):
        random = Random(8)
        decoder = serialline.SerialDecoder()
        sent = []
        got = []
        for i in range(200):
            payload = random.bytes(random.below(80))
            data = serialline.encode_message(serialline.HEARD, payload)
            if i % 5 == 0:
                data = random.bytes(random.below(30)) + data[: random.below(len(data) - 5)]  # noise, then cut short
            else:
                sent.append((serialline.HEARD, payload))
            for byte in data:
                got += decoder.feed(bytes([byte]))
        self.assertEqual([m for m in got if m in sent], sent)
        self.assertEqual(len(got), len(sent), "noise became a message")
        self.assertGreater(decoder.damaged, 10)

    def test_an_endless_serial_message_stays_bounded(self):
        decoder = serialline.SerialDecoder()
        for _ in range(100):
            decoder.feed(b"x" * 1000)
        self.assertTrue(len(decoder._buffer) <= serialline.MAX_PAYLOAD_BYTES + 6)
        good = serialline.encode_message(serialline.WAKE, b"12345")
        self.assertEqual(decoder.feed(good), [(serialline.WAKE, b"12345")])


class GarbageTest(unittest.TestCase):
    def test_decoders_raise_nothing_but_wire_errors(self):
        random = Random(9)
        cipher = ChecksumCipher()
        decoders = (
            decode_envelope,
            decode_alert,
            decode_receipt,
            decode_have,
            decode_heartbeat,
            unpack_keys,
            lambda d: decode_frame(d, cipher),
            lambda d: decode_ack(5, d),
            lambda d: decode_alert_payload(5, d),
            lambda d: Reassembly().add(read_fragment(d), 0),
            lambda d: Reassembly().add(read_piece(d), 0),
            decode_ask,
        )
        refused = 0
        for i in range(3000):
            data = random.bytes(random.below(90))
            try:
                decoders[i % len(decoders)](data)
            except WireError:
                refused += 1
        self.assertGreater(refused, 1500)

    def test_every_flipped_bit_of_a_frame_is_found(self):
        frame = encode_frame(Frame(ACK, True, False, 9, 77, pack_keys([]), 1), ChecksumCipher())
        for bit in range(len(frame) * 8):
            damaged = bytearray(frame)
            damaged[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(WireError):
                decode_frame(bytes(damaged), ChecksumCipher())


if __name__ == "__main__":
    unittest.main()
