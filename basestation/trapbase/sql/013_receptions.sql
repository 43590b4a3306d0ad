-- Who else heard an object on the air: bases beside the one that brought it first, at most eight of an object.
CREATE TABLE receptions (
  object INTEGER NOT NULL REFERENCES objects (id),
  base TEXT NOT NULL,
  rssi_dbm INTEGER,
  snr_db REAL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (object, base)
) WITHOUT ROWID;
INSERT INTO counters (name) VALUES ('also_heard');
