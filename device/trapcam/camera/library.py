"""PyAV is an extra: a trap whose camera is neither a video nor on USB runs without it, and never loads it."""

import importlib

from trapkit.errors import SetupError


def require_av(what: str) -> None:
    """Raises: SetupError when PyAV is not installed; `what` begins the sentence."""
    try:
        importlib.import_module("av")
    except ImportError as error:
        raise SetupError(f"{what}, and PyAV is not installed: pip install '.[video]' in the project's clone") from error
