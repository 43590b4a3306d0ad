-- What lies on a card says nothing of where it hung: cells lose their places, which the office adds (`audit recall`).
-- And an event says how many of its full frames the card had no room for.

ALTER TABLE events ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0 CHECK (left_out >= 0);

CREATE TABLE cells (
  cell INTEGER PRIMARY KEY,
  season TEXT NOT NULL,
  stratum TEXT NOT NULL CHECK (stratum IN ('near', 'far', 'people')),
  share REAL NOT NULL CHECK (share BETWEEN 0 AND 1),
  probability REAL NOT NULL CHECK (probability BETWEEN 0 AND share),
  bursts INTEGER NOT NULL,
  UNIQUE (season, stratum, share)
) STRICT;
-- Cells of two places become one, with the lower line of both: what stays is a fair choice of the bursts of both.
INSERT INTO cells (season, stratum, share, probability, bursts)
SELECT season, stratum, share, min(probability), sum(bursts) FROM audit_cells GROUP BY season, stratum, share
ORDER BY min(cell);

CREATE TABLE samples (
  burst_no INTEGER PRIMARY KEY REFERENCES bursts,
  cell INTEGER NOT NULL REFERENCES cells,
  draw REAL NOT NULL CHECK (draw >= 0 AND draw < 1),
  state TEXT NOT NULL CHECK (state IN ('held', 'exported', 'collected', 'dropped')),
  bytes INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  file TEXT,
  CHECK ((file IS NOT NULL) = (state IN ('held', 'exported')))
) STRICT;
INSERT INTO samples (burst_no, cell, draw, state, bytes, sha256, file)
SELECT burst_no, cells.cell, draw, iif(over, 'dropped', state), bytes, sha256, iif(over, NULL, file)
FROM (
  SELECT audit.*, cells.cell AS merged, audit.file IS NOT NULL AND audit.draw >= cells.probability AS over
  FROM audit JOIN audit_cells USING (cell) JOIN cells USING (season, stratum, share)
) JOIN cells ON cells.cell = merged;

-- With foreign keys on, a table goes after those that point at it; renaming takes the references along.
DROP TABLE audit;
DROP TABLE audit_cells;
ALTER TABLE cells RENAME TO audit_cells;
ALTER TABLE samples RENAME TO audit;
CREATE INDEX audit_files ON audit (cell, draw) WHERE file IS NOT NULL;
