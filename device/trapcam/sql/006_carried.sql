-- Which parcels (on sticks) hold which objects. They are still the trap's to keep: only a receipt deletes.
CREATE TABLE carried (
  number INTEGER NOT NULL,
  rung INTEGER NOT NULL,
  parcel TEXT NOT NULL CHECK (length(parcel) = 8),
  carried_ms INTEGER NOT NULL,
  PRIMARY KEY (number, rung, parcel)
) STRICT, WITHOUT ROWID;
