"""The Pi's camera of trapcam on the real picamera2, over libcamera's virtual camera (`tests/picamera2/run` starts it).

Prints a line for each promise and ends with 1 where one is broken. Real: picamera2 from PyPI, Debian trixie's libcamera
and Python 3.13, the adapter, its thread and its clock. In place of a Pi: `shims.py`.
"""

import gc
import itertools
import os
import resource
import threading
import time
from pathlib import Path

import shims  # first: what picamera2 is given in place of a Pi

# isort: split
from trapcam.camera.device import HEIGHT, WIDTH, Controls, DeviceError, DeviceSilentError
from trapcam.camera.pi import PiCamera, PiPlan
from trapcam.camera.picamera2_device import picamera2_opener
from trapcam.camera.watch import Bounds
from trapcam.frames import Burst, Unreadable
from trapcam.trigger import CAUSE_PIR, Trigger

BURSTS = int(os.environ.get("BURSTS", "12"))
BOUNDS = Bounds(start_s=20, shot_s=3, close_s=10, pause_s=0.2, renew_shots=40, in_a_row=4)
broken = []


def promise(kept, text):
    print(("ok       " if kept else "BROKEN   ") + text, flush=True)
    if not kept:
        broken.append(text)


def now_ms():
    return time.time_ns() // 1_000_000


def camera(plan=None):
    plan = plan or PiPlan(frames=4, every_s=0.3, preroll=1, answer_s=8, bounds=BOUNDS)
    opener = picamera2_opener(lens_position=0.2, rate=shims.RATE)
    return PiCamera(opener, plan, uncertainty_ms=None, now_ms=now_ms)


def idle(one, seconds):
    """As the app's loop does; what it was told."""
    told, end_s = [], time.monotonic() + seconds
    while time.monotonic() < end_s:
        told += [notice.counter for notice in one.tend()]
        time.sleep(0.05)
    return told


def resident_kb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def wait_for(one, counter, seconds):
    end_s, told = time.monotonic() + seconds, []
    while counter not in told and time.monotonic() < end_s:
        told += idle(one, 0.2)
    return told


def the_device():
    device = picamera2_opener(lens_position=0.2, rate=shims.RATE)()
    device.set_controls(Controls())
    began_s = time.monotonic()
    device.start()
    shots = [device.capture(5) for _ in range(5)]
    promise(True, f"a device starts and gives five pictures: {time.monotonic() - began_s:.2f} s")
    promise(all(shot.main.shape == (HEIGHT * 3 // 2, WIDTH) for shot in shots), f"of {WIDTH}×{HEIGHT}, packed")
    promise(all(a.at_s < b.at_s for a, b in itertools.pairwise(shots)), "each with a later time of the sensor")
    promise(all(abs(shot.at_s - time.monotonic()) < 10 for shot in shots), "on the monotonic clock")
    promise(all(shot.main.base is None or shot.main.flags.owndata or shot.main.base.flags.owndata for shot in shots),
            "in memory of their own")  # fmt: skip
    before = shots[0].main.copy()
    for _ in range(8):  # more than the camera has buffers
        device.capture(5)
    promise((before == shots[0].main).all(), "which the camera does not write into again")
    try:
        device.capture(0.001)
        promise(False, "a capture that takes too long says so")
    except DeviceSilentError as error:
        promise(True, f"a capture that takes too long says so: {error}")
    device.close()
    device.close()
    try:
        device.capture(1)
        promise(False, "a closed device says so")
    except DeviceError as error:
        promise(True, f"a closed device says so: {error}")


def bursts():
    one = camera()
    one.start()
    idle(one, 1.5)
    good = 0
    for number in range(BURSTS):
        trigger = Trigger(number=number, cause=CAUSE_PIR, at_ms=now_ms())
        burst = one.frames(trigger, number)
        if isinstance(burst, Burst) and len(burst.frames) == 4:
            times = [frame.taken_ms for frame in burst.frames]
            good += times == sorted(set(times)) and times[0] <= trigger.at_ms < times[-1]
            if number == 0:
                mean = burst.frames[0].image.mean(axis=(0, 1))
                promise(burst.frames[0].image.shape == (HEIGHT, WIDTH, 3), "a frame unpacks to RGB")
                promise(mean[0] > mean[2] + 5, f"in its colours: a ginger cat is more red than blue {mean.round()}")
        if "camera_renewals" in idle(one, 0.4):
            idle(one, 2)  # it is opened anew: no picture from before the next trigger yet
    promise(good == BURSTS, f"{good} of {BURSTS} bursts whole, begun before their trigger")
    seen = one._renewals
    told = [] if seen else wait_for(one, "camera_renewals", 30)
    promise(one._renewals > 0, f"{one._renewals} times closed and opened anew after 40 pictures")
    idle(one, 1.5)
    promise(isinstance(one.frames(Trigger(number=99, cause=CAUSE_PIR, at_ms=now_ms()), 0), Burst), "and goes on")
    promise(not any(text.startswith("camera_restarts") for text in told), "without a fault")
    return one


def dead_event_loop(one):
    """What really hangs picamera2: its event loop's thread dies of an exception, and no request ever comes."""
    device = one._feed._worker.device
    process = shims.Picamera2.process_requests

    def dies(self, display):
        raise RuntimeError("planted")

    shims.Picamera2.process_requests = dies
    threading.excepthook = lambda arguments: None
    told = wait_for(one, "camera_restarts_silent", 15)
    shims.Picamera2.process_requests = process
    promise("camera_restarts_silent" in told, f"a camera whose event loop died is found silent: {told}")
    idle(one, 2)
    burst = one.frames(Trigger(number=100, cause=CAUSE_PIR, at_ms=now_ms()), 0)
    promise(isinstance(burst, Burst), "it is opened again in this process, and gives bursts")
    promise(device._camera is None and one._watch.hung == 0, "nothing is left behind")


def no_memory(one):
    shims.heaps["room"] = 0
    told = wait_for(one, "camera_renewals", 30) + wait_for(one, "camera_restarts_memory", 15)
    promise("camera_restarts_memory" in told, f"no memory at a start is said so: {told}")
    burst = (
        one.frames(Trigger(number=101, cause=CAUSE_PIR, at_ms=now_ms()), 0) if one._watch.state.name != "LOST" else 0
    )
    promise(isinstance(burst, Unreadable), f"a burst without a camera is unreadable: {getattr(burst, 'reason', burst)}")
    shims.heaps["room"] = None


def lasting():
    """Restart after restart: neither buffers nor memory stay behind."""
    opener = picamera2_opener(lens_position=0.2, rate=shims.RATE)
    sizes = []
    for _ in range(12):
        device = opener()
        device.start()
        device.capture(5)
        device.close()
        del device
        gc.collect()
        sizes.append((resident_kb(), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()))
    promise(sizes[-1][0] - sizes[3][0] < 4_000, f"12 restarts: resident kB {[size[0] for size in sizes[3::4]]}")
    promise(sizes[-1][1] <= sizes[3][1] + 2, f"open files {[size[1] for size in sizes[3::4]]}")
    promise(sizes[-1][2] <= sizes[3][2], f"threads {[size[2] for size in sizes[3::4]]}")


the_device()
one = bursts()
dead_event_loop(one)
no_memory(one)
one.close()
promise(not one.hung, "closed, with no thread left behind")
lasting()
print(f"peak resident {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", flush=True)
raise SystemExit(1 if broken else 0)
