"""KEEP.md: what of the operator's folder to keep where, in plain words, written beside it by `trapship init`."""

from importlib.resources import files

from trapship.desk.folder import BOX, CA_KEY, MASTER, REVIEW, SEED
from trapship.release.roles import DEFAULT_ROOTS, DEFAULT_THRESHOLD, FOLDER, KEEP, ROOT


def keep_page(name: str, roots: int = DEFAULT_ROOTS, threshold: int = DEFAULT_THRESHOLD) -> str:
    """The page, in Markdown; `roots`, `threshold`: how many root keys there are, and how many sign together."""
    counts = {"roots": roots, "threshold": threshold}
    rows = []
    for role, keep in KEEP.items():
        file = f"`{FOLDER}/{role}-1.key` …" if role == ROOT else f"`{FOLDER}/{role}.key`"
        words = [each.format(**counts) for each in (keep.where, keep.lost, keep.what)]
        rows.append(f"| {file} | {words[0]} | {words[1]} | it {words[2]} |")
    text = (files("trapship.desk") / "keep.md").read_text()
    return text.format(
        name=name, **counts, roles="\n".join(rows), master=MASTER, seed=SEED, ca=CA_KEY, box=BOX, review=REVIEW
    )
