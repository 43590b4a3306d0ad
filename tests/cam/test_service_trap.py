"""The trap behind the ranger's page: a walk test that ends by time and keeps its result; what a visit counts from."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from cam_parts import BACKEND, NOW, PERSON, ColourJudge, PtySupervisor, sealer
from nacl.signing import SigningKey
from records import SOURCE, kept

from trapcam.card_notes import CardNotes
from trapcam.clock import Clock
from trapcam.frames import Frame
from trapcam.outbox import Outbox
from trapcam.service.desk import Desk
from trapcam.service.trap import WALK_EVERY_MS, ServiceTrap
from trapcam.service.unit import WALK_S
from trapcam.trigger import CAUSE_PARTNER, CAUSE_PIR, Trigger
from trapcam.unitwords import UnitWords
from trapcam.uplink import Uplink
from trapkit.cards import Card, Visit
from trapwire.unitstates import SERVICE

UNIT = bytes(SigningKey(bytes(range(64, 96))))
DAY_MS = 86_400_000
PLACED = Card(action="place", station="Pass", side="left", who="Vera", at_ms=NOW, latitude=43.1, longitude=131.4)


@dataclass
class Site:
    """A trap at a test's own time, which sees one colour."""

    trap: ServiceTrap = field(init=False)
    now_ms: int = 0
    worn: bool = False
    uplink: Uplink = field(init=False)
    pixels: np.ndarray = field(default_factory=lambda: np.zeros((48, 64, 3), np.uint8))


@pytest.fixture
def site(outbox: Outbox, supervisor: PtySupervisor) -> Iterator[Site]:
    made = Site()
    clock = Clock(None, system_ms=lambda: NOW + made.now_ms, monotonic_ms=lambda: made.now_ms)
    made.uplink = Uplink(supervisor.port, outbox, bytes(BACKEND.verify_key))
    made.trap = ServiceTrap(
        Desk(), outbox, CardNotes(outbox, sealer(), UNIT), clock,
        made.uplink,
        lambda position: Frame(pixels=made.pixels, taken_ms=NOW, uncertainty_ms=None, name="look"),
        SOURCE, ColourJudge(), lambda: made.now_ms, worn=lambda: made.worn,
    )  # fmt: skip
    yield made
    made.trap.close()


def test_a_walk_test_ends_by_time_and_its_result_stays_for_the_visit(site: Site) -> None:
    trap = site.trap
    assert trap.walk() is None
    trap.begin_walk()
    trap.on_trigger(Trigger(number=1, cause=0, at_ms=NOW, in_service=True))
    for _ in range(WALK_S):
        assert trap.step()
        site.now_ms += WALK_EVERY_MS
    assert not trap.step(), "it looks no more"
    site.now_ms += 60_000
    walk = trap.walk()
    assert walk is not None
    assert (walk.running, walk.lasted_s, walk.noticed, walk.seen) == (False, WALK_S - 1, 1, 0)
    trap.begin_walk()
    site.pixels[0, 0] = PERSON
    trap.step()
    trap.end_walk()
    again = trap.walk()
    assert again is not None
    assert (again.running, again.noticed, again.seen) == (False, 0, 1)
    trap.close()
    assert trap.walk() is None, "a later visit is told nothing of this one"


def test_what_the_partner_noticed_is_no_walk_past_this_trap(site: Site) -> None:
    site.trap.begin_walk()
    site.trap.on_trigger(Trigger(number=1, cause=CAUSE_PARTNER, at_ms=NOW, in_service=True))
    site.trap.step()
    site.now_ms += WALK_EVERY_MS
    walk = site.trap.walk()
    assert walk is not None
    assert walk.noticed == 0
    site.trap.on_trigger(Trigger(number=2, cause=CAUSE_PIR, at_ms=NOW, in_service=True))
    site.trap.step()
    walk = site.trap.walk()
    assert walk is not None
    assert walk.noticed == 1


def test_what_happened_is_counted_from_the_card_and_then_from_the_last_visit(site: Site, outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    assert (site.trap.unit().triggers, site.trap.unit().since_ms) == (1, None)
    site.trap.save(PLACED)
    assert (site.trap.unit().triggers, site.trap.unit().since_ms) == (0, NOW)
    outbox.commit(kept(1))
    site.now_ms += 60_000
    site.trap.close()
    assert (site.trap.unit().triggers, site.trap.unit().since_ms) == (1, NOW), "the page was opened again"
    site.trap.close()
    site.now_ms += 30 * DAY_MS
    outbox.commit(kept(2))
    assert (site.trap.unit().triggers, site.trap.unit().since_ms) == (1, NOW + 60_000)


def test_a_saved_visit_is_counted_from_at_once(site: Site, outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    number = site.trap.save(Visit(who="Vera", at_ms=NOW, done=("battery",)))
    assert site.trap.progress(number) == "waiting"
    unit = site.trap.unit()
    assert (unit.triggers, unit.since_ms, unit.deployed) == (0, NOW, False), "a visit begins no deployment"


@pytest.mark.parametrize(
    ("battery", "days_left", "worn", "needs"),
    [
        (None, None, False, ()),
        (26, 60, False, ()),
        (25, 300, False, ("Battery: change it, it is low.",)),
        (90, 59, False, ("Battery: change it, or it is empty within two months.",)),
        (90, None, True, ("Memory card: change it, it wears out. Take the parcels with you first.",)),
    ],
)
def test_what_to_change_is_what_the_control_board_and_the_card_show(
    site: Site, battery: int | None, days_left: int | None, worn: bool, needs: tuple[str, ...]
) -> None:
    site.worn = worn
    site.uplink.words = UnitWords(at_ms=NOW, state=SERVICE, battery=battery, days_left=days_left)
    assert site.trap.unit().needs == needs
