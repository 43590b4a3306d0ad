-- What traps say of themselves (PROTOCOL.md, section 13): a line a day, alarms. The object holds the signed bytes; here is
-- what they say, and whether the trap's own key vouches for it: 'unknown' while this base has no key of that trap.
CREATE TABLE notes (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  uncertainty_ms INTEGER,
  day INTEGER,
  marks INTEGER NOT NULL DEFAULT 0,
  said TEXT NOT NULL,
  proof TEXT NOT NULL CHECK (proof IN ('verified', 'unknown', 'forged')),
  stored_ms INTEGER NOT NULL,
  PRIMARY KEY (trap, epoch, number)
) WITHOUT ROWID;
CREATE INDEX notes_by_day ON notes (day, trap) WHERE day IS NOT NULL;
CREATE INDEX notes_alarms ON notes (stored_ms) WHERE day IS NULL;
CREATE INDEX notes_unknown ON notes (trap) WHERE proof = 'unknown';
CREATE INDEX objects_scenes ON objects (trap, id) WHERE rung = 7;
