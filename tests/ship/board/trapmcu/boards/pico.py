"""The hardware of the tests' board: it answers what its claim says."""

import json

import _board

CLAIM = json.loads(_board.claim)


class Pico:
    def __init__(self, settings):
        if CLAIM.get("radio_broken"):
            raise OSError(CLAIM["radio_broken"])

    def __getattr__(self, name):
        return lambda: CLAIM.get(name)


class XiaoS3(Pico):
    pass
