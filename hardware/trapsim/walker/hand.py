"""What is done at a simulated unit by hand, as a file beside its flash: the magnet held to it, somebody who walks past.

Written by whoever simulates the place, read by the unit's board; in the subset that MicroPython runs.
"""

import os

NAME = "hand"
HELD_MS = 3000  # the magnet: longer than 2 s means service


class Hand:
    """here: somebody is there, and no animal comes; holds, edges: how often the magnet was held, and how many edges the
    PIR has seen of a walker, both since the file was made."""

    def __init__(self, folder: str) -> None:
        self._path = folder + "/" + NAME
        self._kept = ""
        self.here = False
        self.holds = self.edges = 0
        self.read()

    def read(self) -> bool:
        """Take what the file says, nothing where there is none; whether there was something new."""
        try:
            with open(self._path) as file:
                said = file.read(64)
        except OSError:
            return False
        numbers = said.split()
        if said == self._kept or len(numbers) != 3:
            return False
        self._kept = said
        self.here, self.holds, self.edges = numbers[0] == "1", int(numbers[1]), int(numbers[2])
        return True

    def write(self) -> None:
        """Say it to the board, where it is new."""
        said = "%d %d %d" % (self.here, self.holds, self.edges)
        if said != self._kept:
            with open(self._path + ".new", "w") as file:
                file.write(said)
            os.rename(self._path + ".new", self._path)
            self._kept = said
