"""Nothing leaves the country before its operator has named the agreement by which it may. Pure.

A base that knows its own `country` sends only to ways out that say where their receiver is: in the same country, or in
one that an `[[agreement]]` names. Any other way is closed: the base runs on, keeps everything, and says so.
"""

from typing import Annotated

from msgspec import Meta, Struct

from trapkit.errors import SetupError

COUNTRY = r"^([A-Z]{2})?$"  # ISO 3166-1
MAX_AGREEMENTS = 50


class AgreementSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Under what pictures and places may go to another country: an `[[agreement]]` table."""

    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="whose receivers it allows (ISO 3166, like CN)")]
    name: Annotated[
        str, Meta(min_length=8, max_length=200, description="its title, date and who signed: read in each export")
    ]


def why_closed(own: str, receiver: str, agreements: tuple[AgreementSettings, ...]) -> str:
    """Why nothing may go to `receiver`, in words; nothing where it may, or where `own`, this base's country, is ""."""
    if not own or receiver == own:
        return ""
    if not receiver:
        return f"key 'country' does not say where its receiver is; {own} is this base's own"
    if agreement_with(receiver, agreements) is None:
        return f"its receiver is in {receiver}, this base in {own}, and no [[agreement]] names {receiver}"
    return ""


def agreement_with(country: str, agreements: tuple[AgreementSettings, ...]) -> AgreementSettings | None:
    """The agreement with that country, None where there is none."""
    return next((each for each in agreements if each.country == country), None)


def check_agreements(own: str, agreements: tuple[AgreementSettings, ...]) -> None:
    """Raises: SetupError for one that says nothing."""
    if len(agreements) > MAX_AGREEMENTS:
        raise SetupError(f"there are {len(agreements)} [[agreement]]; allowed are {MAX_AGREEMENTS}")
    seen: set[str] = set()
    for each in agreements:
        if each.country in seen:
            raise SetupError(f"key 'country' of two [[agreement]] is {each.country!r}; name both in one of them")
        seen.add(each.country)
        if not own:
            raise SetupError(f"[[agreement]] with {each.country} and key 'country' is ''; say where this base is")
        if each.country == own:
            raise SetupError(f"[[agreement]] names {own}, which is this base's own country; it needs none")
        if not each.name.strip() or not each.name.isprintable():
            raise SetupError(f"key 'name' of [[agreement]] with {each.country} is {each.name!r}; allowed is its title")
