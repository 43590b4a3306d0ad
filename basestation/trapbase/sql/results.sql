-- name: add_identification
INSERT INTO identifications (result_id, trap, epoch, number, individual, species, sex, life_stage, confidence, method,
  reviewer, decided_ms, received_ms, withdrawn, replaces)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: identification
SELECT * FROM identifications WHERE result_id = ?

-- name: identifications_of
SELECT * FROM identifications WHERE trap = ? AND epoch = ? AND number = ?

-- name: lay_down
UPDATE identifications SET stands = 0 WHERE trap = ? AND epoch = ? AND number = ? AND stands = 1

-- name: set_up
UPDATE identifications SET stands = 1 WHERE id = ?

-- name: count_identifications
SELECT count(*) AS count FROM identifications

-- name: identification_cursor
SELECT cursor FROM identification_cursors WHERE name = ?

-- name: set_identification_cursor
INSERT INTO identification_cursors (name, cursor, moved_ms) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, moved_ms = excluded.moved_ms

-- name: forget_identification_cursors
DELETE FROM identification_cursors WHERE name <> 'bus'

-- name: count_result
UPDATE counters SET value = value + ? WHERE name = ?

-- name: identifications_after
SELECT * FROM identifications WHERE id > ? ORDER BY id LIMIT ?

-- name: identified
-- What stands of given sightings.
SELECT i.* FROM json_each(?) k JOIN identifications i
  ON i.trap = json_extract(k.value, '$[0]') AND i.epoch = json_extract(k.value, '$[1]')
  AND i.number = json_extract(k.value, '$[2]')
WHERE i.stands = 1

-- name: standing_after
-- What stands, by sighting, and when the trap saw it, where that is known.
SELECT i.*, e.time_ms FROM identifications i
LEFT JOIN events e ON e.trap = i.trap AND e.epoch = i.epoch AND e.number = i.number
WHERE i.stands = 1 AND (i.trap, i.epoch, i.number) > (?, ?, ?) ORDER BY i.trap, i.epoch, i.number LIMIT ?

-- name: identifications_summary
SELECT count(*) AS sightings, count(DISTINCT individual) AS individuals FROM identifications WHERE stands = 1

-- name: identified_sightings
SELECT DISTINCT trap, epoch, number FROM identifications WHERE (trap, epoch, number) > (?, ?, ?)
ORDER BY trap, epoch, number LIMIT ?
