-- An index led by the trap costs a page of it for every trap in a group, and a group holds many traps: more bytes than
-- the sightings themselves. These are led by what grows, so that a group writes the one page at the end of each. The
-- last of a trap are found by their numbers (reader.sql), the last of its species are kept with their count.
DROP INDEX events_by_species;
DROP INDEX events_by_arrival;
DROP INDEX events_of_trap;
CREATE INDEX events_by_species ON events (species, arrival);
CREATE INDEX events_by_time ON events (time_ms, trap);
-- `arrival` of the newest, and with it its row.
ALTER TABLE seen ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE seen SET newest = coalesce((SELECT max(e.arrival) FROM events e
  WHERE e.trap = seen.trap AND e.species = seen.species), 0);
