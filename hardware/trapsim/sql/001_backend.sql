-- offset_bytes is what is durable; the file may be longer after a crash. A complete one is remembered, so that a base
-- that died before it heard of it need not send everything again.
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  batch_id TEXT NOT NULL,
  size INTEGER NOT NULL,
  offset_bytes INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'complete', 'refused')),
  reason TEXT NOT NULL DEFAULT ''
);

CREATE TABLE batches (
  batch_id TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  objects INTEGER NOT NULL
);

-- What each batch brought, and so what its receipts name.
CREATE TABLE batch_objects (
  batch_id TEXT NOT NULL REFERENCES batches (batch_id),
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  PRIMARY KEY (batch_id, trap, epoch, number, rung)
) WITHOUT ROWID;

-- Every object once, with the batch that brought it first.
CREATE TABLE objects (
  trap INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  batch_id TEXT NOT NULL REFERENCES batches (batch_id),
  PRIMARY KEY (trap, epoch, number, rung)
) WITHOUT ROWID;

CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO counters (name) VALUES ('duplicated'), ('refused'), ('repeated_batches');
