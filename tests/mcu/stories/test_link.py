"""The air is silent, or somebody on it has other plans."""

from tests.mcu.stories.bench import ON_A_DISK, SF, Story
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire.objects import PACK, Envelope, ObjectKey
from trapwire.words import DONE, ON_TRIAL, REVERTED, SETTING_CODES

PAIR = "0b" * 16


class LinkTest(Story):
    def test_dead_link_for_a_week_then_heard_again(self):
        woods = self.woods(seed=2, fresh_every=100)
        woods.run(HOUR)
        woods.air.cut_off(5, woods.world.now + 7 * DAY)
        woods.passes(35, 4 * HOUR, HOUR)
        woods.run(7 * DAY)
        self.assertEqual(woods.pi.looks, 35)
        self.assertGreater(len(woods.ledger.missing()), 12)
        self.assertGreater(woods.unit.slept_ms, 6 * DAY)
        woods.run(2 * HOUR)
        self.all_is_well(woods, 80 * SECOND)

    def test_a_base_that_starts_again_and_noise_on_the_air_double_nothing(self):
        woods = self.woods(seed=6, loss=0.3, feline_permille=800)
        woods.passes(16, 90 * MINUTE, 10 * MINUTE)
        for hour in range(1, 24, 2):
            woods.world.at(hour * HOUR + 12 * MINUTE, woods.base.restart)
            woods.world.at(hour * HOUR, lambda: woods.air.noise(woods.world.now + 7 * MINUTE))
        woods.run(26 * HOUR)
        self.assertGreater(woods.pi.sightings, 8)
        self.all_is_well(woods)

    def test_a_settings_pack_comes_down_over_a_bad_air_and_a_power_cut_between_two_pieces(self):
        woods = self.woods(seed=4, loss=0.3, feline_permille=1000)
        woods.run(HOUR)
        pack = Envelope(ObjectKey(5, 17, 9, PACK), bytes(range(256)) * 15)
        woods.base.link.offer_down(pack)
        sent = woods.base.chip.sent
        woods.run(2 * HOUR, lambda: woods.base.chip.sent - sent >= 6)
        self.assertEqual(woods.base.down_delivered, 0)
        woods.unit.cut_power(MINUTE)
        woods.run(3 * HOUR, lambda: woods.base.down_delivered > 0)
        self.assertEqual((woods.base.down_delivered, woods.pi.packs), (1, []))  # it waits in flash for the Pi
        woods.passes(1, HOUR)
        woods.run(2 * HOUR)
        self.assertEqual(woods.pi.packs, [pack.encode()])
        self.all_is_well(woods)

    def test_base_sets_sf_and_it_reverts(self):
        woods = self.woods(seed=8, feline_permille=1000)
        woods.run(HOUR)
        woods.base.words.set(5, 41, SETTING_CODES["sf"], 11)
        woods.run(3 * HOUR)
        outcomes = [reply[2] for reply in woods.base.replies if reply[1] == 41]
        self.assertEqual((outcomes[0], outcomes[-1]), (ON_TRIAL, REVERTED))
        self.assertEqual(woods.unit.chip.tuning.sf, SF)
        woods.passes(2, HOUR)
        woods.run(4 * HOUR)
        self.all_is_well(woods)

    def test_base_sets_sf_and_both_are_there(self):
        woods = self.woods(seed=8, feline_permille=1000)
        woods.run(HOUR)
        woods.base.words.set(5, 42, SETTING_CODES["sf"], 10)
        woods.run(2 * HOUR, lambda: len(woods.base.replies) > 0)
        woods.run(20 * SECOND)
        woods.base.retune(10)
        woods.run(HOUR)
        self.assertEqual(woods.base.replies[-1][1:3], (42, DONE))
        woods.passes(2, HOUR)
        woods.run(4 * HOUR)  # each start comes from mcu.json and what was set by radio
        self.all_is_well(woods)

    def test_a_heartbeat_that_was_set_oftener_is_kept_over_sleeps(self):
        woods = self.woods()
        woods.run(HOUR)
        woods.base.words.set(5, 43, SETTING_CODES["heartbeat_ms"], 10 * MINUTE)
        woods.run(2 * HOUR)
        beats = woods.base.beats
        woods.run(6 * HOUR)
        self.assertGreater(woods.base.beats - beats, 33)


class PairTest(Story):
    def test_partner_cross_wake_from_deep_sleep(self):
        woods = self.woods(seed=5, traps=(5, 6), settings={"station_key": PAIR}, loss=0.0, feline_permille=1000)
        woods.run(HOUR)
        woods.passes(8, HOUR, 25 * MINUTE)
        woods.run(9 * HOUR)
        both = [unit.pi.looks for unit in woods.units]
        self.assertEqual(both[0], 8)
        self.assertGreater(both[1], 6)  # a call is missed where the partner's link is in a turn
        woken = [woken for _, _, woken in woods.units[1].starts]
        self.assertGreater(len([w for w in woken if w & 4]), 5)
        self.all_is_well(woods, LOOK_REACH_OF_TWO)
        self.assertGreater(woods.units[1].slept_ms, 9 * HOUR)

    def test_a_pair_that_sleeps_listens_for_less_than_a_twentieth_of_the_time(self):
        woods = self.woods(traps=(5, 6), settings={"station_key": PAIR}, fresh_every=10)
        woods.run(DAY)
        for unit in woods.units:
            self.assertLess(unit.chip.listen_ms, DAY // 20)


LOOK_REACH_OF_TWO = 50 * SECOND


if not ON_A_DISK:  # minutes on CPython
    del LinkTest.test_dead_link_for_a_week_then_heard_again
