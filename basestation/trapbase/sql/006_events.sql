-- Entries of units' event logs, as far as they were asked for (PROTOCOL.md, section 6). A unit with a new flash begins at
-- another sequence; should it ever meet an old one, both entries are kept.
CREATE TABLE log_entries (
  id INTEGER PRIMARY KEY,
  trap INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  time_s INTEGER NOT NULL,
  is_true INTEGER NOT NULL,
  code INTEGER NOT NULL,
  value INTEGER NOT NULL,
  stored_ms INTEGER NOT NULL,
  UNIQUE (trap, sequence, time_s, is_true, code, value)
);
-- Of an ask for a log (setting 'log', value the most entries): the first sequence, 0 for the newest.
ALTER TABLE requests ADD COLUMN first INTEGER;
