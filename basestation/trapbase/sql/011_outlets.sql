-- Further ways out of the base. `sightings`, `identifications`: up to which event (by arrival) and which identification
-- (by id) everything was looked at for this one; `sent`: how many have gone, `sent_ms`: the last. `failures`, `until_ms`
-- (Unix ms), `last_error`: its breaker, for people. `asked`: a person wants another try.
CREATE TABLE outlets (
  name TEXT PRIMARY KEY,
  sightings INTEGER NOT NULL DEFAULT 0,
  identifications INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  sent_ms INTEGER,
  failures INTEGER NOT NULL DEFAULT 0,
  until_ms INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  asked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What is to go and has not gone yet; a row ends with the commit that counts it as sent. `result`: the id of an
-- identification, 0 for a sighting; `priority`: 0 is the most urgent. An item that was refused again and again, or is
-- damaged, lies aside until a person asks for it.
CREATE TABLE outlet_items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  outlet TEXT NOT NULL REFERENCES outlets (name),
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  result INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL,
  queued_ms INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'aside')),
  refusals INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '',
  UNIQUE (outlet, trap, epoch, number, result)
);
CREATE INDEX outlet_items_next ON outlet_items (outlet, state, refusals, priority, id);

-- Bytes that went over each way, by day of the base's zone.
CREATE TABLE outlet_days (
  outlet TEXT NOT NULL,
  day INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (outlet, day)
) WITHOUT ROWID;

CREATE INDEX events_in_order ON events (arrival);
