-- name: outlet
SELECT * FROM outlets WHERE name = ?

-- name: add_outlet
INSERT INTO outlets (name) VALUES (?) ON CONFLICT DO NOTHING

-- name: newest_sighting
SELECT coalesce(max(arrival), 0) FROM events

-- name: newest_identification
SELECT coalesce(max(id), 0) FROM identifications

-- name: set_cursors
UPDATE outlets SET sightings = ?, identifications = ? WHERE name = ?

-- name: next_sightings
SELECT e.trap, e.epoch, e.number, e.species, e.confidence, e.arrival, a.stored_ms FROM events e
JOIN objects a ON a.id = e.arrival WHERE e.arrival > ? ORDER BY e.arrival LIMIT ?

-- name: next_identifications
SELECT i.id, i.trap, i.epoch, i.number, i.species, e.species AS code, e.confidence FROM identifications i
LEFT JOIN events e ON e.trap = i.trap AND e.epoch = i.epoch AND e.number = i.number
WHERE i.id > ? ORDER BY i.id LIMIT ?

-- name: count_items
SELECT count(*) FROM outlet_items WHERE outlet = ? AND state = 'waiting'

-- name: add_item
INSERT INTO outlet_items (outlet, trap, epoch, number, result, priority, queued_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: ready
-- Those of known traps that need not wait for a crop: it is here, or has been waited for long enough. A row from the
-- future: the clock was set back since, and nobody knows how long it has waited.
SELECT i.* FROM outlet_items i
WHERE i.outlet = ?1 AND i.state = 'waiting' AND i.trap IN (SELECT value FROM json_each(?2))
  AND (i.result > 0 OR ?3 OR i.queued_ms <= ?4 OR i.queued_ms > ?5 OR EXISTS (
    SELECT 1 FROM objects c WHERE c.trap = i.trap AND c.epoch = i.epoch AND c.number = i.number AND c.rung = 1))
ORDER BY i.refusals, i.priority, i.id LIMIT ?6

-- name: pictures_of
SELECT sha256, body FROM objects
WHERE trap = ? AND epoch = ? AND number = ? AND rung IN (1, 2) AND gone_ms IS NULL ORDER BY rung

-- name: identifications_of
SELECT * FROM identifications WHERE trap = ? AND epoch = ? AND number = ?

-- name: drop_item
DELETE FROM outlet_items WHERE id = ?

-- name: count_sent
UPDATE outlets SET sent = sent + 1, sent_ms = ? WHERE name = ?

-- name: refuse
UPDATE outlet_items SET refusals = ?, state = ?, last_error = ? WHERE id = ?

-- name: publish_event_id
UPDATE events SET event_id = ? WHERE trap = ? AND epoch = ? AND number = ? AND event_id IS NULL

-- name: spent
SELECT bytes FROM outlet_days WHERE outlet = ? AND day = ?

-- name: spend
INSERT INTO outlet_days (outlet, day, bytes) VALUES (?, ?, ?)
ON CONFLICT (outlet, day) DO UPDATE SET bytes = bytes + excluded.bytes

-- name: trim_days
DELETE FROM outlet_days WHERE outlet = ?1 AND day NOT IN (
  SELECT day FROM outlet_days WHERE outlet = ?1 ORDER BY day DESC LIMIT ?2)

-- name: tell
UPDATE outlets SET failures = ?, until_ms = ?, last_error = ? WHERE name = ?

-- name: asked
SELECT asked FROM outlets WHERE name = ?

-- name: ask
UPDATE outlets SET asked = asked + 1 WHERE name = ?

-- name: retry_all
UPDATE outlet_items SET state = 'waiting', refusals = 0 WHERE outlet = ? AND state = 'aside'

-- name: retry_one
UPDATE outlet_items SET state = 'waiting', refusals = 0 WHERE outlet = ? AND id = ?
