-- What the back end says of the cats, a row a result (BACKEND.md, "Identifications"): never changed, but for `stands`. Of a
-- sighting at most one stands; which, follows from all of its rows. Its sighting need not be here (yet).
CREATE TABLE identifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  result_id TEXT NOT NULL UNIQUE,
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  individual TEXT,
  species TEXT,
  sex TEXT,
  life_stage TEXT,
  confidence REAL,
  method TEXT NOT NULL DEFAULT 'machine',
  reviewer TEXT NOT NULL,
  decided_ms INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL DEFAULT 0,
  replaces TEXT,
  stands INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX identifications_of ON identifications (trap, epoch, number);
CREATE UNIQUE INDEX identifications_standing ON identifications (trap, epoch, number) WHERE stands = 1;
-- How far results are here, by the public key of their back end (another one's cursor means nothing to it), and how far they
-- were told on the bus ('bus', an id).
CREATE TABLE identification_cursors (
  name TEXT PRIMARY KEY,
  cursor TEXT NOT NULL,
  moved_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name) VALUES ('bad_identifications'), ('identification_conflicts');
