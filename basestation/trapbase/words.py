"""The words of “Bring parcels” (`locale/`): the one page of a base that rangers use. The others are English."""

from trapkit import words
from trapkit.words import COOKIE, LANGUAGES, N_, YEAR_S, wanted

__all__ = ["COOKIE", "LANGUAGES", "N_", "YEAR_S", "Words", "wanted"]


class Words(words.Words):
    """One language of the form."""

    def __init__(self, language: str) -> None:
        super().__init__(language, "trapbase")
