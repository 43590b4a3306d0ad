"""The names that somebody may have meant."""

from trapkit.nearest import allowed, nearest
from trapship.unitsettings import plainer

KNOWN = [f"other{number}.thing{number}" for number in range(60)]


def test_a_misspelt_name_finds_its_own_and_at_most_four() -> None:
    assert nearest("keep.treshold", ["keep.threshold", "keep.categories", *KNOWN])[0] == "keep.threshold"
    assert len(nearest("other1.thing1", KNOWN)) == 4


def test_a_name_in_the_wrong_table_finds_the_right_one() -> None:
    assert nearest("threshold", ["keep.threshold", *KNOWN]) == ["keep.threshold"]


def test_of_few_names_all_are_said_of_many_those_that_are_like_it_and_where_the_others_are() -> None:
    assert allowed("zoom", ["name", "focus"]) == "allowed are: name, focus"
    assert allowed("thing77", KNOWN).startswith("nearest are: ")
    assert len(allowed("thing77", KNOWN)) < 150
    assert allowed("zzz", KNOWN) == "none is like it; all 60 are in deploy/settings.md"


def test_the_firmwares_long_list_is_cut_to_what_is_like_the_name() -> None:
    names = ["picture_min", "pi_boot_ms", *(f"other{number}_ms" for number in range(50))]
    refused = f"unknown setting 'picture_mins'; allowed are: {', '.join(sorted(names))}"
    assert plainer(refused).startswith("unknown setting 'picture_mins'; nearest are: picture_min")
    assert (
        plainer("sf is 13; allowed is a whole number within 7–12") == "sf is 13; allowed is a whole number within 7–12"
    )
