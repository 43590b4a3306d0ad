-- Updates of the traps' units (decision 024). What units say of their updates are notes of kind 6.
CREATE INDEX notes_updates ON notes (trap, stored_ms) WHERE kind = 6;
-- They are no days' lines, and no alarms either.
DROP INDEX notes_alarms;
CREATE INDEX notes_alarms ON notes (stored_ms) WHERE kind IN (2, 3);

-- Releases that this base's mirror holds; parts: JSON, what each brings and in which version.
CREATE TABLE releases (
  release TEXT PRIMARY KEY,
  serial INTEGER NOT NULL,
  built_ms INTEGER NOT NULL,
  parts TEXT NOT NULL,
  size INTEGER NOT NULL,
  stored_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- A release on its way to the units: one goes on at a time. why: why it was stopped; wave: how many have begun, of waves;
-- asked: how many by the operator's word; go_ms: his last word, troubles known before it stop nothing; word: 1 when only
-- that is wanting for the next wave.
CREATE TABLE rollouts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  release TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('going', 'stopped', 'done', 'over')),
  why TEXT NOT NULL DEFAULT '',
  wave INTEGER NOT NULL DEFAULT 0,
  waves INTEGER NOT NULL DEFAULT 0,
  asked INTEGER NOT NULL DEFAULT 0,
  word INTEGER NOT NULL DEFAULT 0,
  go_ms INTEGER NOT NULL DEFAULT 0,
  begun_ms INTEGER NOT NULL,
  moved_ms INTEGER NOT NULL
);

-- What went wrong with a unit after its turn, since it was first seen.
CREATE TABLE update_troubles (
  rollout INTEGER NOT NULL REFERENCES rollouts (id),
  trap INTEGER NOT NULL,
  kind TEXT NOT NULL,
  words TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (rollout, trap, kind)
) WITHOUT ROWID;

-- Permissions as they were signed; the one with the highest number holds, an empty release is a hold. fault: the unit's
-- then, in words. 0 as rollout: of none.
CREATE TABLE permits (
  trap INTEGER NOT NULL,
  number INTEGER NOT NULL,
  release TEXT NOT NULL,
  rollout INTEGER NOT NULL,
  issued_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  fault TEXT NOT NULL,
  PRIMARY KEY (trap, number)
) WITHOUT ROWID;
