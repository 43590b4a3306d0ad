"""The base's cipher and the firmware's make the same bytes, and open each other's."""

import json
import os
from pathlib import Path

import pytest

from trapkit.aes import Aes, AesCcm
from trapwire.ccm import Ccm

VECTORS = Path(__file__).parents[1] / "wire" / "vectors" / "ccm.json"


@pytest.mark.parametrize("row", json.loads(VECTORS.read_text()), ids=lambda row: row["source"])
def test_the_standards_vectors(row: dict[str, str]) -> None:
    key, nonce, aad, data, sealed = (bytes.fromhex(row[n]) for n in ("key", "nonce", "aad", "data", "sealed"))
    tag = int(row["tag"])
    assert AesCcm(key).seal(nonce, aad, data, tag) == sealed
    assert AesCcm(key).open(nonce, aad, sealed, tag) == data


@pytest.mark.parametrize("tag", [4, 8])
def test_both_make_the_same_bytes_for_every_length_of_a_frame(tag: int) -> None:
    for size in range(256):
        key, nonce, aad, data = os.urandom(16), os.urandom(13), os.urandom(7), os.urandom(size)
        ours, theirs = Ccm(Aes(key)), AesCcm(key)
        sealed = ours.seal(nonce, aad, data, tag)
        assert sealed == theirs.seal(nonce, aad, data, tag)
        assert ours.open(nonce, aad, sealed, tag) == theirs.open(nonce, aad, sealed, tag) == data
        spoilt = bytes([sealed[0] ^ 1]) + sealed[1:]
        assert ours.open(nonce, aad, spoilt, tag) is theirs.open(nonce, aad, spoilt, tag) is None


def test_what_is_shorter_than_its_tag_does_not_open() -> None:
    for size in range(8):
        assert AesCcm(bytes(16)).open(bytes(13), b"", bytes(size), 8) is None
