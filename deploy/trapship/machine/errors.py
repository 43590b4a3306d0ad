"""What stops an installation, in words for who runs it."""


class InstallError(Exception):
    """Nothing more is done; what was done is whole, and the same command goes on from there. The text is for people."""


class UsageError(InstallError):
    """It was asked for in a way that cannot be right; nothing was done."""
