"""A unit's word of its updates: it fits a note, comes back as it went, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapkit.update.offer import Part, Release
from trapkit.update.reasons import MAX_CODE, WORDS, words
from trapkit.update.states import MAX_BYTES, PHASES, UpdateState, decode

RELEASES = st.one_of(
    st.just(""), st.builds("{}.{}.{}".format, st.integers(2000, 2099), st.integers(1, 12), st.integers(0, 999))
)
STATES = st.builds(UpdateState, RELEASES, RELEASES, st.sampled_from(PHASES), st.sampled_from(sorted(WORDS)), st.just(7))


@given(STATES)
def test_every_state_comes_back_as_it_went_and_fits_a_note(state: UpdateState) -> None:
    assert decode(state.encode(), 7) == state
    assert len(state.encode()) <= MAX_BYTES
    assert state.words()


def test_the_bytes_are_frozen_and_are_cbor() -> None:
    state = UpdateState("2026.12.1", "2027.1.0", "reverted", "does-not-start", 0)
    assert state.encode().hex() == (
        "8469323032362e31322e3168323032372e312e30056e646f65732d6e6f742d7374617274"
    )  # [ "2026.12.1", "2027.1.0", 5, "does-not-start" ], as cbor.me shows it
    assert state.words() == "went back to 2026.12.1 from 2027.1.0: the new application did not come up"


@given(st.binary(max_size=60))
def test_anything_else_is_refused_by_one_error(data: bytes) -> None:
    try:
        state = decode(data, 0)
    except ValueError:
        return
    assert state.encode() == data


def test_every_code_is_short_enough_and_has_words() -> None:
    for code, text in WORDS.items():
        assert len(code) <= MAX_CODE
        assert UpdateState("", "", "refused", code, 0).code == code
        assert bool(text) == bool(code)
    assert words("of-a-later-version") == "code of-a-later-version"


@pytest.mark.parametrize("release", ["", "2026.13.1", "26.1.1", "2026.1.1000", "2026.1.1 ", "../2026.1.1"])
def test_a_release_has_a_name_that_is_no_path(release: str) -> None:
    with pytest.raises(ValueError, match="YEAR"):
        Release(release=release, built_ms=0, serial=1, parts={"model": Part(version="1", target="m")})


def test_a_release_brings_parts_that_we_know() -> None:
    for parts in ({}, {"kernel": Part(version="1", target="k")}):
        with pytest.raises(ValueError, match="application, supervisor"):
            Release(release="2026.12.1", built_ms=0, serial=1, parts=parts)
