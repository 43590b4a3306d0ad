"""The PIR tells too much: a budget keeps the battery, and is reported."""

from tests.mcu.stories.bench import ON_A_DISK, Story, count
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev

BURST, A_DAY = 40, 100  # of the settings


class PirTest(Story):
    def test_pir_bush_in_wind(self):
        woods = self.woods(feline_permille=0)
        at, dice = HOUR, woods.world.dice
        while at < 13 * HOUR:
            woods.unit.pir_at.append(at)
            at += 1000 + dice.below(20 * SECOND)
        edges = len(woods.unit.pir_at)
        woods.run(DAY)
        self.assertGreater(edges, 3000)
        self.assertLess(woods.pi.looks, BURST + A_DAY // 2 + 5)
        self.assertGreater(woods.pi.looks, A_DAY // 2)
        self.assertLess(woods.pi.powered_ms(), 30 * MINUTE)
        self.assertGreater(count(woods.unit, ev.BUDGET_SPENT), 0)
        self.assertGreater(woods.base.beats, 20)
        self.assertEqual(woods.unit.causes[2:], [0, 0])
        self.assertEqual(woods.ledger.unexplained(woods.unit, MINUTE), [])
        looks = woods.pi.looks
        woods.pi.feline_permille = 1000
        woods.passes(3, HOUR, 12 * HOUR)
        woods.run(20 * HOUR)
        self.assertEqual(woods.pi.looks - looks, 3)  # the budget has come back
        self.all_is_well(woods, MINUTE)

    def test_a_pir_that_is_stuck_for_two_days(self):
        woods = self.woods(feline_permille=0)
        woods.run(HOUR)
        woods.unit.edge()
        woods.run(SECOND)
        woods.unit.pir_high_until = woods.world.now + 2 * DAY
        starts = woods.unit.causes[1]
        woods.run(2 * DAY)
        self.assertEqual(woods.pi.looks, 1)
        self.assertGreater(woods.base.beats, 40)
        self.assertEqual(woods.health("fault"), ev.PIR_STUCK)
        self.assertTrue(6 < count(woods.unit, ev.PIR_STUCK) < 12)  # after 10, 20, 40 minutes and so on
        self.assertLess(woods.unit.causes[1] - starts, 120 + 48 + 48 + 20)  # not every 5 s for two days: 34,560
        self.assertGreater(woods.unit.slept_ms, 47 * HOUR)
        woods.run(HOUR)
        woods.pi.feline_permille = 1000
        woods.passes(2, HOUR, 12 * HOUR)
        woods.run(16 * HOUR)
        self.assertEqual(woods.ledger.missing(), [])
        self.assertEqual(woods.pi.sightings, 2)


if not ON_A_DISK:  # minutes on CPython
    del PirTest.test_pir_bush_in_wind
    del PirTest.test_a_pir_that_is_stuck_for_two_days
