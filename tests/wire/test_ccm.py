"""AES-128-CCM on both interpreters: the standards' vectors, this protocol's frames, and what must not open."""

import json
import unittest
from binascii import unhexlify

from tests.wire.keys import cipher
from tests.wire.world import Random
from trapwire.ccm import MAX_AAD_BYTES, MAX_DATA_BYTES
from trapwire.errors import FORGED, OLD_VERSION, RefusedError, WireError
from trapwire.fragments import Cut, cut
from trapwire.frame import (
    ACK,
    ALERT,
    ASK,
    FRAGMENT,
    HAVE,
    HEARTBEAT,
    PIECE,
    ChecksumCipher,
    decode_frame,
    encode_frame,
    peek_frame,
)
from trapwire.linkkeys import DOWN, UP, direction_key, key_name, parse_key
from trapwire.payloads import decode_ack, decode_alert_payload, decode_ask, decode_have, decode_heartbeat

FOLDER = __file__[: __file__.rindex("/") + 1] + "vectors/"


def load(name):
    with open(FOLDER + name) as file:
        return json.load(file)


class StandardsTest(unittest.TestCase):
    """RFC 3610 section 8 and NIST's CAVP, as far as L = 2; the examples in SP 800-38C itself have other nonces."""

    def test_vectors(self):
        vectors = load("ccm.json")
        self.assertEqual(len(vectors), 9)
        for row in vectors:
            key, nonce, aad, data, sealed = (unhexlify(row[n]) for n in ("key", "nonce", "aad", "data", "sealed"))
            ccm = cipher(key)
            self.assertEqual(ccm.seal(nonce, aad, data, row["tag"]), sealed, row["source"])
            self.assertEqual(ccm.open(nonce, aad, sealed, row["tag"]), data, row["source"])

    def test_without_data_and_without_anything_beside(self):
        """No vector above is so short. The bytes at the end are those of OpenSSL for zeros."""
        ccm = cipher(bytes(16))
        for aad, data, tag in ((b"", b"", 8), (b"", b"x" * 16, 4), (b"y" * 14, b"", 8)):
            sealed = ccm.seal(bytes(13), aad, data, tag)
            self.assertEqual(len(sealed), len(data) + tag)
            self.assertEqual(ccm.open(bytes(13), aad, sealed, tag), data)
        self.assertEqual(ccm.seal(bytes(13), b"", b"", 8), unhexlify("73e9bd9426914f3b"))

    def test_lengths_that_this_form_has_not_are_refused(self):
        ccm = cipher(bytes(16))
        for nonce, aad, data, tag in (
            (bytes(12), b"", b"", 8),
            (bytes(13), b"", b"", 5),
            (bytes(13), bytes(MAX_AAD_BYTES + 1), b"", 8),
            (bytes(13), b"", bytes(MAX_DATA_BYTES + 1), 8),
        ):
            with self.assertRaises(ValueError):
                ccm.seal(nonce, aad, data, tag)
        self.assertIsNone(ccm.open(bytes(13), b"", b"short", 8))

    def test_every_flipped_bit_and_another_key_or_nonce_is_found(self):
        random = Random(11)
        ccm, nonce, aad = cipher(random.bytes(16)), random.bytes(13), random.bytes(7)
        sealed = ccm.seal(nonce, aad, random.bytes(40), 8)
        for part, bits in ((sealed, 48 * 8), (nonce, 13 * 8), (aad, 7 * 8)):
            for bit in range(bits):
                bad = bytearray(part)
                bad[bit >> 3] ^= 1 << (bit & 7)
                given = [bytes(bad) if p is part else p for p in (nonce, aad, sealed)]
                self.assertIsNone(ccm.open(given[0], given[1], given[2], 8))
        self.assertIsNone(cipher(random.bytes(16)).open(nonce, aad, sealed, 8))
        for size in range(48):
            self.assertIsNone(ccm.open(nonce, aad, sealed[:size], 8))


