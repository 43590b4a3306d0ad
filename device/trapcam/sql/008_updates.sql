-- readable by 7
-- Notes of any kind that a later program may have: each new one would else be a migration. The rows go out and come in
-- again, for other tables refer to them.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE notes_before AS SELECT number, kind, at_ms FROM notes;
DROP TABLE notes;
CREATE TABLE notes (
  number INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 0xFFFFFF),
  kind TEXT NOT NULL CHECK (kind <> ''),
  at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO notes SELECT number, kind, at_ms FROM notes_before ORDER BY number;
DROP TABLE notes_before;
