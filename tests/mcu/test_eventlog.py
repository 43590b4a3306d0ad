"""The event log: its ring over power cuts at every byte, wear, rates, garbage. Both interpreters."""

import os
import struct
import unittest

from tests.mcu.bench import make_folder, remove_folder
from tests.mcu.cuts import every_cut
from tests.wire.world import Random, World
from trapmcu import eventlog
from trapmcu.eventlog import ENTRY, EventLog
from trapwire.basewords import BaseWords, decode_log
from trapwire.events import BATTERY_LOW, IMPORTANT, PI_CUT, PIR_STUCK, REPEATED, START, STATE
from trapwire.frame import LOG

SECONDS = 200000000
RECORDS = eventlog.RECORDS


def lot(_below):
    return 5


def entries(log, first=0, count=255):
    """(sequence, seconds, is true, code, value) of the newest, read as the link does."""
    found = []
    first, end = log.find(first, count)
    while first < end:
        first, data = log.read(first, end - first)
        if not data:
            break
        for at in range(0, len(data), 7):
            time_s, code, value = struct.unpack(ENTRY, data[at : at + 7])
            found.append((first, time_s, code > 127, code & 127, value))
            first += 1
    return found


class LogTest(unittest.TestCase):
    def __init__(self, *names):
        super().__init__(*names)
        self.folder = make_folder()
        eventlog.RECORDS = RECORDS

    def tearDown(self):
        eventlog.RECORDS = RECORDS
        remove_folder(self.folder)

    def log(self, kept=b""):
        return EventLog(self.folder, lot, kept)

    def test_what_is_important_is_durable_at_once_and_the_rest_in_company(self):
        log = self.log()
        log.add(STATE, 2, SECONDS, True)
        self.assertEqual(entries(self.log()), [])
        log.add(PI_CUT, 1, 77)
        first = 6 * 2 * RECORDS
        expected = [(first, SECONDS, True, STATE, 2), (first + 1, 77, False, PI_CUT, 1)]
        self.assertEqual(entries(self.log()), expected)
        for i in range(eventlog.MAX_WAITING - 1):
            log.add(2 + i, 0, SECONDS)
        self.assertEqual(len(entries(self.log())), 2)
        log.add(STATE, 0, SECONDS)
        self.assertEqual(len(entries(self.log())), 2 + eventlog.MAX_WAITING)

    def test_what_waits_outlives_sleep_in_retained_memory(self):
        log = self.log()
        log.add(STATE, 1, SECONDS, True)
        kept = log.retain()
        again = self.log(kept)
        again.add(START, 0, SECONDS + 1, True)
        self.assertEqual([e[3:] for e in entries(again)], [(STATE, 1), (START, 0)])
        self.assertEqual(self.log(again.retain()).retain(), b"")
        self.log(bytes(range(250))).add(START, 1, 5)  # garbage there is no trouble

    def test_a_fault_of_every_second_is_counted_and_does_not_wear_the_flash(self):
        log = self.log()
        for second in range(7200):
            log.add(PIR_STUCK, 1, 3600 * 100 + second)
        codes = [(e[3], e[4]) for e in entries(log)]
        self.assertEqual(codes, ([(PIR_STUCK, 1)] * 4 + [(REPEATED, PIR_STUCK << 8 | 255)]) * 2)

    def test_the_rate_holds_over_resets_and_sleep(self):
        kept = b""
        for second in range(50):
            log = self.log(kept)
            log.add(PIR_STUCK, 1, 3600 * 100 + second)
            kept = log.retain()
        self.assertEqual(len(entries(self.log())), 4)
        self.assertLess(len(kept), 57)
        log = self.log(kept)
        log.add(PIR_STUCK, 1, 3600 * 101)
        self.assertEqual([e[3:] for e in entries(log)][4:], [(REPEATED, PIR_STUCK << 8 | 46), (PIR_STUCK, 1)])

    def test_the_rate_holds_whichever_file_is_the_newer(self):
        eventlog.RECORDS = 6
        log = self.log()
        for i in range(40):
            log.add(BATTERY_LOW, i, 3600 * (100 + i // 3))
            before = os.stat(self.folder + "/log0")[6]
            again = self.log()
            again.add(BATTERY_LOW, 99, 3600 * (100 + i // 3))  # the second to fourth of this hour
            if i % 3 == 2:
                again.add(BATTERY_LOW, 99, 3600 * (100 + i // 3))
            self.assertLess(before, 6 * 13 + 1)
            log = self.log()

    def test_the_last_fault_is_known_for_a_day_also_after_a_reset(self):
        log = self.log()
        self.assertEqual(log.fault(SECONDS), 0)
        log.add(PI_CUT, 0, SECONDS, True)
        log.add(START, 0, SECONDS + 9, True)
        for again in (log, self.log()):
            self.assertEqual(again.fault(SECONDS + 86399), PI_CUT)
            self.assertEqual(again.fault(SECONDS + 86400), 0)

    def test_the_ring_keeps_the_newest_and_counts_on(self):
        eventlog.RECORDS = 10
        log = self.log()
        for i in range(95):
            log.add(IMPORTANT, i, 3600 * i)
        found = entries(log)
        self.assertEqual([e[4] for e in found], list(range(80, 95)))
        self.assertEqual([e[0] for e in found], [120 + i for i in range(80, 95)])
        self.assertEqual(entries(self.log()), found)
        self.assertEqual([e[4] for e in entries(log, 120 + 90, 3)], [90, 91, 92])
        self.assertEqual([e[4] for e in entries(log, 7, 2)], [93, 94], "none of that sequence: the newest")
        self.assertEqual([e[4] for e in entries(log, 9999999, 1)], [94])
        self.assertEqual(entries(log, 0, 0), [])

    def test_damage_anywhere_costs_what_it_hit(self):
        eventlog.RECORDS = 10
        log = self.log()
        for i in range(15):
            log.add(IMPORTANT, i, 3600 * i)
        whole = {}
        for name in ("log0", "log1"):
            with open(self.folder + "/" + name, "rb") as file:
                whole[name] = file.read()
        for at in range(195):
            name = "log0" if at < 130 else "log1"
            data = bytearray(whole[name])
            data[at % 130] ^= 0x41
            with open(self.folder + "/" + name, "wb") as file:
                file.write(data)
            again = self.log()
            lost = at // 13
            self.assertEqual([e[4] for e in entries(again)], [i for i in range(15) if i != lost])
            with open(self.folder + "/" + name, "wb") as file:
                file.write(whole[name])

    def test_garbage_in_the_files(self):
        random = Random(5)
        for size in (0, 1, 12, 13, 14, 500, 4095, 9000):
            for name in ("log0", "log1"):
                with open(self.folder + "/" + name, "wb") as file:
                    file.write(random.bytes(size))
            log = self.log()
            self.assertEqual(entries(log), [])
            log.add(START, 1, SECONDS, True)
            self.assertEqual([e[3:] for e in entries(self.log())], [(START, 1)])
            os.remove(self.folder + "/log0")
        os.mkdir(self.folder + "/log0")  # not even a file
        log = self.log()
        log.add(START, 1, SECONDS, True)
        log.add(START, 2, SECONDS, True)

    def test_flash_that_refuses_everything_raises_nothing_and_holds_little(self):
        log = EventLog(self.folder + "/none", lot)
        for i in range(5000):
            log.add(IMPORTANT + i % 20, i, 3600 * i)
        self.assertEqual(entries(log), [])
        self.assertLess(len(log.retain()), 57)
        os.mkdir(self.folder + "/none")
        log.add(START, 7, 3600 * 5000)
        self.assertEqual(entries(log)[-1][4], 7)
        self.assertEqual(len(entries(log)), 9)
        for name in ("log0", "log1"):
            if name in os.listdir(self.folder + "/none"):
                os.remove(self.folder + "/none/" + name)
        os.rmdir(self.folder + "/none")

    def test_an_excerpt_over_a_whole_link(self):
        words = BaseWords(9)
        world = World(loss=0.2, seed=3, frame_bytes=36, heartbeat_ms=20000, words=words)
        log = self.log()
        for i in range(30):
            log.add(IMPORTANT + i % 20, i, 3600 * i, True)
        world.traps[0].link.words.log = log
        heard = {}
        on_up = words.on_up

        def keep(frame, now):
            events = on_up(frame, now)
            if frame.kind == LOG:
                first, _, found = decode_log(frame.payload)
                for i, entry in enumerate(found):
                    heard[first + i] = entry
            return events

        words.on_up = keep
        words.ask_log(1, 0, 25)
        self.assertTrue(world.run(lambda: not words.asks_log(1), 3600000))
        self.assertEqual([(s,) + heard[s] for s in sorted(heard)], entries(log, 0, 25))

    def test_power_cut_at_every_flash_operation(self):
        eventlog.RECORDS = 7

        def story(path, journal):
            log = EventLog(path, lot)
            for i in range(18):
                log.add(STATE, 1000 + i, 3600 * i)
                log.add(IMPORTANT, i, 3600 * i)
                journal.append(i)

        def check(path, journal):
            log = EventLog(path, lot)
            found = entries(log)
            important = [e[4] for e in found if e[3] == IMPORTANT]
            last = len(journal)
            # What was promised is there as far as the ring goes; beyond it at most what was being written.
            self.assertTrue(important == [] or important[-1] in (last - 1, last))
            self.assertEqual(important, list(range(important[0], important[-1] + 1)) if important else [])
            self.assertTrue(len(important) >= min(last, 3))
            sequences = [e[0] for e in found]
            self.assertEqual(sequences, list(range(sequences[0], sequences[0] + len(found))) if found else [])
            log.add(START, 4242, 3600 * 100)
            after = entries(EventLog(path, lot))
            self.assertEqual(after[-1][3:], (START, 4242))
            self.assertEqual([e for e in found if e in after], after[:-1])

        counts = every_cut([eventlog], lambda path: None, story, check)
        self.assertGreater(min(counts), 30)
        print("power cuts:", counts)


if __name__ == "__main__":
    unittest.main()
