"""Whether each value of a settings pack is one that the programs take; said at the desk, not by a trap two days away.

`packkeys.json` has what is allowed in JSON Schema's words (`type`, `minimum` …): `deploy/make-settings-page` writes it
from the programs' own settings. Pure but for that file.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from trapkit.errors import SetupError
from trapkit.nearest import allowed
from trapkit.operator.packs import Pack, flat

_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,), "number": (int, float), "boolean": (bool,), "string": (str,), "array": (list,),
}  # fmt: skip


def check_values(pack: Pack, name: str) -> None:
    """Raises: SetupError naming the file, the key, its value and what is allowed."""
    for program, table in pack.tables.items():
        keys = packable()[program]
        for key, value in flat(table).items():
            if key not in keys:
                raise SetupError(f"{name}: key '{program}.{key}' is none of the program's; {allowed(key, list(keys))}")
            wrong = _wrong(value, keys[key])
            if wrong:
                raise SetupError(f"{name}: key '{program}.{key}' is {value!r}; allowed is {wrong}")


@cache
def packable() -> dict[str, dict[str, dict[str, Any]]]:
    """What a pack may say: by program and dotted key."""
    found: dict[str, dict[str, dict[str, Any]]] = json.loads((files("trapship.desk") / "packkeys.json").read_text())
    return found


def _wrong(value: Any, rule: dict[str, Any]) -> str:
    """What is allowed, where `value` is not; nothing where it is."""
    kinds = _KINDS[rule["type"]]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return {"array": "a list", "boolean": "true or false"}.get(rule["type"], f"a {rule['type']}")
    if isinstance(value, list):
        return _wrong_list(value, rule)
    if isinstance(value, str):
        good = re.search(rule.get("pattern", ""), value) and len(value) <= rule.get("maxLength", 400)
        return "" if good else f"text like {rule.get('pattern', '…')}, at most {rule.get('maxLength', 400)} letters"
    low, high = rule.get("minimum"), rule.get("maximum")
    if isinstance(value, int | float) and not isinstance(value, bool):
        bad = value != value or (low is not None and value < low) or (high is not None and value > high)
        return f"{rule['type']} within {low}–{high}" if bad else ""
    return ""


def _wrong_list(value: list[Any], rule: dict[str, Any]) -> str:
    least, most = rule.get("minItems", 0), rule.get("maxItems", 100)
    if not least <= len(value) <= most:
        return f"{least}–{most} items"
    return next((f"a list of {wrong}" for item in value if (wrong := _wrong(item, rule["items"]))), "")
