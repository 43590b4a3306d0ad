-- Notes and scenes (README.md, "Schema"): objects that belong to no sighting. Their numbers come from the events' series,
-- so `objects` cannot refer to `events` any more; a trigger keeps the same promise for both.

CREATE TABLE notes (
  number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 0xFFFFFF),
  kind TEXT NOT NULL CHECK (kind IN ('day', 'opened', 'moved', 'scene')),
  at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE objects_new (
  number INTEGER NOT NULL,
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
INSERT INTO objects_new SELECT number, rung, priority, state, bytes, sha256, body, file FROM objects ORDER BY rowid;
DROP TABLE objects;
ALTER TABLE objects_new RENAME TO objects;
CREATE INDEX objects_waiting ON objects (priority, number, rung) WHERE state = 'waiting';
CREATE INDEX objects_undelivered ON objects (priority, number, rung) WHERE state NOT IN ('delivered', 'deleted');
CREATE TRIGGER objects_belong BEFORE INSERT ON objects
WHEN NOT EXISTS (SELECT 1 FROM events WHERE number = NEW.number)
 AND NOT EXISTS (SELECT 1 FROM notes WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'an object of no event and no note'); END;

-- The effort ledger: one row a UTC day (days since 2020-01-01), open until its line is said; `number` is that note's.
-- Minutes are kept in seconds: `watch` vouched for, `seen` of them, `off` known not to watch.
CREATE TABLE days (
  day INTEGER PRIMARY KEY,
  watch_s INTEGER NOT NULL DEFAULT 0,
  seen_s INTEGER NOT NULL DEFAULT 0,
  off_s INTEGER NOT NULL DEFAULT 0,
  reasons INTEGER NOT NULL DEFAULT 0,
  triggers INTEGER NOT NULL DEFAULT 0,
  starts INTEGER NOT NULL DEFAULT 0,
  marks INTEGER NOT NULL DEFAULT 0,
  trusted INTEGER NOT NULL DEFAULT 0,
  number INTEGER UNIQUE REFERENCES notes
) STRICT;

-- The last moment that the ledger counts from.
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at_ms INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  unit_state INTEGER,
  trigger_no INTEGER,
  reasons INTEGER NOT NULL
) STRICT;

-- Alarms: `open` marks the epoch, until a service visit.
CREATE TABLE alarms (
  number INTEGER PRIMARY KEY REFERENCES notes,
  kind TEXT NOT NULL CHECK (kind IN ('opened', 'moved')),
  at_ms INTEGER NOT NULL,
  trigger_no INTEGER,
  open INTEGER NOT NULL DEFAULT 1
) STRICT;

-- What the health checks remember of the scene and of their verdicts: features that no picture can be made from again.
CREATE TABLE health (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;
