"""Flash fails at the worst moment: only under MicroPython, where it is a real littlefs."""

from tests.mcu.stories.bench import ON_A_DISK, Story, count
from trapsim.unitsim.world import HOUR, MINUTE, SECOND
from trapwire import events as ev

if ON_A_DISK:

    class FlashTest(Story):
        def test_power_cut_at_every_flash_write(self):
            cuts = 0
            while True:
                woods = self.woods(seed=13, feline_permille=1000, loss=0.0, blocks=64)
                disk = woods.unit.flash.disk
                disk.cut_at = disk.ops + cuts + 1
                woods.passes(2, 90 * SECOND, 30 * SECOND)
                woods.run(3 * MINUTE)
                is_over = disk.cut_at is not None
                disk.cut_at = None
                woods.passes(1, MINUTE, SECOND)
                done = woods.run(30 * MINUTE, woods.settled) or woods.settled()
                woods.run(MINUTE)
                if not done or woods.ledger.lost() or woods.ledger.doubled() or woods.pi.on_since is not None:
                    raise AssertionError("power cut at write %d: %r" % (cuts + 1, woods.ledger.missing()))
                woods.close()
                if is_over:
                    break
                cuts += 1
            self.assertGreater(cuts, 60)

        def test_flash_that_is_full_loses_nothing(self):
            woods = self.woods(seed=2, feline_permille=1000, blocks=16)
            woods.run(HOUR)
            woods.air.cut_off(5, woods.world.now + 10 * HOUR)
            woods.passes(16, 30 * MINUTE, MINUTE)
            woods.run(10 * HOUR)
            self.assertEqual(woods.pi.looks, 16)
            self.assertEqual(count(woods.unit, ev.QUEUE_FULL), 0)  # its flash was full, not its queue
            waiting = [row for row in woods.pi.waiting.values() if row.state == 0]
            self.assertGreater(len(waiting), 5)
            woods.passes(6, HOUR, HOUR)
            woods.run(8 * HOUR)
            self.all_is_well(woods, 11 * MINUTE)

        def test_flash_that_refuses_writes_for_an_hour(self):
            woods = self.woods(seed=2, feline_permille=1000)
            woods.run(HOUR)
            disk = woods.unit.flash.disk
            disk.refuse_from = disk.ops + 1
            woods.passes(2, 20 * MINUTE, MINUTE)
            woods.run(HOUR)
            disk.refuse_from = None
            woods.passes(2, HOUR, MINUTE)
            woods.run(4 * HOUR)
            self.assertEqual(woods.health("fault"), ev.FLASH_FULL)
            self.assertEqual(woods.unit.causes[2:], [0, 0])
            self.all_is_well(woods, 11 * MINUTE)

        def test_a_unit_whose_flash_is_dead_keeps_watching(self):
            woods = self.woods(seed=2, feline_permille=1000)
            woods.run(HOUR)
            disk = woods.unit.flash.disk
            disk.refuse_from = disk.ops + 1
            woods.passes(3, HOUR, HOUR)
            woods.run(6 * HOUR)
            self.assertEqual(woods.pi.looks, 3)
            self.assertIsNone(woods.pi.on_since)
            self.assertEqual(woods.unit.causes[2:], [0, 0])
