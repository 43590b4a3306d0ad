-- Audit samples (README.md, "Schema"): rejected bursts that are kept, sealed, to count what the detector misses.

-- The draws' key: it never leaves the card, so nobody can tell which burst will be looked at.
CREATE TABLE audit_key (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;
INSERT INTO audit_key (id, key) VALUES (1, randomblob(32));

-- One row for all bursts that are sampled alike. `share`: as the settings asked; `probability`: after making room.
CREATE TABLE audit_cells (
  cell INTEGER PRIMARY KEY,
  station TEXT NOT NULL,
  region TEXT NOT NULL,
  season TEXT NOT NULL,
  stratum TEXT NOT NULL CHECK (stratum IN ('near', 'far', 'people')),
  share REAL NOT NULL CHECK (share BETWEEN 0 AND 1),
  probability REAL NOT NULL CHECK (probability BETWEEN 0 AND share),
  bursts INTEGER NOT NULL,
  UNIQUE (station, region, season, stratum, share)
) STRICT;

-- One row a sample, for ever: held, exported (a stick has it too), collected (only the stick has), dropped (for room).
CREATE TABLE audit (
  burst_no INTEGER PRIMARY KEY REFERENCES bursts,
  cell INTEGER NOT NULL REFERENCES audit_cells,
  draw REAL NOT NULL CHECK (draw >= 0 AND draw < 1),
  state TEXT NOT NULL CHECK (state IN ('held', 'exported', 'collected', 'dropped')),
  bytes INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  file TEXT,
  CHECK ((file IS NOT NULL) = (state IN ('held', 'exported')))
) STRICT;
CREATE INDEX audit_files ON audit (cell, draw) WHERE file IS NOT NULL;
