-- name: digest_of
-- `in_file`: its bytes are to be in the media folder; those that were given up for room are not.
SELECT sha256, body IS NULL AND gone_ms IS NULL AS in_file FROM objects
WHERE trap = ? AND epoch = ? AND number = ? AND rung = ?

-- name: add_object
-- Their ids follow the newest one's, in their order.
INSERT INTO objects
  (trap, epoch, number, rung, sha256, size, body, base, rssi_dbm, snr_db, received_ms, stored_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: newest_object
SELECT max(id) FROM objects

-- name: tally_objects
UPDATE tallies SET count = count + ?, bytes = bytes + ? WHERE kind = 'objects' AND state = 'stored'

-- name: tally_seen
INSERT INTO seen VALUES (?, ?, ?, ?)
ON CONFLICT (trap, species) DO UPDATE SET count = count + excluded.count, newest = excluded.newest

-- name: add_event
INSERT OR ROLLBACK INTO events
  (trap, epoch, number, time_ms, uncertainty_ms, species, confidence, count, box_x, box_y, box_width, box_height, battery,
   arrival)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: any_elsewhere
SELECT 1 FROM elsewhere LIMIT 1

-- name: take_elsewhere
DELETE FROM elsewhere WHERE trap = ? AND epoch = ? AND number = ? AND rung = ? AND sha256 = ? RETURNING batch_id

-- name: adopt_object
UPDATE objects SET state = 'receipted', batch_id = ? WHERE id = ?

-- name: adopt_into
UPDATE batches SET objects = objects + ? WHERE batch_id = ?

-- name: fill
UPDATE room SET media_bytes = media_bytes + ?

-- name: count_conflicts
SELECT count(*) FROM conflicts

-- name: body_of
SELECT body, gone_ms FROM objects WHERE id = ?

-- name: has_conflict
SELECT body IS NULL AS in_file FROM conflicts WHERE trap = ? AND epoch = ? AND number = ? AND rung = ? AND sha256 = ?

-- name: add_conflict
INSERT INTO conflicts (trap, epoch, number, rung, sha256, size, body, seen_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: add_reception
INSERT INTO receptions (object, base, rssi_dbm, snr_db, received_ms)
SELECT o.id, ?5, ?6, ?7, ?8 FROM objects o
WHERE o.trap = ?1 AND o.epoch = ?2 AND o.number = ?3 AND o.rung = ?4 AND o.base <> ?5
  AND (SELECT count(*) FROM receptions r WHERE r.object = o.id) < 8
ON CONFLICT DO NOTHING

-- name: set_heard
INSERT INTO traps (trap, heard_ms, base, rssi_dbm, snr_db, health) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (trap) DO UPDATE SET heard_ms = excluded.heard_ms, base = excluded.base, rssi_dbm = excluded.rssi_dbm,
  snr_db = excluded.snr_db, health = CASE excluded.health WHEN '{}' THEN health ELSE excluded.health END

-- name: count
UPDATE counters SET value = value + ? WHERE name = ?

-- name: waiting
-- Of alerts and notes with their bytes, here and below: they are small; those of pictures are read one by one.
SELECT o.id, o.trap, o.epoch, o.number, o.rung, o.sha256, o.size, CASE WHEN o.rung IN (0, 6) THEN o.body END AS body,
  o.received_ms, o.stored_ms, o.gone_ms,
  (SELECT a.stored_ms FROM objects a
    WHERE a.trap = o.trap AND a.epoch = o.epoch AND a.number = o.number AND a.rung = 0) AS alert_ms,
  (SELECT c.stored_ms FROM objects c
    WHERE c.trap = o.trap AND c.epoch = o.epoch AND c.number = o.number AND c.rung = 1) AS crop_ms,
  (SELECT e.species FROM events e WHERE e.trap = o.trap AND e.epoch = o.epoch AND e.number = o.number) AS species,
  (SELECT n.kind FROM notes n WHERE o.rung = 6 AND n.trap = o.trap AND n.epoch = o.epoch AND n.number = o.number) AS kind
FROM objects o INDEXED BY objects_waiting
WHERE o.state = 'stored' AND o.trap IN (SELECT value FROM json_each(?))
ORDER BY o.id LIMIT ?

-- name: waiting_urgent
-- Of what came after a row of `objects`.
SELECT o.id, o.trap, o.epoch, o.number, o.rung, o.sha256, o.size, CASE WHEN o.rung IN (0, 6) THEN o.body END AS body,
  o.received_ms, o.stored_ms, o.gone_ms,
  (SELECT a.stored_ms FROM objects a
    WHERE a.trap = o.trap AND a.epoch = o.epoch AND a.number = o.number AND a.rung = 0) AS alert_ms,
  (SELECT c.stored_ms FROM objects c
    WHERE c.trap = o.trap AND c.epoch = o.epoch AND c.number = o.number AND c.rung = 1) AS crop_ms,
  (SELECT e.species FROM events e WHERE e.trap = o.trap AND e.epoch = o.epoch AND e.number = o.number) AS species,
  (SELECT n.kind FROM notes n WHERE o.rung = 6 AND n.trap = o.trap AND n.epoch = o.epoch AND n.number = o.number) AS kind
FROM objects o INDEXED BY objects_waiting
WHERE o.state = 'stored' AND o.id > ? AND (
    EXISTS (SELECT 1 FROM events e WHERE e.trap = o.trap AND e.epoch = o.epoch AND e.number = o.number
      AND e.species IN (SELECT value FROM json_each(?)))
    OR EXISTS (SELECT 1 FROM notes n WHERE o.rung = 6 AND n.trap = o.trap AND n.epoch = o.epoch AND n.number = o.number
      AND n.kind IN (2, 3)))
  AND o.trap IN (SELECT value FROM json_each(?))
ORDER BY o.id LIMIT ?

-- name: events_near
SELECT * FROM events INDEXED BY events_by_time
WHERE trap IN (SELECT value FROM json_each(?)) AND time_ms BETWEEN ? AND ?
ORDER BY time_ms, trap, epoch, number LIMIT ?

-- name: add_batch
INSERT INTO batches (batch_id, size, objects, cut_ms) VALUES (?, ?, ?, ?)

-- name: mark_batched
UPDATE objects SET state = 'batched', batch_id = ? WHERE id = ? AND state = 'stored'

-- name: move_object
UPDATE objects SET batch_id = ? WHERE id = ? AND batch_id = ? AND state = 'batched'

-- name: drop_batch
DELETE FROM batches WHERE batch_id = ? AND state <> 'receipted'

-- name: publish_event_id
UPDATE events SET event_id = ? WHERE trap = ? AND epoch = ? AND number = ? AND event_id IS NULL

-- name: batches_in
SELECT batch_id, state, size, url, cut_ms FROM batches WHERE state IN (SELECT value FROM json_each(?))
ORDER BY cut_ms, batch_id LIMIT ?

-- name: open_batches_in
-- As batches_in, past all that are signed for.
SELECT batch_id, state, size, url, cut_ms FROM batches INDEXED BY batches_open
WHERE state <> 'receipted' AND state IN (SELECT value FROM json_each(?)) ORDER BY cut_ms, batch_id LIMIT ?

-- name: batch_ids
SELECT batch_id FROM batches WHERE state <> 'receipted'

-- name: receipted_of
SELECT batch_id FROM batches WHERE state = 'receipted' AND batch_id IN (SELECT value FROM json_each(?))

-- name: recut
UPDATE batches SET url = NULL, state = 'cut', uploaded_ms = NULL, size = ? WHERE batch_id = ? AND state <> 'receipted'

-- name: event_of
SELECT * FROM events WHERE trap = ? AND epoch = ? AND number = ?

-- name: set_url
UPDATE batches SET url = ?, state = 'uploading' WHERE batch_id = ? AND state IN ('cut', 'uploading')

-- name: forget_url
UPDATE batches SET url = NULL, state = 'cut', uploaded_ms = NULL WHERE batch_id = ? AND state <> 'receipted'

-- name: set_uploaded
UPDATE batches SET state = 'uploaded', uploaded_ms = ?, last_error = '' WHERE batch_id = ? AND state = 'uploading'

-- name: set_there
-- All its bytes are there by some way; who asks for its receipts goes on.
UPDATE batches SET url = coalesce(url, ''), state = 'uploaded', uploaded_ms = ?, last_error = ''
WHERE batch_id = ? AND state IN ('cut', 'uploading')

-- name: set_batch_error
UPDATE batches SET last_error = ? WHERE batch_id = ? AND state <> 'receipted'

-- name: objects_of_batch
SELECT o.id, o.trap, o.epoch, o.number, o.rung, o.sha256, o.size, CASE WHEN o.rung IN (0, 6) THEN o.body END AS body,
  o.received_ms, o.stored_ms, o.gone_ms
FROM objects o WHERE o.batch_id = ? ORDER BY o.trap, o.epoch, o.number, o.rung

-- name: add_receipt
INSERT INTO receipts (batch_id, trap, epoch, body, stored_ms) VALUES (?, ?, ?, ?, ?)

-- name: set_receipted
-- From whatever state: a signature for exactly these objects says that they are there, whoever carried them.
UPDATE batches SET state = 'receipted', receipted_ms = ?, url = coalesce(url, ''), last_error = ''
WHERE batch_id = ? AND state <> 'receipted'

-- name: mark_receipted
UPDATE objects SET state = 'receipted' WHERE batch_id = ? AND state = 'batched'

-- name: open_receipts
-- Some of each trap: a stolen trap's receipts, which nobody will ever take, must not hold up the others', nor be counted.
WITH RECURSIVE owed (trap) AS (
  SELECT min(trap) FROM receipts WHERE state = 'signed'
  UNION ALL SELECT (SELECT min(trap) FROM receipts WHERE state = 'signed' AND trap > owed.trap)
    FROM owed WHERE owed.trap IS NOT NULL
)
SELECT id, trap, epoch, body FROM (
  SELECT r.id, r.trap, r.epoch, r.body, row_number() OVER (PARTITION BY r.trap ORDER BY r.id) AS place
  FROM owed JOIN receipts r ON r.id IN (
    SELECT id FROM receipts WHERE state = 'signed' AND trap = owed.trap ORDER BY id LIMIT 4)
) ORDER BY place, id LIMIT ?

-- name: set_delivered
UPDATE receipts SET state = 'delivered', delivered_ms = ? WHERE id = ? AND trap = ? AND epoch = ? AND state = 'signed'

-- name: send_again
UPDATE receipts SET state = 'signed', delivered_ms = NULL WHERE trap = ? AND state = 'delivered'

-- name: all_objects
SELECT o.id, o.trap, o.epoch, o.number, o.rung, o.sha256, o.size, CASE WHEN o.rung IN (0, 6) THEN o.body END AS body,
  o.received_ms, o.stored_ms, o.gone_ms
FROM objects o WHERE o.trap IN (SELECT value FROM json_each(?)) ORDER BY o.id LIMIT ?

-- name: add_note
INSERT INTO notes (trap, epoch, number, kind, time_ms, uncertainty_ms, day, marks, said, proof, stored_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: unproved_notes
SELECT n.trap, n.epoch, n.number, o.body FROM notes n JOIN objects o
  ON o.trap = n.trap AND o.epoch = n.epoch AND o.number = n.number AND o.rung = 6
WHERE n.proof = 'unknown' LIMIT ?

-- name: prove_note
UPDATE notes SET proof = ? WHERE trap = ? AND epoch = ? AND number = ? AND proof = 'unknown'

-- name: day_notes_of
SELECT trap, epoch, number, day, said, proof, stored_ms FROM notes WHERE day IS NOT NULL AND trap IN (SELECT value FROM json_each(?))
ORDER BY trap, day, epoch, number LIMIT ?
