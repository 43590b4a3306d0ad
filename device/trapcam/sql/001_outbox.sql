-- The outbox (README.md, "Schema"). Times are Unix milliseconds, UTC; rungs as trapwire.objects numbers them.

-- One row: whose objects these are. A blank outbox draws a new epoch, so a swapped card never reuses a number.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

-- How many bursts of a source have an outcome; moves in the transaction that records the outcome.
CREATE TABLE progress (
  source TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  total INTEGER
) STRICT;

-- One row a burst, except those with people: they leave only the counters behind.
CREATE TABLE bursts (
  burst_no INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  trigger_no INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  taken_ms INTEGER NOT NULL,
  frames INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('kept', 'rejected', 'unreadable')),
  reason TEXT NOT NULL,
  score REAL NOT NULL,
  UNIQUE (source, position)
) STRICT;

CREATE TABLE events (
  number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 0xFFFFFF),
  burst_no INTEGER NOT NULL UNIQUE REFERENCES bursts,
  taken_ms INTEGER NOT NULL,
  uncertainty_ms INTEGER,
  category TEXT NOT NULL,
  species INTEGER NOT NULL,
  confidence REAL NOT NULL,
  count INTEGER NOT NULL,
  x REAL NOT NULL, y REAL NOT NULL, w REAL NOT NULL, h REAL NOT NULL,
  model TEXT NOT NULL,
  model_sha256 TEXT NOT NULL
) STRICT;

-- One row for each rung of an event, for ever: a deleted object loses its body, never its digest.
CREATE TABLE objects (
  number INTEGER NOT NULL REFERENCES events,
  rung INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'waiting', 'stored', 'delivered', 'deleted')),
  bytes INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  body BLOB,
  file TEXT,
  PRIMARY KEY (number, rung),
  CHECK ((body IS NOT NULL) + (file IS NOT NULL) = (state <> 'deleted'))
) STRICT;
CREATE INDEX objects_waiting ON objects (priority, number, rung) WHERE state = 'waiting';

CREATE TABLE receipts (
  sha256 BLOB PRIMARY KEY,
  objects INTEGER NOT NULL,
  signature BLOB NOT NULL,
  applied_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;

-- Filled only where `people.hourly_count` is switched on.
CREATE TABLE people_hours (
  hour_ms INTEGER NOT NULL,
  category TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour_ms, category)
) STRICT;
