"""The ranger's page's own words, in `locale/`."""

from trapkit import words
from trapkit.words import COOKIE, LANGUAGES, N_, YEAR_S, wanted

__all__ = ["COOKIE", "LANGUAGES", "N_", "YEAR_S", "Words", "wanted"]


class Words(words.Words):
    """One language of the page."""

    def __init__(self, language: str) -> None:
        super().__init__(language, "trapcam.service")
