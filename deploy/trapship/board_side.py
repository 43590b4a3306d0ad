"""What `trapship` runs on the board, over its raw REPL: sent as text, never imported here.

Each call bears to be made twice, as a damaged answer makes `rawrepl.py` ask again. `# ---` divides it into pieces that
a board with little memory takes one after the other.
"""

import binascii
import gc
import hashlib
import json
import os
import sys


def _size(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return -1 if found[0] & 0x4000 else found[6]


def _sha(path):
    if (_size(path) or 0) < 0 or _size(path) is None:
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            data = file.read(512)
            if not data:
                return binascii.hexlify(digest.digest()).decode()
            digest.update(data)


# ---
def who():
    told = sys.implementation
    room = os.statvfs("/")
    gc.collect()
    return {
        "machine": getattr(told, "_machine", "?"),
        "version": list(told[1][:3]),
        "mpy": getattr(told, "_mpy", 0),
        "free_bytes": room[0] * room[3],
        "all_bytes": room[0] * room[2],
        "free_heap": gc.mem_free(),
        "ran": any(name.startswith("trapmcu") for name in sys.modules),
    }


def shas(paths):
    return [_sha(path) for path in paths]


def text(path, most):
    """The end of a file as base64, None where there is none."""
    size = _size(path)
    if size is None or size < 0:
        return None
    with open(path, "rb") as file:
        file.seek(max(0, size - most))
        return binascii.b2a_base64(file.read(most)).decode()


def tree(path):
    """Every file below, with its bytes; [] where there is no such folder."""
    found = []
    if _size(path) == -1:
        for name in sorted(os.listdir(path)):
            below = path.rstrip("/") + "/" + name
            size = _size(below)
            if size == -1:
                found += tree(below)
            elif size is not None:
                found.append([below, size])
    return found


# ---
def folder(path):
    """The folder, and those above it; a file that is in the way goes."""
    for end in [i for i, c in enumerate(path) if c == "/" and i] + [len(path)]:
        size = _size(path[:end])
        if size is not None and size >= 0:
            os.remove(path[:end])
        if size != -1:
            os.mkdir(path[:end])


def piece(path, at, data):
    """`data` (base64) at `at` of the file; `at` 0 starts it anew. Its size then, so that a gap is noticed."""
    if at and _size(path) != at:
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(binascii.a2b_base64(data.encode()))
    else:
        with open(path, "ab" if at else "wb") as file:
            file.write(binascii.a2b_base64(data.encode()))
    return _size(path)


def place(partial, path, sha):
    """Give a complete file its name; False where its bytes are others."""
    if _sha(path) == sha:
        return True  # said again
    if _sha(partial) != sha:
        return False
    os.rename(partial, path)
    if hasattr(os, "sync"):
        os.sync()
    return True


def remove(path):
    """The file or the folder with all in it, if it is there."""
    size = _size(path)
    if size == -1:
        for name in os.listdir(path):
            remove(path.rstrip("/") + "/" + name)
        os.rmdir(path)
    elif size is not None:
        os.remove(path)


# ---
def _code_of(slot):
    """From now on firmware comes from this slot; what was running is forgotten."""
    for name in list(sys.modules):
        if name.split(".")[0] in ("trapmcu", "trapwire", "lora"):
            del sys.modules[name]
    sys.path[:] = ["/" + slot] + [path for path in sys.path if path not in ("/a", "/b")]
    gc.collect()


def _complete(settings):
    """By its name as text: this file's own program never imports firmware."""
    return __import__("trapmcu.settings", None, None, ["complete"]).complete(settings)


def check(slot, settings):
    """What the firmware in a slot says of settings: None, or its words."""
    _code_of(slot)
    try:
        _complete(settings)
    except ValueError as error:
        return str(error)


def probe(slot, module, name, settings):
    """The board's own file in a slot, asked what it can see of the hardware."""
    _code_of(slot)
    found = {}
    try:
        board = getattr(__import__("trapmcu.boards." + module, None, None, [name]), name)(_complete(settings))
    except Exception as error:
        return {"broken": "%s: %s" % (type(error).__name__, error)}
    if getattr(board, "radio", board) is None:
        return {"broken": "RuntimeError: its chip is silent"}
    for question in ("clock_kept", "battery_mv", "temperature_c", "reset_cause", "pi_halted"):
        try:
            found[question] = getattr(board, question)()
        except Exception as error:
            found[question + "_broken"] = "%s: %s" % (type(error).__name__, error)
    return found


def reset():
    import machine

    machine.reset()


def _r(request, crc):
    data = request.encode()
    if crc and binascii.crc32(data) & 0xFFFFFFFF != crc:
        return
    name, *arguments = json.loads(binascii.a2b_base64(data))
    try:
        if _dog:
            _dog.feed()
        answer = ["done", globals()[name](*arguments)]
    except Exception as error:
        answer = ["raised", type(error).__name__, str(error), getattr(error, "errno", None) or 0]
    body = json.dumps(answer)
    print("\x02%s\x03%x" % (body, binascii.crc32(body.encode()) & 0xFFFFFFFF))


# The firmware that was interrupted has set the watchdog, and nothing stops one: it is fed with every call.
_dog = None
if any(name.startswith("trapmcu") for name in sys.modules):
    try:
        import machine

        _dog = machine.WDT(timeout=8000)  # an RP2040's longest is 8388 ms
    except (ImportError, AttributeError, ValueError):
        pass
