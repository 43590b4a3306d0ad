-- What the back end said of sightings, in order: a cursor names the last row that its reader has.
CREATE TABLE identifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  result_id TEXT NOT NULL UNIQUE,
  observation_id TEXT NOT NULL,
  said TEXT NOT NULL
);
CREATE INDEX identifications_of ON identifications (observation_id);
