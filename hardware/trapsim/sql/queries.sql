-- name: count_uploads
SELECT count(*) FROM uploads

-- name: drop_idle_upload
DELETE FROM uploads WHERE id = (SELECT id FROM uploads ORDER BY state = 'open', rowid LIMIT 1) RETURNING id

-- name: add_upload
INSERT INTO uploads (id, batch_id, size) VALUES (?, ?, ?)

-- name: upload
SELECT * FROM uploads WHERE id = ?

-- name: uploads
SELECT * FROM uploads

-- name: set_offset
UPDATE uploads SET offset_bytes = ? WHERE id = ? AND state = 'open'

-- name: refuse_upload
UPDATE uploads SET state = 'refused', reason = ? WHERE id = ?

-- name: complete_upload
UPDATE uploads SET state = 'complete' WHERE id = ?

-- name: batch
SELECT * FROM batches WHERE batch_id = ?

-- name: batches_after
SELECT rowid AS place, batch_id FROM batches WHERE rowid > ? ORDER BY rowid LIMIT ?

-- name: add_batch
INSERT INTO batches (batch_id, size, objects) VALUES (?, ?, ?)

-- name: add_batch_object
INSERT INTO batch_objects (batch_id, trap, epoch, number, rung, sha256) VALUES (?, ?, ?, ?, ?, ?)

-- name: add_object
INSERT INTO objects (trap, epoch, number, rung, sha256, batch_id) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: object
SELECT sha256 FROM objects WHERE trap = ? AND epoch = ? AND number = ? AND rung = ?

-- name: count
UPDATE counters SET value = value + ? WHERE name = ?

-- name: batch_objects
SELECT * FROM batch_objects WHERE batch_id = ? ORDER BY trap, epoch, number, rung

-- name: stats
SELECT name, value FROM counters
UNION ALL SELECT 'batches', count(*) FROM batches
UNION ALL SELECT 'objects', count(*) FROM objects
UNION ALL SELECT 'open_uploads', count(*) FROM uploads WHERE state = 'open'

-- name: count_identifications
SELECT count(*) FROM identifications

-- name: add_identification
INSERT INTO identifications (result_id, observation_id, said) VALUES (?, ?, ?)

-- name: is_identified
SELECT 1 FROM identifications WHERE observation_id = ? LIMIT 1

-- name: first_identification
SELECT said FROM identifications ORDER BY id LIMIT 1

-- name: last_identification
SELECT coalesce(max(id), 0) FROM identifications

-- name: identifications_after
SELECT id, said FROM identifications WHERE id > ? ORDER BY id LIMIT ?
