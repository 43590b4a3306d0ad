-- The page shows sightings by species, the rarest as quickly as the commonest.
CREATE INDEX events_by_species ON events (species, time_ms);
