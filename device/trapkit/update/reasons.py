"""Why an update waits, was refused or went back: codes that travel, and their words for a person.

A code is at most `MAX_CODE` characters of a-z, 0-9 and "-", so that it fits a note (`states`). Frozen: only add.
"""

MAX_CODE = 21

INSTALLING = {
    "": "",
    "no-room": "the card has no room for the release; make room, it is tried again",
    "card-refused": "the card refused a write, or gave back other bytes; replace the card if it stays so",
    "unpack-refused": "the release's application is no wheel that may be unpacked here",
    "part-missing": "the release lacks a file that it names",
    "supervisor-silent": "the supervisor does not answer, or its firmware is older than updates by the Pi",
    "supervisor-on-trial": "the supervisor still tries other firmware",
    "supervisor-refused": "the supervisor did not take its part whole",
    "supervisor-reverted": "the supervisor went back to its old firmware by itself",
    "does-not-start": "the new application did not come up",
    "ended-early": "the new application ended before it was proved",
    "camera-gives-nothing": "the camera gave no frame under the new release",
    "model-not-usable": "the new model cannot be loaded",
    "model-judges-badly": "the new model did not find what is in the known picture",
    "model-differs": "the new model differs too much from the old one, judged side by side",
    "not-heard": "the base did not hear the unit under the new release",
    "trial-too-long": "the new release was not proved in time",
    "slot-damaged": "a file of the release in force is damaged; what was there before runs",
    "operator": "the operator has taken it back",
}
PERMITTING = {
    "no-permit": "its base has not said yet that this unit may take it",
    "permit-forged": "the permission that came is not signed by this unit's base",
    "permit-old": "the permission that came is older than one that this unit has seen",
    "permit-other": "its base lets this unit take another release",
    "permit-over": "its base's permission has run out; the base gives a new one",
    "held": "its base has stopped the update for now",
}
# Before a release is handed over to be installed: the first five wait, the others were judged.
TAKING = {
    "time-unknown": "nobody whom the unit trusts has told it the time since it started; updates wait for that",
    "no-source": "nothing answers there, or no release lies there",
    "incomplete": "a part of the release is not there yet; copy it again, it goes on where it ended",
    "too-slow": "the release came too slowly; what came is kept, and it goes on next time",
    "not-signed": "it is not signed by the keys that this fleet trusts",
    "rollback": "it is older than what this unit has seen already",
    "expired": "its time is over: publish again, and bring that",
    "too-large": "more bytes came than were announced, or more than a unit takes",
    "mixed": "its lists do not belong together: they are of different days",
    "altered": "a file is not the one that was signed",
    "garbage": "its lists cannot be read",
    "wrong-file": "a part names a file that is not listed for it",
    "extra-part": "it brings something that no unit knows",
    "downgrade": "it is older than what ran here, and the operator did not say that one may go back",
    "misfit": "its parts do not fit those that stay on this unit",
}
WORDS: dict[str, str] = {**INSTALLING, **PERMITTING, **TAKING}


def words(code: str) -> str:
    """A code in words; one that nobody knows here as it is."""
    return WORDS.get(code, f"code {code}")
