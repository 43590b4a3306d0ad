"""Errors sorted by who is at fault (house rule 7)."""


class SetupError(Exception):
    """A setting, file, key, port or model that the operator must mend; the message names it and what is allowed.

    Programs print it on stderr without a traceback and exit with 2.
    """


class StorageError(Exception):
    """The disk refused (full, read-only, gone); nothing was acknowledged, and the same call may succeed later."""


class DamagedError(StorageError):
    """What the disk gave back is not what was written: the same call will not succeed until a person, or the program's
    next start, takes the file away."""
