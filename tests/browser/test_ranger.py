"""The ranger's page on a phone, at http://trap.local and no other network: each task, in each language, to its end.

What these tests see is kept as the guide's pictures (`deploy/guide/LANGUAGE/*.png`).
"""

from dataclasses import replace

import pytest
from tests.browser.phone_parts import Phone, Phones
from tests.service.trap_parts import NOW, UNIT, ScriptedTrap, stored_objects

from trapcam.service.unit import Gnss, Step
from trapcam.service.words import LANGUAGES
from trapkit.cards import Card, Sample, Visit

CARD = {
    "station": "S 12", "position": "43.12345, 131.45678", "height_cm": "60", "bearing_deg": "90", "trail_m": "3.5",
    "who": "Vera",
}  # fmt: skip
STANDING = Card(
    action="place", station="S 12", side="left", who="Vera", at_ms=NOW, latitude=43.12345, longitude=131.45678
)
UNTESTED = "No walk test was done in this visit: nobody knows yet whether this trap sees an animal. Better test first."
every_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture
def deployed(trap: ScriptedTrap) -> ScriptedTrap:
    trap.now = replace(UNIT, deployed=True, standing=STANDING)
    return trap


def type_in(phone: Phone, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        phone.page.fill(f"#{name}", value)


@every_language
def test_the_pin_opens_the_page(phones: Phones, trap: ScriptedTrap, language: str) -> None:
    phone = phones(language)
    phone.open()
    phone.inspect()
    phone.keep("door")
    phone.enter()
    phone.inspect()


@every_language
def test_a_trap_is_placed(phones: Phones, trap: ScriptedTrap, language: str) -> None:
    phone = phones(language)
    phone.enter()
    phone.press("Place it")
    phone.page.wait_for_function("document.getElementById('look').naturalWidth === 640")
    with phone.page.expect_response("**/look.jpg?*"):  # the picture renews itself
        pass
    for text in ("How much it sees", "Battery", "The other trap of this station"):
        phone.says(text)
    phone.says("a picture takes about {n} s from here", n=14)
    phone.inspect()
    phone.keep("place")


@every_language
def test_a_walk_test_is_passed(phones: Phones, trap: ScriptedTrap, language: str) -> None:
    phone = phones(language)
    phone.enter()
    phone.press("Walk test")
    phone.inspect()
    phone.press("Begin")
    phone.says("The movement sensor noticed you, times: {n}", n=0)
    trap.steps = [Step(at_s=2, pir=True, seen="", confidence=0, sharp=False)]
    phone.page.reload()
    phone.says("Walk further away from the trap yourself, or clear branches in front of its lens.")
    phone.inspect()
    phone.keep("walk-not-yet")
    trap.steps += [Step(at_s=s, pir=s != 4, seen="person", confidence=0.9, sharp=s != 5) for s in (3, 4, 5)]
    phone.page.reload()
    phone.says("Passed: you may end the test.")
    phone.inspect()
    phone.keep("walk-passed")
    phone.press("End the test")
    phone.says("Test again")
    phone.says("Passed.")
    phone.inspect()
    assert not trap.walking


@every_language
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_card_is_filled_in_looked_over_and_sent(
    phones: Phones, trap: ScriptedTrap, language: str, script: bool
) -> None:
    phone = phones(language, script=script)
    phone.enter()
    if script:  # as the guide says; without one, the card comes without a test
        phone.press("Walk test")
        phone.press("Begin")
        trap.steps = [Step(at_s=s, pir=True, seen="person", confidence=0.9, sharp=True) for s in (2, 3)]
        phone.press("Next: deployment card")
    else:
        phone.press("Deployment card")
    type_in(phone, CARD)
    phone.choose("left")
    if script:
        phone.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        phone.keep("card")
    type_in(phone, {"position": "42, 133.0"})
    phone.press("Look it over")
    phone.says("Something is missing or wrong. Nothing you typed is lost.")
    if script:
        phone.inspect()
    type_in(phone, {"position": CARD["position"]})
    assert phone.page.input_value("#who") == "Vera"
    phone.press("Look it over")
    phone.says("Is this right?")
    if script:
        phone.inspect()
    phone.press("Yes: save and send")
    phone.says("On its way to the base…")
    trap.states[1] = "delivered"
    phone.page.reload()
    phone.says("The trap is watching, and the base has heard it: you may leave.")
    assert phone.page.get_by_text(phone.words(UNTESTED)).is_visible() != script
    if script:
        phone.inspect()
        phone.keep("sent")
    (card,) = trap.saved
    assert isinstance(card, Card)
    assert (card.station, card.side, card.latitude, card.trail_m) == ("S 12", "left", 43.12345, 3.5)
    assert (card.phone_ms is not None) == script, "a phone's clock is a hint that needs a script"


@every_language
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_visit_takes_the_parcels_and_a_sample(
    phones: Phones, deployed: ScriptedTrap, language: str, script: bool
) -> None:
    deployed.objects = stored_objects([(9, 0, 14), (8, 3, 300_000)])
    phone = phones(language, script=script)
    phone.enter()
    phone.press("Service visit")
    if script:
        phone.inspect()
        phone.keep("visit")
    with phone.page.expect_download() as download:
        phone.page.get_by_role("link", name=phone.words("Take them onto this phone")).click()
    assert download.value.suggested_filename == "pugmark-7-c0ffee01.tar"
    assert download.value.path().stat().st_size == deployed.parcel().size
    phone.press("I found a sample (scat, hair…)")
    type_in(phone, {"barcode": "NE-0042", "sighting": "9", "who": "Vera"})
    phone.choose("scat")
    phone.choose("on silica gel")
    if script:
        phone.inspect()
        phone.page.evaluate("scrollTo(0, 0)")
        phone.keep("sample")
    phone.press("Look it over")
    phone.says("Is this right?")
    if script:
        phone.inspect()
    phone.press("Yes: save and send")
    phone.says("Saved")
    (sample,) = deployed.saved
    assert isinstance(sample, Sample)
    assert (sample.barcode, sample.kind, sample.kept, sample.sighting) == ("NE-0042", "scat", "silica", 9)
    phone.press("Back to the visit")
    phone.choose("battery changed")
    phone.choose("lens cleaned")
    phone.press("Save the visit")
    phone.says("The visit is saved on the trap.")
    visit = deployed.saved[-1]
    assert isinstance(visit, Visit)
    assert (visit.done, visit.who) == (("battery", "lens"), "Vera")
    deployed.states[2] = "delivered"
    phone.page.reload()
    phone.says("The base has heard of your visit: you may leave.")
    if script:
        phone.inspect()


@every_language
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_trap_is_taken_down(phones: Phones, deployed: ScriptedTrap, language: str, script: bool) -> None:
    phone = phones(language, script=script)
    phone.enter()
    phone.press("Take down")
    type_in(phone, {"who": "Li"})
    if script:
        phone.inspect()
        phone.keep("end")
    phone.press("End the deployment")
    phone.says("End the deployment?")
    if script:
        phone.inspect()
    assert not deployed.saved
    phone.press("Yes: end it")
    phone.says("Saved")
    deployed.states[1] = "delivered"
    phone.page.reload()
    phone.says("The base has heard it: you may take the trap away.")
    if script:
        phone.inspect()
        phone.keep("ended")
    (card,) = deployed.saved
    assert isinstance(card, Card)
    assert (card.action, card.station, card.side, card.who) == ("end", "S 12", "left", "Li")


@every_language
def test_what_the_card_no_longer_knows_is_asked_for_again(phones: Phones, trap: ScriptedTrap, language: str) -> None:
    trap.now = replace(
        UNIT, deployed=True, standing=None, faults=("The trap was opened or moved since the last visit.",)
    )
    phone = phones(language)
    phone.enter()
    phone.inspect()
    phone.press("Take down")
    phone.inspect()
    phone.choose("right")
    type_in(phone, {"station": "S 12", "who": "Li"})
    phone.press("End the deployment")
    phone.press("Yes: end it")
    assert [(said.station, said.side) for said in trap.saved if isinstance(said, Card)] == [("S 12", "right")]


@every_language
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_modules_position_is_taken_by_its_button_and_by_no_other_key(
    phones: Phones, trap: ScriptedTrap, language: str, script: bool
) -> None:
    here = Gnss(heard=True, satellites=9, latitude=43.12345, longitude=131.45678, hdop=0.9, age_s=2)
    trap.now = replace(UNIT, gnss=here)
    phone = phones(language, script=script)
    phone.enter()
    phone.press("Deployment card")
    if script:
        phone.inspect()
    type_in(phone, {"station": "S 12", "who": "Vera"})
    phone.page.press("#station", "Enter")
    phone.says("Something is missing or wrong. Nothing you typed is lost.")
    assert phone.page.input_value("#position") == ""
    phone.press("Take the module's position")
    found = [phone.page.input_value(f"#{name}") for name in ("position", "station", "who")]
    assert found == ["43.12345, 131.45678", "S 12", "Vera"]


def test_a_letter_without_a_shape_and_a_small_button_are_found(phones: Phones, trap: ScriptedTrap) -> None:
    """So that `inspect` cannot stop looking."""
    phone = phones()
    phone.enter()
    phone.page.evaluate("""() => {
        const said = document.querySelector(".state");
        said.textContent = "\\ue123 ";
        said.insertAdjacentHTML("beforeend", "<a href='/'>x</a>");
        document.querySelector("h1").textContent = "x".repeat(60);
    }""")
    with pytest.raises(AssertionError) as found:
        phone.inspect()
    for words in ("no shape for", "small: <a> x", "broken word: xxx"):
        assert words in str(found.value)


def test_the_page_is_served_at_every_name_that_a_phone_tries(phones: Phones, trap: ScriptedTrap) -> None:
    phone = phones()
    phone.open("/generate_204")
    assert phone.page.url == "http://trap.local/"
    phone.open("/hotspot-detect.html")
    assert phone.page.url == "http://trap.local/"


def test_a_phone_by_night_keeps_its_colours_and_its_language(phones: Phones, trap: ScriptedTrap) -> None:
    phone = phones("ko")
    phone.open()
    phone.press("Night")
    assert "night" in phone.page.evaluate("document.documentElement.className")
    phone.page.get_by_role("button", name="Монгол").click()
    phone.words = type(phone.words)("mn")
    phone.enter()
    assert "night" in phone.page.evaluate("document.documentElement.className")
    phone.inspect()
