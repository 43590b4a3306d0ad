-- Everything that a trap handed over, by its key. Alerts keep their bytes here; other rungs lie sealed in the media
-- folder under their digest.
CREATE TABLE objects (
  id INTEGER PRIMARY KEY,
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  size INTEGER NOT NULL,
  body BLOB,
  state TEXT NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'batched', 'receipted')),
  batch_id TEXT REFERENCES batches (batch_id),
  base TEXT NOT NULL,
  rssi_dbm INTEGER,
  snr_db REAL,
  received_ms INTEGER NOT NULL,
  stored_ms INTEGER NOT NULL,
  CHECK ((state = 'stored') = (batch_id IS NULL)),
  UNIQUE (trap, epoch, number, rung)
);
CREATE INDEX objects_waiting ON objects (id) WHERE state = 'stored';
CREATE INDEX objects_of_batch ON objects (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX objects_by_digest ON objects (sha256);

-- What the alerts say. event_id is the eventID once it has been published in a batch.
CREATE TABLE events (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  uncertainty_ms INTEGER,
  species INTEGER NOT NULL,
  confidence INTEGER NOT NULL,
  count INTEGER NOT NULL,
  box_x INTEGER NOT NULL,
  box_y INTEGER NOT NULL,
  box_width INTEGER NOT NULL,
  box_height INTEGER NOT NULL,
  battery INTEGER,
  event_id TEXT,
  PRIMARY KEY (trap, epoch, number)
) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (time_ms);

-- A key that came again with other bytes: refused, kept aside, acknowledged, shown. The first bytes stay.
CREATE TABLE conflicts (
  id INTEGER PRIMARY KEY,
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  size INTEGER NOT NULL,
  body BLOB,
  seen_ms INTEGER NOT NULL,
  UNIQUE (trap, epoch, number, rung, sha256)
);

-- The last word of each trap.
CREATE TABLE traps (
  trap INTEGER PRIMARY KEY,
  heard_ms INTEGER NOT NULL,
  base TEXT NOT NULL,
  rssi_dbm INTEGER,
  snr_db REAL,
  health TEXT NOT NULL
);

CREATE TABLE batches (
  batch_id TEXT PRIMARY KEY CHECK (length(batch_id) = 64),
  state TEXT NOT NULL DEFAULT 'cut' CHECK (state IN ('cut', 'uploading', 'uploaded', 'receipted')),
  size INTEGER NOT NULL,
  objects INTEGER NOT NULL,
  url TEXT,
  cut_ms INTEGER NOT NULL,
  uploaded_ms INTEGER,
  receipted_ms INTEGER,
  last_error TEXT NOT NULL DEFAULT '',
  CHECK (state = 'cut' OR url IS NOT NULL)
);
CREATE INDEX batches_open ON batches (cut_ms) WHERE state <> 'receipted';

-- id is the receipt's number on the air (24 bits). A base whose database was replaced must not count from 1 again: its
-- traps would take its receipts for repeats of the old ones. A random start leaves 8 million numbers.
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id < 16777216),
  batch_id TEXT NOT NULL REFERENCES batches (batch_id),
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  body BLOB NOT NULL,
  state TEXT NOT NULL DEFAULT 'signed' CHECK (state IN ('signed', 'delivered')),
  stored_ms INTEGER NOT NULL,
  delivered_ms INTEGER,
  UNIQUE (batch_id, trap, epoch)
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('receipts', (random() & 0x7fffffff) % 8000000);
CREATE INDEX receipts_open ON receipts (id) WHERE state = 'signed';

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO counters (name) VALUES
  ('repeats'), ('conflicts'), ('garbage'), ('bad_receipts'), ('upload_failures'), ('storage_refused');
