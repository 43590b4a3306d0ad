"""A ranger's visit: what the Pi is told of the unit meanwhile, a walk test, a card that reaches the base, its end."""

import struct

from tests.mcu.stories.bench import PLAN, SF, Story, count
from trapmcu.supervisor import MODE_MS
from trapsim.unitsim.antenna import HEARD_SNR_QUARTERS
from trapsim.unitsim.world import HOUR, MINUTE, SECOND
from trapwire import events as ev
from trapwire.airtime import snr_floor_quarter_db, usable_frame
from trapwire.objects import NOTE
from trapwire.unitstates import SERVICE, UNKNOWN_DB

MODE = ">BBbbBBHHbH"
LATE_MS = 2 * SECOND
MARGIN_DB = (HEARD_SNR_QUARTERS - snr_floor_quarter_db(SF)) // 4
PARTNER_DB = (HEARD_SNR_QUARTERS - snr_floor_quarter_db(7)) // 4


def words(woods):
    """What the Pi was told in service: (when, margin, partner, SF, seconds since the base, temperature, edges)."""
    found = []
    for when, payload in woods.pi.words:
        _, _, margin, partner, sf, largest, heard_s, _, celsius, edges = struct.unpack(MODE, payload)
        assert largest == usable_frame(PLAN, sf)
        found.append((when, margin, partner, sf, heard_s, celsius, edges))
    return found


class VisitTest(Story):
    def visit(self, **given):
        """In the second hour somebody comes with a magnet; two minutes later the Pi is up for long."""
        woods = self.woods(**given)
        woods.run(HOUR)
        woods.unit.press(3 * SECOND)
        woods.run(2 * MINUTE)
        return woods

    def beeps(self, woods, since):
        return sum(1 for when, what in woods.unit.trace if when >= since and what == "beep on")

    def test_in_service_the_pi_is_told_every_five_seconds_how_the_unit_is(self):
        woods = self.visit()
        said = words(woods)
        gaps = [said[i + 1][0] - said[i][0] for i in range(len(said) - 1)]
        self.assertGreater(len(gaps), 15)
        self.assertEqual([gap for gap in gaps if not MODE_MS - LATE_MS <= gap <= MODE_MS + LATE_MS], [])
        _, margin, partner, sf, heard_s, celsius, edges = said[-1]
        self.assertEqual((margin, partner, sf, edges), (MARGIN_DB, UNKNOWN_DB, SF, 0))
        self.assertLess(heard_s, 130)  # the beat with which service begins is answered
        self.assertTrue(-60 <= celsius <= 60, celsius)
        woods.run(MINUTE)
        self.assertEqual(words(woods)[-1][4] - heard_s in range(58, 63), True)

    def test_the_margin_outlives_deep_sleep_though_the_base_says_it_but_once(self):
        woods = self.woods()
        woods.run(5 * HOUR)
        woods.air.cut_off(5, woods.world.now + HOUR)  # from now on the base says nothing
        woods.unit.press(3 * SECOND)
        woods.run(20 * SECOND)
        self.assertEqual(words(woods)[0][1], MARGIN_DB)
        self.assertTrue(words(woods)[0][4] in range(600, 7200))

    def test_a_walk_test_is_seen_whole_and_is_no_picture_and_no_cost(self):
        woods = self.visit(settings={"triggers_a_day": 10, "trigger_burst": 2, "min_gap_ms": 0})
        woods.passes(30, 3 * SECOND, SECOND)
        woods.run(2 * MINUTE)
        self.assertEqual((woods.pi.walked, woods.pi.looks, words(woods)[-1][6]), (30, 0, 30))
        woods.pi.visit_over = True
        woods.run(10 * MINUTE)
        self.assertEqual(woods.pi.looks, 0)
        woods.passes(2, MINUTE, MINUTE)  # both are let through: the budget is whole
        woods.run(10 * MINUTE)
        self.assertEqual(woods.pi.looks, 2)
        self.all_is_well(woods, 30 * MINUTE)

    def test_the_page_ends_the_visit_as_the_button_does_and_the_lamp_says_you_may_leave(self):
        woods = self.visit()
        ended = woods.world.now
        woods.pi.visit_over = True
        woods.run(20 * SECOND)
        self.assertEqual(count(woods.unit, ev.SERVICE_LEFT), 1)
        woods.run(2 * MINUTE)
        self.assertEqual(self.beeps(woods, ended), 2)  # long, long
        self.assertLess(woods.pi.powered_ms(), 4 * MINUTE)
        woods.unit.press(3 * SECOND)  # and nothing of it is left over for the next visit
        woods.run(5 * MINUTE)
        self.assertEqual(woods.pi.heard_modes[-1][1], SERVICE)
        self.all_is_well(woods, 40 * MINUTE)

    def test_a_card_that_has_reached_the_base_is_beeped_once_while_still_in_service(self):
        woods = self.visit()
        began = woods.world.now
        woods.run(MINUTE)
        self.assertEqual(self.beeps(woods, began), 0)
        woods.pi.save(300)
        woods.run(3 * MINUTE)
        self.assertEqual([key[3] for key in woods.base.rows], [NOTE])
        self.assertEqual(self.beeps(woods, began), 2)  # the pattern, once
        self.assertEqual(woods.pi.heard_modes[-1][1], SERVICE)
        self.all_is_well(woods, 40 * MINUTE)

    def test_a_note_of_every_day_beeps_for_nobody(self):
        woods = self.woods()
        woods.run(HOUR)
        began = woods.world.now
        woods.pi.save(300)
        woods.passes(1, HOUR, MINUTE)
        woods.run(30 * MINUTE)
        self.assertEqual([key[3] for key in woods.base.rows if key[3] == NOTE], [NOTE])
        self.assertEqual(self.beeps(woods, began), 0)

    def test_a_base_that_is_away_is_not_promised(self):
        woods = self.visit()
        woods.air.loss = 1.0
        woods.run(SECOND)
        ended = woods.world.now
        woods.pi.save(300)
        woods.pi.visit_over = True
        woods.run(5 * MINUTE)
        self.assertEqual(self.beeps(woods, ended), 6)  # six short: armed, but the base has not answered


class PairVisitTest(Story):
    def test_the_partners_margin_is_that_of_its_last_call(self):
        woods = self.woods(traps=(5, 6), settings={"station_key": "5a" * 16})
        woods.run(30 * MINUTE)  # their clocks, which each tells the other soon after its start
        woods.unit.press(3 * SECOND)
        woods.run(MINUTE)
        self.assertEqual(words(woods)[-1][2], PARTNER_DB)
