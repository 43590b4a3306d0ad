"""Permissions: for one unit, one release and a time, by its base's key alone; an older one does not come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapkit.sealing import public_of
from trapkit.update.permits import (
    FORGED,
    HELD,
    MAX_BYTES,
    NO_PERMIT,
    OLD,
    OTHER,
    OVER,
    Permit,
    PermitError,
    read,
    refusal,
)

SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEY = public_of(SEED)
NOW = 1_763_686_800_000
DAY_MS = 86_400_000


def permit(trap: int = 7, number: int = 5, release: str = "2026.12.1", until_ms: int = NOW + DAY_MS) -> Permit:
    return Permit(trap=trap, number=number, release=release, issued_ms=NOW, until_ms=until_ms)


def test_a_permission_lets_its_unit_take_its_release() -> None:
    data = permit().signed(SEED)
    assert len(data) <= MAX_BYTES
    assert refusal(data, KEY, 7, "2026.12.1", 5, NOW) == ("", permit()), "the same one read again is no replay"
    assert refusal(data, KEY, 7, "2026.12.1", 0, None)[0] == ""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, NO_PERMIT),
        (b"", FORGED),
        (permit().signed(OTHER_SEED), FORGED),
        (permit().signed(SEED)[:-1] + b"\0", FORGED),
        (permit(trap=8).signed(SEED), NO_PERMIT),
        (permit(number=4).signed(SEED), OLD),
        (permit(release="").signed(SEED), HELD),
        (permit(release="2026.12.2").signed(SEED), OTHER),
        (permit(until_ms=NOW).signed(SEED), OVER),
    ],
)
def test_any_other_is_refused_with_its_code(data: bytes | None, code: str) -> None:
    assert refusal(data, KEY, 7, "2026.12.1", 5, NOW)[0] == code


def test_a_permission_with_impossible_values_is_never_signed() -> None:
    for bad in (permit(trap=0), permit(number=1 << 32), permit(release="a b"), permit(release="2026.13.1")):
        with pytest.raises(PermitError):
            bad.signed(SEED)


@given(st.binary(max_size=200))
def test_bytes_from_outside_never_end_a_program(data: bytes) -> None:
    assert refusal(data, KEY, 7, "2026.12.1", 0, NOW) == (FORGED, None)


@given(st.integers(1, 65535), st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 48) - 1))
def test_what_is_signed_is_what_is_read(trap: int, number: int, at_ms: int) -> None:
    made = Permit(trap=trap, number=number, release="2026.12.999", issued_ms=at_ms, until_ms=at_ms)
    assert read(made.signed(SEED), KEY) == made
