-- In which order the alerts came, by the base's own count: a trap's clock may be years off.
ALTER TABLE events ADD COLUMN arrival INTEGER;
UPDATE events SET arrival = (SELECT o.id FROM objects o
  WHERE o.trap = events.trap AND o.epoch = events.epoch AND o.number = events.number AND o.rung = 0);
DROP INDEX events_by_species;
CREATE INDEX events_by_species ON events (species, trap, arrival);
CREATE INDEX events_by_arrival ON events (trap, arrival);
CREATE INDEX events_of_trap ON events (trap, time_ms);
