"""What a ranger's forms say → cards and samples, or what is wrong with each field, in words (pure).

Nothing typed is thrown away: a form that is refused comes back as it was, with the reasons beside the fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trapcam.service.bearings import compass
from trapcam.service.places import check_place
from trapcam.service.positions import Position, PositionError, parse
from trapcam.service.words import N_
from trapkit.cards import (
    BATTERY,
    DESICCANT,
    LENS,
    MEMORY_CARD,
    STRAIGHTENED,
    Card,
    CardError,
    Sample,
    Visit,
    Written,
    encode,
)

MAX_FIELD = 400
LEAST_CM = 10  # a camera hangs no lower, but metres are typed that look like it
UNITS = {
    "cm": "cm", "см": "cm", "厘米": "cm", "公分": "cm", "센티미터": "cm", "센티": "cm",
    "m": "m", "м": "m", "米": "m", "公尺": "m", "미터": "m",
}  # fmt: skip
SIDES = {"left": N_("left"), "right": N_("right")}
BAITS = {
    "none": N_("no bait"), "scent": N_("scent"), "food": N_("food"), "visual": N_("something to see"),
    "acoustic": N_("something to hear"), "other": N_("other"),
}  # fmt: skip
KINDS = {
    "scat": N_("scat"), "hair": N_("hair"), "urine": N_("urine"), "saliva": N_("saliva"), "other": N_("other"),
}  # fmt: skip
KEPT = {
    "dry": N_("dry, in paper"), "frozen": N_("frozen"), "ethanol": N_("in ethanol"), "silica": N_("on silica gel"),
    "buffer": N_("in buffer"), "other": N_("other"),
}  # fmt: skip
DONE = {
    BATTERY: N_("battery changed"), MEMORY_CARD: N_("memory card changed"), DESICCANT: N_("desiccant changed"),
    LENS: N_("lens cleaned"), STRAIGHTENED: N_("camera straightened"),
}  # fmt: skip
LABELS = {
    "station": N_("Station"), "side": N_("Left or right trap of the station?"), "position": N_("Position"),
    "height_cm": N_("Height above the ground (cm)"), "bearing_deg": N_("Looks towards"),
    "trail_m": N_("Distance to the trail (m)"), "bait": N_("Bait"), "who": N_("Your name"), "note": N_("Note"),
    "barcode": N_("Barcode on the tube or bag"), "kind": N_("What is it?"), "kept": N_("How is it kept?"),
    "sighting": N_("Number of the sighting it belongs to"),
}  # fmt: skip
Region = tuple[float, float, float, float]


@dataclass(frozen=True)
class Reason:
    """A message of the catalogues and what goes into it."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Time:
    """The trap's time (Unix ms) and how far it may be off; `phone_ms`: the phone's, a hint."""

    at_ms: int
    uncertainty_ms: int | None
    phone_ms: int | None = None


class Form:
    """One posted form: its fields as they came, and what is wrong with them so far. language: the page's."""

    def __init__(self, fields: Mapping[str, str], language: str = "en") -> None:
        self.language = language
        self.fields = {name: value[:MAX_FIELD].strip() for name, value in fields.items()}
        self.wrong: dict[str, Reason] = {}

    def text(self, name: str, most: int, *, needed: bool = False) -> str:
        value = "".join(letter for letter in self.fields.get(name, "") if letter.isprintable())
        if needed and not value:
            self.wrong[name] = Reason(N_("This is needed."))
        elif len(value) > most:
            self.wrong[name] = Reason(N_("At most {most} letters."), {"most": most})
        return value

    def choice(self, name: str, of: Mapping[str, str]) -> Any:
        value = self.fields.get(name, "")
        if value not in of:
            self.wrong[name] = Reason(N_("Choose one."))
            return next(iter(of))
        return value

    def number(self, name: str, low: float, high: float, *, whole: bool = True) -> float | None:
        """A number in its bounds, or None where nothing was typed; a decimal comma is a point."""
        value = self.fields.get(name, "").replace(",", ".")
        if not value:
            return None
        try:
            found = float(value)
        except ValueError:
            self.wrong[name] = Reason(N_("This is no number."))
            return None
        if not low <= found <= high:  # also what is no number at all
            self.wrong[name] = Reason(N_("From {low} to {high}."), {"low": f"{low:g}", "high": f"{high:g}"})
            return None
        return round(found) if whole else found

    def length(self, name: str, low: float, high: float, unit: str) -> float | None:
        """A length in its bounds, in cm or m as `unit` has it, which may be written behind it; None where nothing was
        typed. A height of a few “cm” is a metre's part that somebody meant: asked, unless its unit stands there."""
        value = self.fields.get(name, "")
        parts = re.fullmatch(r"([+-]?[\d.,]+)\s*([^\W\d_]+)\.?", value)
        said = None if parts is None else UNITS.get(parts[2].lower())
        if parts is None or said is None:
            found = self.number(name, low, high, whole=False)
            if unit == "cm" and found is not None and 0 < found < LEAST_CM:
                self.wrong[name] = Reason(
                    N_("Did you mean {n} cm? Write it with its unit: {n} cm, or {small} cm."),
                    {"n": f"{found * 100:g}", "small": f"{found:g}"},
                )
            return found
        self.fields[name] = parts[1]
        found = self.number(name, -1e9, 1e9, whole=False)
        self.fields[name] = value  # with its unit: it comes back as it was typed
        if found is None:
            return None
        metres = found / 100 if said == "cm" else found
        found = round(metres * 100 if unit == "cm" else metres, 4)
        if not low <= found <= high:
            self.wrong[name] = Reason(N_("From {low} to {high}."), {"low": f"{low:g}", "high": f"{high:g}"})
            return None
        return found

    def bearing(self, name: str) -> float | None:
        """Degrees, or a compass word, which becomes degrees at once: in another language it may mean another."""
        value = self.fields.get(name, "").rstrip("° ")
        if not value or value.lstrip("+-")[:1].isdecimal():
            self.fields[name] = value
            return self.number(name, 0, 359)
        found = compass(value, self.language)
        if found is None:
            self.wrong[name] = Reason(N_("Write N, NE, E … or degrees from 0 to 359."))
        else:
            self.fields[name] = str(found)
        return found

    def position(self, name: str, region: Region, *, needed: bool) -> Position | None:
        value = self.fields.get(name, "")
        if not value and not needed:
            return None
        try:
            found = parse(value)
            check_place(found, region)
        except PositionError as error:
            self.wrong[name] = Reason(error.reason, error.values)
            return None
        return found


