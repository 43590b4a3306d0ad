"""Settings from TOML: defaults, bounds, and errors that name key, value and what is allowed."""

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from trapkit.errors import SetupError
from trapkit.settings import REQUIRED, convert_settings, load_settings, reference, rows, show


class Lens(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    focus_m: Annotated[float, Meta(gt=0, lt=100, description="Distance (m)")] = 4.0
    name: Annotated[str, Meta(pattern="^[a-z]*$", description="Name (text)")] = "wide"


class Post(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    number: Annotated[int, Meta(ge=1, le=9, description="Which (1–9)")]
    side: Annotated[str, Meta(description="Which side (text)")] = "left"


class Sample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1, le=5, description="How many (count)")] = 2
    on: Annotated[bool, Meta(description="Whether it is on")] = False
    words: Annotated[tuple[str, ...], Meta(max_length=3, description="Some words")] = ("a",)
    lens: Lens = field(default_factory=Lens)
    post: tuple[Post, ...] = ()


def load(tmp_path: Path, text: str) -> Sample:
    path = tmp_path / "sample.toml"
    path.write_text(text)
    return load_settings(Sample, path)


def test_defaults_without_a_file_and_where_it_is_silent(tmp_path: Path) -> None:
    assert load_settings(Sample, None) == load(tmp_path, "") == Sample()
    assert load(tmp_path, "lens.focus_m = 2.5\nwords = ['x', 'y']") == Sample(lens=Lens(focus_m=2.5), words=("x", "y"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count = 6", r"key 'count' is 6: .*<= 5"),
        ("count = 'two'", r"key 'count' is 'two': .*`int`"),
        ("on = 1", r"key 'on' is 1: .*`bool`"),
        ("[lens]\nfocus_m = 0", r"key 'lens.focus_m' is 0: .*> 0"),
        ("[lens]\nname = 'WIDE'", r"key 'lens.name' is 'WIDE': "),
        ("lens = 3", r"lens"),
        ("words = [1]", r"words.* is 1"),
        ("zoom = 3", r"unknown key 'zoom'; allowed are: count, on, words, lens\.focus_m, lens\.name"),
        ("[lens]\nzoom = 3", r"unknown key 'lens.zoom'"),
        ("[[post]]\nside = 'x'", r"post.*number"),
        ("[[post]]\nnumber = 12", r"number.* is 12: .*<= 9"),
        ("[[post]]\nnumber = 1\ncolour = 'x'", r"colour"),
        ("count = ", r"is not TOML"),
        ("count = 1\ncount = 2", r"is not TOML"),
    ],
)
def test_errors_name_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SetupError, match=message) as raised:
        load(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/sample.toml: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be read: No such file"):
        load_settings(Sample, tmp_path / "none.toml")
    with pytest.raises(SetupError, match="cannot be read: Is a directory"):
        load_settings(Sample, tmp_path)
    (tmp_path / "sample.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SetupError, match="is not TOML"):
        load_settings(Sample, tmp_path / "sample.toml")


def test_rows_list_every_key() -> None:
    assert [(key, default) for key, _, default, _ in rows(Sample)] == [
        ("count", 2),
        ("on", False),
        ("words", ("a",)),
        ("lens.focus_m", 4.0),
        ("lens.name", "wide"),
        ("post[].number", REQUIRED),
        ("post[].side", "left"),
    ]
    assert rows(Sample)[0][1:] == ("int ≥ 1, ≤ 5", 2, "How many (count)")


def test_the_reference_page_has_a_row_a_key() -> None:
    page = reference("sample", Sample)
    assert page.startswith("## sample\n")
    assert "| `count` | int ≥ 1, ≤ 5 | `2` | How many (count) |" in page
    assert "| `post[].number` | int ≥ 1, ≤ 9 | must be given | Which (1–9) |" in page
    assert page.count("\n| `") == len(rows(Sample))


SAMPLES = st.builds(
    Sample,
    count=st.integers(1, 5),
    on=st.booleans(),
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3).map(tuple),
    lens=st.builds(Lens, focus_m=st.floats(0.001, 99, allow_nan=False)),
    post=st.lists(st.builds(Post, number=st.integers(1, 9), side=st.text("äb\"\\\n\t'")), max_size=2).map(tuple),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sample=SAMPLES)
def test_what_is_shown_reads_back_the_same(sample: Sample) -> None:
    assert convert_settings(Sample, tomllib.loads(show(sample)), "shown") == sample


VALUES = st.recursive(
    st.integers(-9, 9) | st.sampled_from(["", "ab"]) | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["number", "side", "name"]), inner),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.dictionaries(st.sampled_from(["count", "on", "words", "lens", "post", "zoom"]), VALUES))
def test_any_table_is_settings_or_a_setup_error(data: dict[str, Any]) -> None:
    with suppress(SetupError):  # the one thing that may be raised
        assert isinstance(convert_settings(Sample, data, "here"), Sample)
