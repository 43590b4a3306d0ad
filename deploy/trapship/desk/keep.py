"""KEEP.md: what of the operator's folder to keep where, in plain words, written beside it by `trapship init`."""

from importlib.resources import files

from trapship.desk.folder import BOX, CA_KEY, MASTER, REVIEW, SEED


def keep_page(name: str, roots: int, threshold: int) -> str:
    """The page, in Markdown; `roots`, `threshold`: how many root keys there are, and how many sign together."""
    text = (files("trapship.desk") / "keep.md").read_text()
    return text.format(
        name=name, roots=roots, threshold=threshold, master=MASTER, seed=SEED, ca=CA_KEY, box=BOX, review=REVIEW
    )
