"""What the link holds in a microcontroller's memory: under 32 kB with two objects in flight. Only MicroPython tells."""

import gc
import unittest

from tests.wire.keys import base_key, trap_key
from tests.wire.world import Random, no_reserve
from trapwire.fragments import cut
from trapwire.frame import ACK, FRAGMENT, Counter
from trapwire.linktimes import LinkTimes
from trapwire.objects import CROP, FRAME, RECEIPT, Envelope, ObjectKey
from trapwire.payloads import Heartbeat
from trapwire.traplink import TrapLink

FRAME_BYTES = 255
MOST_BYTES = 32768
QUEUED = 20  # sightings that wait in flash: their keys are held, their bytes are not


def beat():
    return Heartbeat({"battery": 80})


class HeapTest(unittest.TestCase):
    def test_two_objects_in_flight_take_less_than_32_kb(self):
        """A frame of 8 kB on its way up, the largest receipt half down, and a queue behind."""
        random = Random(4)
        flash = {ObjectKey(1, 7, 1, FRAME): Envelope(ObjectKey(1, 7, 1, FRAME), random.bytes(8192)).encode()}
        receipt = cut(Envelope(ObjectKey(1, 7, 1, RECEIPT), random.bytes(417)).encode(), 99)
        base = base_key(1)
        cost = self.allocated()
        link = TrapLink(
            trap_key(1), FRAME_BYTES, LinkTimes(), Counter(0, no_reserve), self.loader(flash), random.below, beat
        )
        link.offer(ObjectKey(1, 7, 1, FRAME), 2)
        for number in range(2, 2 + QUEUED):
            link.offer(ObjectKey(1, 7, number, CROP), 3)
        now, worst = 0, 0
        for step in range(30):
            now = max(now, link.deadline(now) or now) + 1
            frame = link.next_frame(now, False)
            if frame is not None:
                link.sent(now)
            if step < len(receipt) - 1:
                answer = base.seal(FRAGMENT, False, step, receipt[step])
            else:
                answer = base.seal(ACK, False, step, b"")
            link.on_frame(answer, now)
            worst = max(worst, self.allocated() - cost)
        self.assertGreater(step, 20)
        if hasattr(gc, "mem_alloc"):
            print("link with two objects in flight and %d waiting: %d bytes" % (QUEUED, worst))
            self.assertGreater(worst, 8192)  # the frame is there
            self.assertLess(worst, MOST_BYTES)

    @staticmethod
    def loader(flash):
        def load(key):
            data = flash.get(key)
            return None if data is None else bytes(bytearray(data))  # read anew, as from flash

        return load

    @staticmethod
    def allocated():
        """Bytes in use on the heap, garbage not counted; 0 where the interpreter does not tell."""
        gc.collect()
        return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


if __name__ == "__main__":
    unittest.main()
