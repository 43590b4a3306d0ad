-- What a base does must cost as much with a million events as with a thousand.

-- A digest is random: its index costs a page for every object that comes. Only of those in files is it asked for; the
-- bodies of the others lie in their rows.
DROP INDEX objects_by_digest;
CREATE INDEX objects_files ON objects (sha256) WHERE body IS NULL AND gone_ms IS NULL;
-- What may go for room, by kind and age: in rows as in files. Alerts and notes never go, and are not counted as media.
DROP INDEX objects_spare;
CREATE INDEX objects_spare ON objects (rung, id, size)
WHERE state = 'receipted' AND gone_ms IS NULL AND rung <> 0 AND rung <> 6;

-- Whose objects wait is seen without their rows.
DROP INDEX objects_waiting;
CREATE INDEX objects_waiting ON objects (id, trap) WHERE state = 'stored';
-- Of `rung = 7` SQLite would look again, for every `rung = ?`, whether this index fits: the statement is compiled anew each
-- time that a value is bound, which costs more than the query. It does not see that in a range.
DROP INDEX objects_scenes;
CREATE INDEX objects_scenes ON objects (trap, id) WHERE rung > 6 AND rung < 8;
-- Nobody asks for a time without its trap.
DROP INDEX events_by_time;
-- A few receipts of each trap, however many it owes an answer for.
DROP INDEX receipts_open;
CREATE INDEX receipts_open ON receipts (trap, id) WHERE state = 'signed';
-- The page shows the newest.
CREATE INDEX batches_by_cut ON batches (cut_ms DESC, batch_id);
CREATE INDEX notes_forged ON notes (trap) WHERE proof = 'forged';

-- How many there are, counted with every row: nobody has to count a million. kind: a table; state: of its rows. What comes
-- is counted by the group (queries.sql), what moves on or goes by these triggers.
CREATE TABLE tallies (
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (kind, state)
) WITHOUT ROWID;
INSERT INTO tallies VALUES
  ('objects', 'stored', 0, 0), ('objects', 'batched', 0, 0), ('objects', 'receipted', 0, 0),
  ('batches', 'cut', 0, 0), ('batches', 'uploading', 0, 0), ('batches', 'uploaded', 0, 0), ('batches', 'receipted', 0, 0),
  ('receipts', 'signed', 0, 0), ('receipts', 'delivered', 0, 0);
UPDATE tallies SET
  count = coalesce((SELECT count(*) FROM objects WHERE objects.state = tallies.state), 0),
  bytes = coalesce((SELECT sum(size) FROM objects WHERE objects.state = tallies.state), 0) WHERE kind = 'objects';
UPDATE tallies SET
  count = coalesce((SELECT count(*) FROM batches WHERE batches.state = tallies.state), 0),
  bytes = coalesce((SELECT sum(size) FROM batches WHERE batches.state = tallies.state), 0) WHERE kind = 'batches';
UPDATE tallies SET
  count = coalesce((SELECT count(*) FROM receipts WHERE receipts.state = tallies.state), 0) WHERE kind = 'receipts';

CREATE TRIGGER objects_move AFTER UPDATE OF state ON objects WHEN old.state <> new.state BEGIN
  UPDATE tallies SET count = count - 1, bytes = bytes - old.size WHERE kind = 'objects' AND state = old.state;
  UPDATE tallies SET count = count + 1, bytes = bytes + new.size WHERE kind = 'objects' AND state = new.state;
END;
CREATE TRIGGER objects_go AFTER DELETE ON objects BEGIN
  UPDATE tallies SET count = count - 1, bytes = bytes - old.size WHERE kind = 'objects' AND state = old.state;
END;
CREATE TRIGGER batches_come AFTER INSERT ON batches BEGIN
  UPDATE tallies SET count = count + 1, bytes = bytes + new.size WHERE kind = 'batches' AND state = new.state;
END;
CREATE TRIGGER batches_move AFTER UPDATE OF state, size ON batches BEGIN
  UPDATE tallies SET count = count - 1, bytes = bytes - old.size WHERE kind = 'batches' AND state = old.state;
  UPDATE tallies SET count = count + 1, bytes = bytes + new.size WHERE kind = 'batches' AND state = new.state;
END;
CREATE TRIGGER batches_go AFTER DELETE ON batches BEGIN
  UPDATE tallies SET count = count - 1, bytes = bytes - old.size WHERE kind = 'batches' AND state = old.state;
END;
CREATE TRIGGER receipts_come AFTER INSERT ON receipts BEGIN
  UPDATE tallies SET count = count + 1 WHERE kind = 'receipts' AND state = new.state;
END;
CREATE TRIGGER receipts_move AFTER UPDATE OF state ON receipts WHEN old.state <> new.state BEGIN
  UPDATE tallies SET count = count - 1 WHERE kind = 'receipts' AND state = old.state;
  UPDATE tallies SET count = count + 1 WHERE kind = 'receipts' AND state = new.state;
END;

-- Sightings of each trap, by species.
CREATE TABLE seen (
  trap INTEGER NOT NULL,
  species INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (trap, species)
) WITHOUT ROWID;
INSERT INTO seen SELECT trap, species, count(*) FROM events GROUP BY trap, species;