def card(
    form: Form,
    action: Literal["place", "take over", "end"],
    time: Time,
    region: Region,
    *,
    deployed: bool,
    before: Card | None,
) -> Card | None:
    """The card that a form says, or None with its reasons in `form.wrong`.

    deployed: whether this unit has an open deployment; before: its card, where it is known still.
    """
    said: dict[str, Any]
    if action == "end":
        if not deployed:
            form.wrong["who"] = Reason(N_("This trap is not deployed: there is nothing to end."))
            return None
        if before is not None:
            said = {"station": before.station, "side": before.side}
        else:
            said = {"station": _station(form), "side": form.choice("side", SIDES)}
    else:
        said = {"station": _station(form), "side": form.choice("side", SIDES)}
        found = form.position("position", region, needed=True)
        if found is not None:
            said |= {
                "latitude": round(found.latitude, 7), "longitude": round(found.longitude, 7),
                "precision_m": round(found.precision_m, 2),
            }  # fmt: skip
        height = form.length("height_cm", 0, 1_000, "cm")
        said |= {
            "height_cm": None if height is None else round(height),
            "bearing_deg": form.bearing("bearing_deg"),
            "trail_m": form.length("trail_m", 0, 100, "m"),
            "bait": form.choice("bait", BAITS),
        }
        if deployed and action == "place" and "station" not in form.wrong:
            form.wrong["station"] = Reason(N_("This trap is deployed already. End that deployment first."))
    who, note = form.text("who", 40, needed=True), form.text("note", 200)
    if form.wrong:
        return None
    made = Card(
        action=action, who=who, note=note, at_ms=time.at_ms, uncertainty_ms=time.uncertainty_ms,
        phone_ms=time.phone_ms, **said,
    )  # fmt: skip
    return None if _too_long(made, form) else made


def visit(form: Form, time: Time) -> Visit | None:
    """The service visit that a form says, or None with its reasons. Nothing ticked is a visit too."""
    who, note = form.text("who", 40, needed=True), form.text("note", 200)
    if form.wrong:
        return None
    made = Visit(
        who=who, note=note, at_ms=time.at_ms, uncertainty_ms=time.uncertainty_ms, phone_ms=time.phone_ms,
        done=tuple(what for what in DONE if form.fields.get(tick(what)) == "yes"),
    )  # fmt: skip
    return None if _too_long(made, form) else made


def tick(what: str) -> str:
    """The name of the box that is ticked for it."""
    return "did-" + what.replace(" ", "-")


def sample(form: Form, time: Time, region: Region, *, deployed: bool, standing: Card | None) -> Sample | None:
    """The field sample that a form says, or None with its reasons; deployed, standing: as `before` of a card. Without a
    position it lay at the trap, whose position the base has."""
    barcode = form.text("barcode", 40, needed=True)
    if barcode and not all(letter.isascii() and (letter.isalnum() or letter in "._/-") for letter in barcode):
        form.wrong["barcode"] = Reason(N_("Latin letters, digits and . _ / - only."))
    station = standing.station if standing else _station(form)
    found = form.position("position", region, needed=not deployed)
    sighting = form.number("sighting", 1, (1 << 24) - 1)
    who, note = form.text("who", 40, needed=True), form.text("note", 200)
    kind, kept = form.choice("kind", KINDS), form.choice("kept", KEPT)
    if form.wrong:
        return None
    where = found or standing  # what was typed, else where the trap stands
    made = Sample(
        barcode=barcode, kind=kind, kept=kept, station=station, who=who, note=note, at_ms=time.at_ms,
        uncertainty_ms=time.uncertainty_ms, sighting=None if sighting is None else int(sighting),
        latitude=where.latitude if where else None, longitude=where.longitude if where else None,
        precision_m=where.precision_m if where else None,
    )  # fmt: skip
    return None if _too_long(made, form) else made


def _station(form: Form) -> str:
    station = form.text("station", 32, needed=True)
    if station and not re.fullmatch(r"\w[\w .-]*", station):
        form.wrong["station"] = Reason(N_("Letters, digits, spaces, . and - only; a letter or digit first."))
    if re.fullmatch(r"[^\W\d_]{1,3}[ .-]?\d+", station):  # s001: so the operator's list has no second S001
        form.fields["station"] = station = station.upper()
    return station


def _too_long(made: Written, form: Form) -> bool:
    try:
        encode(made)
    except CardError:
        form.wrong["note"] = Reason(N_("This is too much for one card: shorten it."))
    return bool(form.wrong)
