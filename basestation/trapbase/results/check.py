"""`trapbase verify` of the results' tables: of each sighting the one that should stand is marked, and no other."""

from collections.abc import Iterator

from trapbase.eventid import sighting_id
from trapbase.reader import PAGE_ROWS, Reader
from trapbase.results.kept import identification_of
from trapbase.results.standing import standing


def problems(reader: Reader) -> Iterator[str]:
    """One line for each sighting of which another result stands than should.  Raises: StorageError."""
    after = (0, 0, 0)
    while sightings := reader.rows("identified_sightings", *after, PAGE_ROWS):
        for row in sightings:
            after = (row["trap"], row["epoch"], row["number"])
            own = reader.rows("identifications_of", *after)
            should, marked = standing([identification_of(r) for r in own]), [r["result_id"] for r in own if r["stands"]]
            if marked != [name for name in (should,) if name is not None]:
                yield (
                    f"sighting {sighting_id(after)}: {marked[0] if marked else 'no identification'} stands, and "
                    f"{should or 'none'} should: `trapbase identifications --again` puts it right"
                )
