"""What a settings class allows, read from its annotations: one row a key, for errors, pages and `config show`."""

from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

REQUIRED = "must be given"


def rows(cls: type[msgspec.Struct], prefix: str = "") -> list[tuple[str, str, Any, str]]:
    """Every key of a settings class as (dotted key, what is allowed, default, text).

    Keys of a list of tables read `name[].key`; the default of one that must be given is `REQUIRED`.
    """
    found: list[tuple[str, str, Any, str]] = []
    hints = get_type_hints(cls, include_extras=True)
    for field in msgspec.structs.fields(cls):
        name, hint = field.name, hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found += rows(hint, f"{prefix}{name}.")
            continue
        item = _item(hint)
        if item is not None:
            found += rows(item, f"{prefix}{name}[].")
            continue
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        default = REQUIRED if default is msgspec.NODEFAULT else default
        kind, text, bounds = _describe(hint)
        found.append((prefix + name, f"{kind} {bounds}".strip(), default, text))
    return found


def _item(hint: Any) -> type[msgspec.Struct] | None:
    """The struct of which `hint` is a list of tables, or None."""
    args = get_args(hint)
    listed = get_origin(hint) is tuple and isinstance(args[0], type) and issubclass(args[0], msgspec.Struct)
    return args[0] if listed else None


def _describe(hint: Any) -> tuple[str, str, str]:
    base, metas = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    meta = next((m for m in metas if isinstance(m, msgspec.Meta)), msgspec.Meta())
    bounds = [
        f"{sign} {value}"
        for sign, value in (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt), ("like", meta.pattern))
        if value is not None
    ]
    if get_origin(base) is tuple and get_origin(get_args(base)[0]) is Annotated:
        item, _, limits = _describe(get_args(base)[0])
        return f"tuple[{item} {limits}, ...]", meta.description or "", ", ".join(bounds)
    kind = base.__name__ if isinstance(base, type) and not get_args(base) else str(base)
    return kind.replace("typing.", ""), meta.description or "", ", ".join(bounds)
