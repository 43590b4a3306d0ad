-- What people ask of traps: a wish for an object, or a setting. The last 16 bits of id are a setting's number on the air:
-- a base whose database was replaced must not count from 1 again, or a trap would take its commands for repeats.
CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trap INTEGER NOT NULL,
  epoch INTEGER,
  number INTEGER,
  rung INTEGER,
  setting TEXT,
  value INTEGER,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN (
    'open', 'on trial', 'done', 'unknown setting', 'out of bounds', 'reverted', 'overtaken', 'given up')),
  in_force INTEGER,
  asked_ms INTEGER NOT NULL,
  settled_ms INTEGER,
  CHECK ((setting IS NULL) = (epoch IS NOT NULL))
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('requests', (random() & 0x7fffffff) % 8000000);
CREATE INDEX requests_open ON requests (trap, id) WHERE state IN ('open', 'on trial');