class FramesTest(unittest.TestCase):
    """The frozen frames of version 2; what is in them is what version 1's have."""

    NAME = "v2.json"

    def setUpKeys(self):
        self.v2, self.v1 = load(self.NAME), load("v1.json")
        link_key = parse_key(self.v2["link_key"])
        self.assertEqual(key_name(link_key), self.v2["key_name"])
        keys = [direction_key(link_key, way, 513) for way in (UP, DOWN)]
        self.assertEqual(keys, [unhexlify(self.v2["up_key"]), unhexlify(self.v2["down_key"])])
        self.ciphers = [cipher(key) for key in keys]

    def frame(self, name):
        data = unhexlify(self.v2[name])
        way = self.ciphers[peek_frame(data).down]
        frame = decode_frame(data, way)
        self.assertEqual(encode_frame(frame, way), data)
        return frame

    def test_alert_frame_is_36_bytes(self):
        self.setUpKeys()
        self.assertEqual(len(self.v2["alert_frame"]), 2 * 36)
        frame = self.frame("alert_frame")
        self.assertEqual((frame.kind, frame.down, frame.flag), (ALERT, False, True))
        self.assertEqual((frame.address, frame.counter), (513, 1025))
        envelope = decode_alert_payload(513, frame.payload)
        self.assertEqual(envelope.encode(), unhexlify(self.v1["alert_envelope"]))

    def test_the_other_kinds(self):
        self.setUpKeys()
        frame = self.frame("fragment_frame")
        self.assertEqual((frame.kind, frame.payload), (FRAGMENT, cut(unhexlify(self.v1["crop_envelope"]), 99)[2]))
        frame = self.frame("have_frame")
        self.assertEqual((frame.kind, frame.down, frame.flag, frame.counter), (HAVE, True, True, 7))
        self.assertEqual(decode_have(frame.payload).missing(), [3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19])
        frame = self.frame("ack_frame")
        self.assertEqual((frame.kind, [k.number for k in decode_ack(513, frame.payload)]), (ACK, [812, 812]))
        frame = self.frame("empty_ack_frame")
        self.assertEqual((frame.kind, frame.payload, frame.counter), (ACK, b"", 0xFFFFFFFF))
        frame = self.frame("heartbeat_frame")
        self.assertEqual((frame.kind, decode_heartbeat(frame.payload).values["airtime_s"]), (HEARTBEAT, 9001))

    def test_each_version_is_read_by_its_own_cipher_alone(self):
        self.setUpKeys()
        old, new = unhexlify(self.v1["alert_frame"]), unhexlify(self.v2["alert_frame"])
        self.assertEqual(decode_frame(old, ChecksumCipher()).counter, 1025)
        for data, given in ((old, self.ciphers[0]), (new, ChecksumCipher())):
            self.assertEqual(self.cause(data, given), OLD_VERSION)
        # Version 1's bytes under version 2's number, and the other way round.
        self.assertEqual(self.cause(bytes([old[0] & 0x3F | new[0] & 0xC0]) + old[1:], self.ciphers[0]), FORGED)
        self.assertEqual(self.cause(bytes([new[0] & 0x3F | old[0] & 0xC0]) + new[1:], ChecksumCipher()), FORGED)

    def test_a_frame_opens_in_its_own_direction_alone(self):
        self.setUpKeys()
        up = unhexlify(self.v2["alert_frame"])
        self.assertEqual(self.cause(up, self.ciphers[1]), FORGED)
        self.assertEqual(self.cause(bytes([up[0] ^ 0x20]) + up[1:], self.ciphers[1]), FORGED)

    @staticmethod
    def cause(data, given):
        try:
            decode_frame(data, given)
        except RefusedError as error:
            return error.cause
        return None

    def test_nothing_in_a_frame_shows_its_payload(self):
        self.setUpKeys()
        payload = unhexlify(self.v1["alert_frame"])[7:-8]
        sealed = unhexlify(self.v2["alert_frame"])[7:-8]
        self.assertEqual(len(payload), len(sealed))
        self.assertLess(sum(payload[i] == sealed[i] for i in range(len(sealed))), 4)

    def test_a_frame_of_one_keyed_version_is_none_of_the_other(self):
        self.setUpKeys()
        data = unhexlify(self.v2["alert_frame"])
        self.assertEqual(self.cause(bytes([data[0] ^ 0x40]) + data[1:], self.ciphers[0]), FORGED)

    def test_a_key_that_is_none_is_named_and_never_repeated(self):
        for text in ("", "0" * 31, "0" * 34, "xyz" + "0" * 29):
            try:
                parse_key(text)
            except WireError as error:
                self.assertTrue("allowed are 32 hexadecimal digits" in str(error))
                self.assertFalse(len(text) > 0 and text in str(error))
                continue
            self.assertTrue(False, "%r was taken" % text)


class Version3Test(FramesTest):
    """The same of version 3, which has two kinds more."""

    NAME = "v3.json"

    def test_a_piece_carries_16_bits_of_its_counter(self):
        self.setUpKeys()
        data = unhexlify(self.v2["piece_frame"])
        whole = Cut(unhexlify(self.v1["crop_envelope"]), 99)
        self.assertEqual(len(data), 99 - 4)
        for heard in (0x10401, 0x0F403, 0x00402):
            frame = decode_frame(data, self.ciphers[0], heard)
            self.assertEqual((frame.kind, frame.counter, frame.payload), (PIECE, 0x10402, whole.piece(1)))
            self.assertEqual(encode_frame(frame, self.ciphers[0]), data)
        for heard in (0x10402, 0x20000, 0):  # not new, or 65,536 frames were missed: a whole counter is needed first
            try:
                decode_frame(data, self.ciphers[0], heard)
                self.assertTrue(False, "it was opened")
            except RefusedError as error:
                self.assertEqual(error.cause, FORGED)
        with self.assertRaises(WireError):
            decode_frame(data, self.ciphers[0])

    def test_a_question_of_19_bytes(self):
        self.setUpKeys()
        self.assertEqual(len(self.v2["ask_frame"]), 2 * 19)
        frame = self.frame("ask_frame")
        whole = Cut(unhexlify(self.v1["crop_envelope"]), 99)
        self.assertEqual((frame.kind, frame.flag, frame.counter), (ASK, True, 0x10403))
        self.assertEqual(decode_ask(frame.payload), (whole.transfer, whole.total))

    def test_version_2_has_no_pieces_and_no_questions(self):
        self.setUpKeys()
        for name in ("piece_frame", "ask_frame"):
            data = unhexlify(self.v2[name])
            with self.assertRaises(WireError):
                decode_frame(bytes([data[0] ^ 0x40]) + data[1:], self.ciphers[0], 0x10401)


if __name__ == "__main__":
    unittest.main()
