"""The ranger's page over HTTP: a PIN first, forms that lose nothing, and nothing that a stranger may ask for."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from tests.service.test_bringing import FILES, tar
from tests.service.trap_parts import NOW, UNIT, ScriptedTrap, looping, phone, served, stored_objects

from trapcam.service.asked import is_reachable, when, zone_of
from trapcam.service.bringing import BROUGHT, Bringer
from trapcam.service.desk import Desk
from trapcam.service.pin import FREE, Door, hashed
from trapcam.service.showing import Parts
from trapcam.service.unit import Step
from trapcam.service.web import CAPTIVE, create_page
from trapkit.cards import Card, Sample, Visit
from trapkit.errors import StorageError

PIN = "271828"
HASHED = hashed(PIN)
CARD = {
    "station": "S 12", "side": "left", "position": "43.12345, 131.45678", "height_cm": "60", "bearing_deg": "90",
    "trail_m": "3,5", "bait": "none", "who": "Vera", "note": "двойная берёза",
}  # fmt: skip
STANDING = Card(
    action="place", station="S 12", side="left", who="Vera", at_ms=NOW, latitude=43.12345, longitude=131.45678
)


@dataclass
class Site:
    """The page of a scripted trap, and a phone."""

    trap: ScriptedTrap
    door: Door
    address: str
    phone: httpx.Client
    wrong: list[int]
    others: list[httpx.Client] = field(default_factory=list)
    now_ms: int = 0
    touched: list[None] = field(default_factory=list)

    def another(self) -> httpx.Client:
        self.others.append(phone(self.address))
        return self.others[-1]

    def open(self, phone: httpx.Client | None = None) -> None:
        answer = (phone or self.phone).post("/", data={"pin": PIN})
        assert answer.url.path == "/menu"

    def post(self, path: str, fields: dict[str, str], phone: httpx.Client | None = None) -> tuple[int, str, str]:
        """Status, path and text after a form of that page was sent as the page made it."""
        own = phone or self.phone
        page = own.get(path).text
        token = page.split('name="form" value="')[1].split('"')[0]
        answer = own.post(path, data={"form": token, **fields})
        return answer.status_code, answer.url.path, answer.text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    desk, trap = Desk(patience_s=5), ScriptedTrap()
    door = Door({"vera": HASHED}, 0, 0)
    wrong: list[int] = []
    parts = Parts(
        desk=desk, trap=trap, door=door, region=(35, 70, 60, 150), address="192.168.4.1", view_deg=(66, 41),
        wrong=wrong.append, monotonic_ms=lambda: made.now_ms, bringer=Bringer(tmp_path, 7), number=7, side="left",
        touched=lambda: made.touched.append(None),
    )  # fmt: skip
    with looping(desk), served(create_page(parts)) as address, phone(address) as own:
        made = Site(trap, door, address, own, wrong)
        yield made
        for other in made.others:
            other.close()


FORMS = ("/visit", "/sample", "/end", "/update")
INSIDE = ("/menu", "/place", "/look.jpg", "/walk", "/card", "/sent/1", "/parcels.tar", *FORMS)


@pytest.mark.parametrize("path", INSIDE)
def test_without_the_pin_every_page_leads_to_the_door(site: Site, path: str) -> None:
    assert site.phone.get(path).url.path == "/"
    if path in ("/walk", "/card", "/visit", "/sample", "/end"):
        assert site.phone.post(path, data=CARD).url.path == "/"
    assert site.trap.saved == []


def test_the_pin_opens_it_and_wrong_ones_are_counted(site: Site) -> None:
    answer = site.phone.post("/", data={"pin": "111222"})
    assert (answer.status_code, site.wrong) == (403, [1])
    assert "This PIN is wrong." in answer.text
    site.open()
    assert site.wrong == [1, 0]
    for path in INSIDE:
        assert site.phone.get(path).status_code == 200
    site.phone.post("/out")
    assert site.phone.get("/menu").url.path == "/"


def test_going_to_the_other_trap_and_back_asks_for_no_pin_again(site: Site) -> None:
    """Cookies know no ports, and every trap is called trap.local."""
    site.open()
    parts = Parts(
        desk=Desk(patience_s=5), trap=site.trap, door=Door({"vera": HASHED}, 0, 0), region=(35, 70, 60, 150),
        address="192.168.4.1", view_deg=(66, 41), wrong=lambda count: None, number=8,
    )  # fmt: skip
    with looping(parts.desk), served(create_page(parts)) as other:
        assert site.phone.get(f"{other}/menu").url.path == "/"
        assert site.phone.post(f"{other}/", data={"pin": PIN}).url.path == "/menu"
        assert site.phone.get("/menu").url.path == "/menu"
        assert site.phone.get(f"{other}/menu").url.path == "/menu"


def test_the_door_names_an_address_only_where_a_phone_can_come_to_it(site: Site) -> None:
    assert "This page is at 192.168.4.1 too." in site.phone.get("/").text
    reached = [is_reachable(a) for a in ("192.168.4.1", "fd00::1", "127.0.0.1", "::1", "0.0.0.0", "")]
    assert reached == [True, True, False, False, False, False]


def test_too_many_wrong_ones_stop_every_phone(site: Site) -> None:
    for _ in range(FREE):
        site.phone.post("/", data={"pin": "111222"})
    other = site.another()
    assert "Wait 30 s" in other.get("/").text
    assert other.post("/", data={"pin": PIN}).status_code == 403
    site.now_ms += 30_000
    site.open(other)


def test_tries_that_come_all_at_once_are_no_more_than_one_after_the_other(site: Site) -> None:
    phones = [site.another() for _ in range(20)]
    with ThreadPoolExecutor(len(phones)) as pool:
        answers = list(pool.map(lambda one: one.post("/", data={"pin": "111222"}).status_code, phones))
    assert answers == [403] * 20
    assert site.door.tries.wrong == FREE, "the others were not even looked at"


def test_a_phone_that_lay_in_a_pocket_has_to_come_in_again(site: Site) -> None:
    site.open()
    site.now_ms += 31 * 60_000
    assert site.phone.get("/menu").url.path == "/"


@pytest.mark.parametrize("path", CAPTIVE)
def test_phones_that_ask_for_the_internet_are_led_to_the_page(site: Site, path: str) -> None:
    answer = site.phone.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "http://trap.local/")


def test_a_card_is_looked_over_saved_and_followed_until_the_base_has_it(site: Site) -> None:
    site.open()
    status, path, text = site.post("/card", CARD | {"do": "check"})
    assert (status, path) == (200, "/card")
    assert "Is this right?" in text
    assert "43.12345, 131.45678" in text
    assert site.trap.saved == []
    status, path, text = site.post("/card", CARD | {"do": "save"})
    assert path == "/sent/1"
    assert "On its way to the base… Wait up to 5 minutes." in text
    assert "If nothing comes by then:" in text
    assert "you may leave" not in text, "only the green box says so"
    site.trap.states[1] = "delivered"
    assert "The trap is watching, and the base has heard it: you may leave." in site.phone.get("/sent/1").text
    assert site.trap.saved == [
        Card(
            action="place", station="S 12", side="left", who="Vera", at_ms=NOW, uncertainty_ms=1500, latitude=43.12345,
            longitude=131.45678, precision_m=1.11, height_cm=60, bearing_deg=90, trail_m=3.5, note="двойная берёза",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("station", "", "This is needed."),
        ("station", "<script>", "a letter or digit first"),
        ("station", "S" * 33, "At most 32 letters."),
        ("side", "both", "Choose one."),
        ("position", "42, 133.0", "lies in the sea"),
        ("position", "13.1, 131.4", "outside the region"),
        ("position", "the oak", "is no part of a position"),
        ("height_cm", "tall", "This is no number."),
        ("height_cm", "nan", "From 0 to 1000."),
        ("height_cm", "0.45", "Did you mean 45 cm? Write it with its unit: 45 cm, or 0.45 cm."),
        ("height_cm", "1,5", "Did you mean 150 cm?"),
        ("height_cm", "11 m", "From 0 to 1000."),
        ("height_cm", "-5 cm", "From 0 to 1000."),
        ("height_cm", "1e9 m", "This is no number."),
        ("height_cm", "45 feet", "This is no number."),
        ("trail_m", "200 m", "From 0 to 100."),
        ("bearing_deg", "360", "From 0 to 359."),
        ("trail_m", "-1", "From 0 to 100."),
        ("bait", "", "Choose one."),
        ("who", "", "This is needed."),
        ("who", "V" * 41, "At most 40 letters."),
        ("note", "n" * 201, "At most 200 letters."),
    ],
)
def test_a_field_that_is_wrong_is_said_beside_it_and_nothing_typed_is_lost(
    site: Site, field: str, value: str, words: str
) -> None:
    site.open()
    status, _, text = site.post("/card", CARD | {field: value, "do": "save"})
    assert status == 422
    assert words in text
    assert site.trap.saved == []
    for name in ("station", "position", "who", "note", "height_cm"):
        kept = (CARD | {field: value})[name].replace("<", "&lt;").replace(">", "&gt;")
        assert f'value="{kept}"' in text


def test_a_side_that_is_taken_is_said_and_a_replacing_unit_may_take_it(site: Site) -> None:
    site.trap.now = replace(UNIT, deployed=True, standing=STANDING)
    site.open()
    status, _, text = site.post("/card", CARD | {"do": "save"})
    assert status == 422
    assert "This trap is deployed already. End that deployment first." in text
    _, path, _ = site.post("/card", CARD | {"do": "save", "action": "take over"})
    assert path == "/sent/1"
    assert [said.action for said in site.trap.saved if isinstance(said, Card)] == ["take over"]


def test_a_clock_of_1970_makes_a_card_whose_time_is_not_believed(site: Site) -> None:
    site.trap.now = replace(UNIT, time_ms=86_400_000, uncertainty_ms=None)
    site.open()
    _, _, text = site.post("/card", CARD | {"do": "check"})
    assert "not sure: the base will correct it" in text
    site.post("/card", CARD | {"do": "save", "phone_ms": "1800000000123"})
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert (card.uncertainty_ms, card.phone_ms) == (None, 1_800_000_000_123)


def test_a_deployment_is_ended_by_name(site: Site) -> None:
    site.open()
    assert "nothing to end" in site.phone.get("/end").text
    site.trap.now = replace(UNIT, deployed=True, standing=STANDING)
    status, _, text = site.post("/end", {"who": ""})
    assert (status, "This is needed." in text) == (422, True)
    status, path, text = site.post("/end", {"who": "Li", "note": "battery"})
    assert (status, path, site.trap.saved) == (200, "/end", []), "it is asked once more"
    for words in ("End the deployment?", "This ends the deployment at S 12, left.", 'value="battery"', "Yes: end it"):
        assert words in text
    assert "End the deployment?" not in site.post("/end", {"who": "Li", "do": "change"})[2]
    assert site.post("/end", {"who": "Li", "note": "battery", "do": "save"})[1] == "/sent/1"
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert (card.action, card.station, card.side, card.who) == ("end", "S 12", "left", "Li")
    assert (
        "Switch the trap off and carry it away: the card goes when the trap is next heard"
        in site.phone.get("/sent/1").text
    )
    assert "On its way" in site.phone.get("/sent/9").text, "what the page no longer knows is no armed trap"
    site.trap.states |= {1: "delivered", 9: "delivered"}
    assert "you may take the trap away" in site.phone.get("/sent/1").text
    assert "The base has it." in site.phone.get("/sent/9").text


def test_a_sample_is_tied_to_station_and_place(site: Site) -> None:
    site.trap.now = replace(UNIT, deployed=True, standing=STANDING)
    site.open()
    fields = {"barcode": "NE-0042", "kind": "scat", "kept": "silica", "who": "Li", "sighting": "9"}
    status, path, text = site.post("/sample", fields)
    assert (status, path, site.trap.saved) == (200, "/sample", [])
    for words in ("Is this right?", "NE-0042", "on silica gel", "at the trap", "S 12"):
        assert words in text
    assert "43.12345" not in text, "no page shows where the trap stands"
    again = site.post("/sample", fields | {"do": "change"})[2]
    assert 'value="NE-0042"' in again
    assert "data-said" in again
    assert site.post("/sample", fields | {"do": "save"})[1] == "/sent/1"
    assert site.trap.saved == [
        Sample(
            barcode="NE-0042", kind="scat", kept="silica", station="S 12", who="Li", at_ms=NOW, uncertainty_ms=1500,
            sighting=9, latitude=43.12345, longitude=131.45678,
        )
    ]  # fmt: skip
    waiting = site.phone.get("/sent/1").text
    assert "Sample NE-0042 is saved on the trap." in waiting
    site.trap.states[1] = "delivered"
    there = site.phone.get("/sent/1").text
    assert "Sample NE-0042 is at the base." in there
    for text in (waiting, there):
        assert "you may" not in text
        assert "Another sample" in text
        assert 'href="/visit"' in text
    status, _, text = site.post("/sample", fields | {"barcode": "штрих"})
    assert (status, "Latin letters" in text) == (422, True)


def test_a_visit_says_what_was_done_and_is_followed_until_the_base_has_it(site: Site) -> None:
    site.open()
    page = site.phone.get("/visit").text
    for box in ("battery changed", "memory card changed", "desiccant changed", "lens cleaned", "camera straightened"):
        assert box in page
    fields = {"did-battery": "yes", "did-memory-card": "yes", "did-lens": "no", "note": "ice", "who": "Li"}
    status, path, text = site.post("/visit", fields)
    assert (status, path) == (200, "/sent/1")
    assert site.trap.saved == [
        Visit(who="Li", at_ms=NOW, uncertainty_ms=1500, note="ice", done=("battery", "memory card"))
    ]
    assert "The visit is saved on the trap." in text
    assert "On its way to the base… Wait up to 5 minutes." in text
    assert "you may leave" not in text
    site.trap.states[1] = "delivered"
    assert "The base has heard of your visit: you may leave." in site.phone.get("/sent/1").text
    assert 'name="who" type="text" inputmode="text" autocomplete="off" autocapitalize="off" value="Li"' in (
        site.phone.get("/visit").text
    )


def test_a_visit_without_a_name_comes_back_as_it_was_and_one_of_nothing_but_looking_is_taken(site: Site) -> None:
    site.open()
    status, path, text = site.post("/visit", {"did-desiccant": "yes", "note": "wet", "who": ""})
    assert (status, path, site.trap.saved) == (422, "/visit", [])
    assert '<a href="#who">Your name: This is needed.</a>' in text
    assert 'name="did-desiccant" value="yes" checked' in text
    assert 'value="wet"' in text
    assert site.post("/visit", {"who": "Li"})[1] == "/sent/1"
    (visit,) = site.trap.saved
    assert isinstance(visit, Visit)
    assert visit.done == ()


def test_a_visit_is_told_what_to_change(site: Site) -> None:
    site.open()
    assert "The trap knows of nothing that must be changed." in site.phone.get("/visit").text
    site.trap.now = replace(UNIT, needs=("Battery: change it, it is low.",), deployed=True)
    text = site.phone.get("/visit").text
    assert '<p class="wrong">Battery: change it, it is low.</p>' in text
    assert "must be changed" not in text
    assert 'href="/end">Take down' in text


def test_a_form_says_what_is_needed_and_knows_the_name_that_was_typed_before(site: Site) -> None:
    site.open()
    text = site.phone.get("/card").text
    needed = [
        part.split("<small")[0] for part in text.split("<label")[1:] if 'class="must"' in part.split("</label>")[0]
    ]
    assert [label.split(">")[1].strip() for label in needed] == ["Station", "Position", "Your name"]
    assert text.count('aria-required="true"') == 3
    assert 'Left or right trap of the station? <small class="must">' in text
    assert "Note <small>optional" in text
    assert 'id="who" name="who" type="text" inputmode="text" autocomplete="off" autocapitalize="off" value=""' in text
    site.post("/card", CARD | {"do": "save"})
    for path in ("/card", "/sample", "/end"):
        assert 'value="Vera"' in site.phone.get(path).text
    other = site.another()
    site.open(other)
    assert "Vera" not in other.get("/sample").text, "another phone is another ranger"


def test_a_walk_test_says_what_saw_the_walker_and_what_to_change(site: Site) -> None:
    site.open()
    assert site.post("/walk", {"do": "begin"})[0] == 200
    assert "noticed you, times: 0" in site.phone.get("/walk").text
    site.trap.steps = [Step(at_s=2, pir=True, seen="", confidence=0, sharp=False)]
    assert "Walk further away from the trap yourself" in site.phone.get("/walk").text
    site.trap.steps.append(Step(at_s=3, pir=False, seen="person", confidence=0.9, sharp=True))
    assert "Passed: you may end the test." in site.phone.get("/walk").text
    assert "Passed." in site.post("/walk", {"do": "end"})[2]
    assert not site.trap.walking


def test_an_ended_walk_test_stays_on_the_page_with_what_to_change(site: Site) -> None:
    site.open()
    site.post("/walk", {"do": "begin"})
    running = site.phone.get("/walk").text
    assert "The test is running: walk now. Seconds so far: 8, left: 112" in running
    assert "bent down, a few times" in running, "what to do stays to be read"
    assert "NOT passed." in site.post("/walk", {"do": "end"})[2]
    text = site.phone.get("/walk").text
    for words in ("The camera did not see you.", "What to change:", "Walk further away", "Test again"):
        assert words in text
    site.post("/walk", {"do": "begin"})
    assert "NOT passed." not in site.phone.get("/walk").text
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=False)]
    assert "No picture was sharp." in site.post("/walk", {"do": "end"})[2]


def test_who_goes_on_from_a_running_test_hears_first_that_it_was_not_passed(site: Site) -> None:
    site.open()
    site.post("/walk", {"do": "begin"})
    assert site.post("/walk", {"do": "next"})[1] == "/walk"
    assert "The last walk test saw nothing" in site.phone.get("/card").text
    assert site.post("/card", CARD | {"do": "save"})[1] == "/sent/1", "warned, not forbidden"
    site.post("/walk", {"do": "begin"})
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=True)]
    status, path, text = site.post("/walk", {"do": "next"})
    assert (status, path, site.trap.walking) == (200, "/card", False)
    for words in ("The last walk test", "No walk test"):
        assert words not in text


def test_a_walk_test_that_did_not_pass_is_told_before_the_card_and_when_the_ranger_leaves(site: Site) -> None:
    site.open()
    told = "No walk test was done in this visit"
    assert told in site.phone.get("/card").text
    site.post("/card", CARD | {"do": "save"})
    site.trap.states[1] = "delivered"
    leaving = site.phone.get("/sent/1").text
    assert "you may leave" in leaving
    assert told in leaving
    site.post("/walk", {"do": "begin"})
    assert "The walk test is still running." in site.phone.get("/card").text
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=False)]
    site.post("/walk", {"do": "end"})
    for path in ("/card", "/sent/1"):
        assert "The last walk test did not pass" in site.phone.get(path).text
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=True)]
    for path in ("/card", "/sent/1"):
        assert "walk test" not in site.phone.get(path).text


@pytest.mark.parametrize(
    ("height", "trail", "shown"),
    [
        ("45 cm", "3 m", (45, 3)),
        ("0.45 m", "350cm", (45, 3.5)),
        ("0,45 м", "3,5 м.", (45, 3.5)),
        ("5 cm", "0.5", (5, 0.5)),
        ("45.4", "3米", (45, 3)),
        ("0", "", (0, None)),
    ],
)
def test_lengths_are_understood_with_their_units(
    site: Site, height: str, trail: str, shown: tuple[int, float | None]
) -> None:
    site.open()
    fields = CARD | {"height_cm": height, "trail_m": trail}
    assert f'name="height_cm" value="{height}"' in site.post("/card", fields | {"do": "check"})[2], "as it was typed"
    site.post("/card", fields | {"do": "save"})
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert (card.height_cm, card.trail_m) == shown


@pytest.mark.parametrize(
    ("typed", "station"),
    [("s001", "S001"), ("s 12", "S 12"), ("ст5", "СТ5"), ("Pass", "Pass"), ("old oak 2", "old oak 2")],
)
def test_a_station_s_number_has_capital_letters(site: Site, typed: str, station: str) -> None:
    site.open()
    assert f"<dd>{station}, left</dd>" in site.post("/card", CARD | {"station": typed, "do": "check"})[2]
    site.post("/card", CARD | {"station": typed, "do": "save"})
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert card.station == station


def test_a_side_that_the_list_gives_to_the_other_trap_is_questioned(site: Site) -> None:
    site.open()
    asked = "By the operator&#39;s list this trap is the left one of its station"
    assert asked not in site.post("/card", CARD | {"do": "check"})[2]
    text = site.post("/card", CARD | {"side": "right", "do": "check"})[2]
    assert "Is it the right one?" in text
    assert asked in text
    assert site.post("/card", CARD | {"side": "right", "do": "save"})[1] == "/sent/1", "asked, not forbidden"


def test_the_menu_is_a_list_of_what_is_done(site: Site) -> None:
    site.open()
    text = site.phone.get("/menu").text
    assert "parcels to take: 31" in text
    assert "✓" not in text
    assert 'class="back"' not in text
    assert 'class="back"' in site.phone.get("/place").text
    site.post("/walk", {"do": "begin"})
    assert "is running" in site.phone.get("/menu").text
    site.post("/walk", {"do": "end"})
    assert "not passed" in site.phone.get("/menu").text
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=True)]
    assert f'✓&nbsp;passed · <time data-ms="{NOW}">2027-01-15 08:00 UTC</time>' in site.phone.get("/menu").text
    site.post("/card", CARD | {"do": "save"})
    assert site.phone.get("/menu").text.count("saved, on its way to the base") == 1
    site.post("/visit", {"who": "Li"})
    assert "visit saved, on its way to the base" in site.phone.get("/menu").text
    site.trap.states |= {1: "delivered", 2: "delivered"}
    site.trap.now = replace(site.trap.now, unreceipted=0)
    text = site.phone.get("/menu").text
    assert "✓&nbsp;at the base" in text
    assert "✓&nbsp;visit saved, and at the base" in text
    assert "parcels to take" not in text
    assert "data-renew" in text
    site.trap.now = replace(site.trap.now, deployed=True, standing=STANDING)
    site.post("/end", {"who": "Li", "do": "save"})
    site.trap.now = replace(site.trap.now, deployed=False, standing=None)
    text = site.phone.get("/menu").text
    assert text.count("saved, on its way to the base") == 1, "of what was done before the end nothing is ticked"
    assert "✓" not in text
    assert "Press Begin" in site.phone.get("/walk").text
    site.post("/walk", {"do": "begin"})
    assert "is running" in site.phone.get("/menu").text


def test_times_are_the_stations_with_utc_beside_them(site: Site) -> None:
    assert when(NOW, None) == f'<time data-ms="{NOW}">2027-01-15 08:00 UTC</time>'
    assert when(NOW, zone_of("Asia/Vladivostok")) == "<time>2027-01-15 18:00 UTC+10 (08:00 UTC)</time>"
    assert when(NOW, zone_of("Pacific/Kiritimati")) == "<time>2027-01-15 22:00 UTC+14 (08:00 UTC)</time>"
    assert when(NOW + 43_200_000, zone_of("Asia/Kolkata")) == (
        "<time>2027-01-16 01:30 UTC+5:30 (2027-01-15 20:00 UTC)</time>"
    )
    assert when(NOW, zone_of("America/St_Johns")) == "<time>2027-01-15 04:30 UTC−3:30 (08:00 UTC)</time>"
    assert [zone_of(name) for name in ("", "Nowhere/At all", "../../etc/passwd", "\0")] == [None] * 4


def test_every_page_says_the_stations_time_where_it_is_known(site: Site) -> None:
    desk = Desk(patience_s=5)
    parts = Parts(
        desk=desk, trap=site.trap, door=Door({"vera": HASHED}, 0, 0), region=(35, 70, 60, 150), address="192.168.4.1",
        view_deg=(66, 41), wrong=lambda count: None, zone=zone_of("Asia/Vladivostok"),
    )  # fmt: skip
    site.trap.now = replace(UNIT, deployed=True, standing=STANDING, since_ms=NOW)
    with looping(desk), served(create_page(parts)) as address, phone(address) as own:
        own.post("/", data={"pin": PIN})
        for path in ("/place", "/visit", "/card"):
            assert "2027-01-15 18:00 UTC+10 (08:00 UTC)" in own.get(path).text


def test_a_partner_that_is_not_heard_keeps_nobody_waiting(site: Site) -> None:
    site.trap.now = replace(UNIT, partner_db=None)
    site.open()
    for path in ("/place", "/visit"):
        text = site.phone.get(path).text
        assert "You may leave without hearing the other trap." in text
        assert "Both traps must be on." in text


def test_a_phone_that_lies_there_with_the_menu_keeps_no_page_open(site: Site) -> None:
    site.open()
    for path, counted in (("/menu", 0), ("/visit", 0), ("/place", 1)):
        before = len(site.touched)
        site.phone.get(path, headers={"x-renewed": "1"})
        assert len(site.touched) - before == counted, path
        site.phone.get(path)
        assert len(site.touched) - before == counted + 1


def test_a_visit_renews_itself_and_a_running_test_that_is_passed_says_so(site: Site) -> None:
    site.open()
    assert "data-renew" in site.phone.get("/visit").text
    assert "A card can be saved without a walk test" in site.phone.get("/walk").text
    site.post("/walk", {"do": "begin"})
    site.trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=True)]
    text = site.phone.get("/walk").text
    assert "Passed: you may end the test." in text
    assert text.index("Sharp pictures: 1") < text.index('value="end"'), "what came of it stands above the buttons"


@pytest.mark.parametrize(("language", "said", "shown"), [("en", "NE", "45° · NE"), ("ru", "З", "270° · З")])
def test_a_compass_word_is_taken_and_said_back(site: Site, language: str, said: str, shown: str) -> None:
    site.open()
    site.phone.post(f"/language/{language}")
    text = site.post("/card", CARD | {"bearing_deg": said, "do": "check"})[2]
    assert shown in text
    site.post("/card", CARD | {"bearing_deg": said, "do": "save"})
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert card.bearing_deg == int(shown.split("°")[0])


def test_what_is_wrong_is_named_at_the_top_and_led_to(site: Site) -> None:
    site.open()
    text = site.post("/card", CARD | {"side": "", "bearing_deg": "up", "do": "check"})[2]
    assert '<a href="#bearing_deg">Looks towards: Write N, NE, E … or degrees from 0 to 359.</a>' in text
    assert '<a href="#side">Left or right trap of the station?: Choose one.</a>' in text
    assert text.count('href="#') == 2
    assert '<fieldset id="side" class="field bad">' in text
    assert text.count('aria-invalid="true"') == 1
    for path in ("/sample", "/end"):
        site.trap.now = replace(UNIT, deployed=True, standing=STANDING)
        assert '<a href="#who">Your name: This is needed.</a>' in site.post(path, {"who": ""})[2]


def test_a_deployed_traps_card_opens_with_what_was_saved_but_its_position(site: Site) -> None:
    site.open()
    site.post("/card", CARD | {"do": "save"})
    text = site.phone.get("/card").text
    assert "Saved for this trap: S 12, left, by Vera." in text
    for name, value in {"station": "S 12", "height_cm": "60", "bearing_deg": "90", "trail_m": "3.5"}.items():
        assert re.search(f'name="{name}" [^>]*value="{value}"', text), name
    assert re.search('name="side" value="left" checked', text)
    assert re.search('name="position" [^>]*value=""', text)
    assert "The page does not show where the trap stands" in text
    site.trap.now = replace(UNIT, deployed=True)
    assert "Its card is sealed" in site.phone.get("/card").text


def test_what_is_not_known_yet_is_said_with_what_to_do(site: Site) -> None:
    site.open()
    assert "82 % · about 140 days · empty about 2027-06-04" in site.phone.get("/place").text
    site.trap.now = replace(UNIT, uncertainty_ms=None)
    assert "empty about" not in site.phone.get("/place").text, "a clock that is not believed gives no date"
    site.trap.now = replace(UNIT, days_left=65_000)
    assert "empty about" not in site.phone.get("/place").text
    site.trap.now = replace(UNIT, days_left=None, margin_db=None)
    text = site.phone.get("/place").text
    assert "how long it lasts is known after half a day" in text
    assert "not heard yet. It was asked when this visit began." in text
    assert "press the trap&#39;s button" in text or "press the trap's button" in text
    site.trap.now = replace(UNIT, battery=None, days_left=None)
    assert "its settings name no kind of cells" in site.phone.get("/place").text


def test_the_languages_stay_within_reach(site: Site) -> None:
    site.open()
    for path in ("/menu", "/place", "/walk", "/card", "/visit", "/end"):
        assert f'action="/language/mn?back={path}"' in site.phone.get(path).text
    assert "/language/mn" not in site.post("/card", CARD | {"do": "check"})[2], "what was typed would be lost"


def test_no_page_loads_itself_under_a_finger(site: Site) -> None:
    """With a script it changes in place; without one it loads itself, rarely enough to be read and pressed."""
    site.open()
    site.post("/walk", {"do": "begin"})
    site.post("/card", CARD | {"do": "save"})
    for path in ("/place", "/walk", "/sent/1"):
        text = site.phone.get(path).text
        refresh = re.findall(r'(<noscript>)?<meta http-equiv="refresh" content="(\d+)">', text)
        assert [(bool(only), int(every_s) >= 10) for only, every_s in refresh] == [(True, True)], path
        assert "data-renew" in text
    running = site.phone.get("/walk").text
    assert not any("<button" in part.split("</div>")[0] for part in running.split("<div data-live>")[1:])
    site.trap.states[1] = "delivered"
    assert "data-renew" not in site.phone.get("/sent/1").text, "there is nothing more to wait for"


def test_a_visit_says_from_when_it_counts_and_names_things_in_a_ranger_s_words(site: Site) -> None:
    site.open()
    text = site.phone.get("/visit").text
    for words in ("Since the memory card was new.", "Days the camera could not see", "The other trap of this station"):
        assert words in text
    site.trap.now = replace(UNIT, since_ms=NOW - 86_400_000)
    text = site.phone.get("/visit").text
    assert f'Since the last visit or card: <time data-ms="{NOW - 86_400_000}">2027-01-14 08:00 UTC</time>' in text


def test_the_parcels_go_on_where_a_phone_left_off(site: Site) -> None:
    site.trap.objects = stored_objects([(9, 0, 14), (8, 3, 300_000), (7, 3, 5_000)])
    site.open()
    before = site.phone.get("/visit").text
    answer = site.phone.get("/parcels.tar")
    whole, tag = answer.content, answer.headers["etag"]
    said = f"3 parcels, file pugmark-7-c0ffee01.tar, {len(whole) / 1e6:.1f}\u00a0MB."
    assert f"File: pugmark-7-c0ffee01.tar, {len(whole) / 1e6:.1f}\u00a0MB" in before
    assert "Sent to a phone" not in before
    site.trap.now = replace(UNIT, unreceipted=3, deployed=True, standing=STANDING)
    after = site.phone.get("/visit").text
    assert f"Sent to a phone: {said}" in after
    assert "Carry this file to any base: its page has “Bring parcels”." in after
    assert answer.headers["content-disposition"] == 'attachment; filename="pugmark-7-c0ffee01.tar"'
    del site.trap.objects[7, 3]  # a receipt let it go meanwhile: what began goes on, what is new begins anew
    rest = site.phone.get("/parcels.tar", headers={"range": "bytes=100000-200000", "if-range": tag})
    assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes 100000-200000/{len(whole)}")
    assert rest.content == whole[100_000:200_001]
    anew = site.phone.get("/parcels.tar", headers={"range": "bytes=100000-", "if-range": '"of last year"'})
    assert (anew.status_code, anew.headers["etag"] != tag) == (200, True)
    assert len(anew.content) < len(whole)
    assert site.phone.get("/parcels.tar", headers={"range": "bytes=99999999-"}).status_code == 416


def test_taking_down_knows_what_was_taken_in_this_visit(site: Site) -> None:
    site.trap.objects = stored_objects([(9, 0, 14), (8, 3, 3_000)])
    site.trap.now = replace(UNIT, unreceipted=2, deployed=True, standing=STANDING)
    site.open()
    assert '<p class="wrong">Parcels still here: 2. Take them with you first.' in site.phone.get("/end").text
    site.phone.get("/parcels.tar")
    text = site.phone.get("/end").text
    assert '<p class="good">Parcels still on this trap: 2. Taken as a file in this visit: 2.' in text
    assert 'class="wrong"' not in text
    assert 'href="/visit"' not in text
    site.trap.objects |= stored_objects([(10, 0, 14)])
    del site.trap.objects[9, 0]  # a receipt came, and a new sighting
    text = site.phone.get("/end").text
    assert '<p class="waiting">Parcels still on this trap: 2. Taken as a file in this visit: 1.' in text
    assert 'href="/visit"' in text


def test_a_full_card_says_so_and_the_trap_is_asked_again(site: Site) -> None:
    site.open()
    site.trap.fail = StorageError("database outbox: full")
    status, _, text = site.post("/card", CARD | {"do": "save"})
    assert status == 507
    assert "was not saved" in text
    site.trap.fail = None
    assert site.post("/card", CARD | {"do": "save"})[1] == "/sent/1"


def test_two_phones_at_once_have_a_form_each(site: Site) -> None:
    other = site.another()
    site.open()
    site.open(other)
    mine = site.phone.get("/card").text.split('name="form" value="')[1].split('"')[0]
    answer = other.post("/card", data={"form": mine, **CARD, "do": "save"})
    assert answer.status_code == 403
    assert site.trap.saved == []
    assert site.post("/card", CARD | {"do": "save"}, other)[1] == "/sent/1"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % i for i in range(100)), "application/x-www-form-urlencoded", 400),
        (b"form=x&station=1", "application/x-www-form-urlencoded", 403),
        (b"form=%00%ff", "application/x-www-form-urlencoded", 403),
    ],
)
def test_hostile_forms_are_refused_and_nothing_is_saved(site: Site, body: bytes, kind: str, status: int) -> None:
    site.open()
    for path in ("/card", "/visit", "/sample", "/end", "/walk"):
        assert site.phone.post(path, content=body, headers={"content-type": kind}).status_code == status
    assert site.trap.saved == []


def test_what_is_typed_never_becomes_part_of_the_page(site: Site) -> None:
    site.open()
    text = site.post("/card", CARD | {"note": '"><img src=x onerror=alert(1)>', "do": "check"})[2]
    assert "<img src=x" not in text
    assert site.phone.get("/menu").headers["content-security-policy"].startswith("default-src 'none'")


def test_a_page_says_no_picture_of_a_cat_and_no_position_but_the_one_just_typed(site: Site) -> None:
    site.trap.now = replace(UNIT, deployed=True, standing=STANDING)
    site.open()
    for path in INSIDE:
        if path != "/look.jpg":
            assert "43.1" not in site.phone.get(path).text.replace("43.12345, 131.45678", "")


@pytest.mark.parametrize("path", ["/menu/", "/static/../x", "/sent/x", "/parcels", "/language/xx", "/light/bright"])
def test_pages_that_are_none_are_said_to_be_none(site: Site, path: str) -> None:
    site.open()
    assert site.phone.get(path, follow_redirects=False).status_code in (404, 405, 307)


def test_a_phone_is_answered_in_its_language_and_remembers_another(site: Site) -> None:
    assert '<html lang="ru"' in site.phone.get("/", headers={"accept-language": "de, ru;q=0.8, en;q=0.5"}).text
    assert '<html lang="en"' in site.phone.get("/", headers={"accept-language": "xx;q=nan"}).text
    site.phone.post("/language/mn?back=/")
    assert '<html lang="mn"' in site.phone.get("/", headers={"accept-language": "ru"}).text
    assert site.phone.post("/language/ko?back=//evil.example/", follow_redirects=False).headers["location"] == "/"


def test_every_page_is_small(site: Site) -> None:
    site.open()
    shared = sum(len(site.phone.get(path).content) for path in ("/page.css", "/page.js"))
    for path in ("/", *INSIDE):
        if path != "/look.jpg":
            assert len(site.phone.get(path).content) + shared < 200_000 / 5


def test_a_phone_brings_a_release_and_is_told_what_comes_of_it(site: Site, tmp_path: Path) -> None:
    site.open()
    page = site.phone.get("/update").text
    token = page.split("/update?form=")[1].split('"')[0]
    file = {"file": ("pugmark-update-2026.12.1.tar", tar(FILES))}
    assert site.phone.post("/update?form=another", files=file).status_code == 403
    assert not (tmp_path / BROUGHT).exists(), "a form of another page brings nothing"
    answer = site.phone.post(f"/update?form={token}", files=file)
    assert answer.status_code == 200
    assert "The release is on the trap: 4 files, 6\u00a0kB." in answer.text
    assert "The base has not said yet" not in answer.text
    wrong = site.phone.post(f"/update?form={token}", files={"file": ("cat.jpg", b"x" * 600)})
    assert wrong.status_code == 422
    assert "This is no release&#39;s file." in wrong.text


def test_a_trap_that_takes_no_updates_has_no_such_page(site: Site) -> None:
    site.open()
    assert "Update" in site.phone.get("/menu").text
    parts = Parts(
        desk=Desk(patience_s=5), trap=site.trap, door=Door({"vera": HASHED}, 0, 0), region=(35, 70, 60, 150),
        address="192.168.4.1", view_deg=(66, 41), wrong=lambda count: None,
    )  # fmt: skip
    with looping(parts.desk), served(create_page(parts)) as address, phone(address) as own:
        own.post("/", data={"pin": PIN})
        assert "Update" not in own.get("/menu").text
        assert own.get("/update").status_code == 404
