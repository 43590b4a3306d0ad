"""RETICULUM.md: our link's figures beside Reticulum's."""

from collections.abc import Callable
from typing import Any


def ours(say: Callable[[str], None]) -> dict[str, Any]:
    """Placeholder until the page is written."""
    return {}


def page(figures: dict[str, Any]) -> str:
    """The page."""
    return ""
