-- When the file of an object that the back end signed for was given up for room; its row stays.
ALTER TABLE objects ADD COLUMN gone_ms INTEGER;
-- What may go, by kind and age.
CREATE INDEX objects_spare ON objects (rung, id, size) WHERE state = 'receipted' AND body IS NULL AND gone_ms IS NULL;
CREATE INDEX objects_gone ON objects (gone_ms) WHERE gone_ms IS NOT NULL;
-- How many bytes the rows of the media folder have: counted with every row, so that nobody has to add up a million.
CREATE TABLE room (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  media_bytes INTEGER NOT NULL
);
INSERT INTO room (id, media_bytes) SELECT 1,
  (SELECT coalesce(sum(size), 0) FROM objects WHERE body IS NULL)
  + (SELECT coalesce(sum(size), 0) FROM conflicts WHERE body IS NULL);

-- Each time that this database came back from a backup. checked_ms: when the back end had said what it holds, or that it
-- cannot say it; ended_ms: when traps were asked for the last time for what is missing here.
CREATE TABLE restores (
  id INTEGER PRIMARY KEY,
  backup_ms INTEGER NOT NULL,
  restored_ms INTEGER NOT NULL,
  checked_ms INTEGER,
  ended_ms INTEGER
);
-- Up to which number each outbox was here in the backup: what is missing above it is asked for.
CREATE TABLE restore_marks (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (trap, epoch)
) WITHOUT ROWID;
-- What the back end signed for and this base does not have: a restored backup is older than it.
CREATE TABLE elsewhere (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  batch_id TEXT NOT NULL REFERENCES batches (batch_id),
  PRIMARY KEY (trap, epoch, number, rung)
) WITHOUT ROWID;
-- Objects that traps are asked for after a restore, each in its turns.
CREATE TABLE recalls (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  found_ms INTEGER NOT NULL,
  turns INTEGER NOT NULL DEFAULT 0,
  turn_ms INTEGER,
  PRIMARY KEY (trap, epoch, number, rung)
) WITHOUT ROWID;
