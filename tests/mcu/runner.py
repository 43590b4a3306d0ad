"""Runs unittest-style files under MicroPython: `micropython tests/mcu/runner.py tests.wire.test_link …`."""

import sys
import time
import unittest


def run(names):
    """Run every test method of the named modules; how many passed and failed."""
    passed = failed = 0
    for name in names:
        try:
            module = __import__(name)
        except unittest.SkipTest as reason:
            print("skipped %s: %s" % (name, reason))
            continue
        for part in name.split(".")[1:]:
            module = getattr(module, part)
        for title in sorted(dir(module)):
            case = getattr(module, title)
            if not isinstance(case, type) or not title.endswith("Test"):
                continue
            for method in sorted(dir(case)):
                if not method.startswith("test_"):
                    continue
                instance = case()
                try:
                    try:
                        getattr(instance, method)()
                    finally:
                        if hasattr(instance, "tearDown"):
                            instance.tearDown()
                    passed += 1
                except Exception as error:
                    failed += 1
                    print("FAILED %s.%s.%s" % (name, title, method))
                    sys.print_exception(error)
    return passed, failed


started = time.ticks_ms()
counts = run(sys.argv[1:])
version = ".".join(str(v) for v in sys.implementation[1][:3])
print("MicroPython %s: %.1f s" % (version, time.ticks_diff(time.ticks_ms(), started) / 1000))
print("%d passed, %d failed" % counts)
sys.exit(1 if counts[1] or not counts[0] else 0)
