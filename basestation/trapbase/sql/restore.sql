-- name: last_receipt
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'receipts'

-- name: leap
UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?

-- name: let_go_settings
UPDATE requests SET state = 'overtaken', settled_ms = ? WHERE setting IS NOT NULL AND state IN ('open', 'on trial')

-- name: mark_outboxes
INSERT INTO restore_marks (trap, epoch, number)
-- Somewhat lower than the newest: a crop or a note of a little earlier may have come after the backup was made.
SELECT trap, epoch, max(0, max(number) - 100) FROM objects WHERE true GROUP BY trap, epoch ON CONFLICT DO NOTHING

-- name: add_restore
INSERT INTO restores (backup_ms, restored_ms) VALUES (?, ?)

-- name: unchecked
SELECT id, backup_ms, restored_ms FROM restores WHERE checked_ms IS NULL ORDER BY id DESC LIMIT 1

-- name: set_checked
UPDATE restores SET checked_ms = ? WHERE checked_ms IS NULL

-- name: recalling
SELECT restored_ms FROM restores WHERE checked_ms IS NOT NULL AND ended_ms IS NULL ORDER BY id DESC LIMIT 1

-- name: end_recalls
UPDATE restores SET ended_ms = ? WHERE checked_ms IS NOT NULL AND ended_ms IS NULL

-- name: shift_restores
UPDATE restores SET restored_ms = restored_ms + ? WHERE ended_ms IS NULL

-- name: shift_recalls
UPDATE recalls SET found_ms = found_ms + ?1, turn_ms = turn_ms + ?1

-- name: drop_marks
DELETE FROM restore_marks

-- name: drop_recalls
DELETE FROM recalls

-- name: batch_state
SELECT state FROM batches WHERE batch_id = ?

-- name: open_batches
SELECT batch_id FROM batches WHERE state <> 'receipted' ORDER BY batch_id

-- name: held_in
SELECT count(*) FROM objects WHERE batch_id = ?

-- name: object_here
SELECT id, sha256, batch_id, state FROM objects WHERE trap = ? AND epoch = ? AND number = ? AND rung = ?

-- name: dissolve_objects
UPDATE objects SET state = 'stored', batch_id = NULL WHERE batch_id = ? AND state = 'batched'

-- name: dissolve_batch
DELETE FROM batches WHERE batch_id = ? AND state <> 'receipted'

-- name: adopt_batch
INSERT INTO batches (batch_id, state, size, objects, url, cut_ms, uploaded_ms, receipted_ms)
VALUES (?, 'receipted', 0, ?, '', ?, ?, ?)
ON CONFLICT (batch_id) DO UPDATE SET state = 'receipted', objects = excluded.objects, url = coalesce(url, ''),
  receipted_ms = excluded.receipted_ms, last_error = ''

-- name: adopt_object
UPDATE objects SET state = 'receipted', batch_id = ? WHERE id = ? AND state <> 'receipted'

-- name: add_elsewhere
INSERT INTO elsewhere (trap, epoch, number, rung, sha256, batch_id) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: add_receipt
INSERT INTO receipts (batch_id, trap, epoch, body, stored_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (batch_id, trap, epoch) DO NOTHING

-- name: marks
SELECT m.trap, m.epoch, m.number, (SELECT max(o.number) FROM objects o WHERE o.trap = m.trap AND o.epoch = m.epoch) AS newest
FROM restore_marks m ORDER BY m.trap, m.epoch LIMIT ?

-- name: newest_object
SELECT coalesce(max(id), 0) FROM objects

-- name: new_outboxes
-- Outboxes that began after the backup was made.
INSERT INTO restore_marks (trap, epoch, number)
SELECT DISTINCT trap, epoch, 0 FROM objects WHERE id > ? ON CONFLICT DO NOTHING

-- name: numbers_here
SELECT DISTINCT number FROM objects WHERE trap = ?1 AND epoch = ?2 AND number BETWEEN ?3 AND ?4
UNION SELECT DISTINCT number FROM elsewhere WHERE trap = ?1 AND epoch = ?2 AND number BETWEEN ?3 AND ?4

-- name: cropless
-- Sightings of which the crop is neither here nor at the back end.
SELECT e.number FROM events e WHERE e.trap = ?1 AND e.epoch = ?2 AND e.number BETWEEN ?3 AND ?4
  AND NOT EXISTS (SELECT 1 FROM objects o WHERE o.trap = e.trap AND o.epoch = e.epoch AND o.number = e.number AND o.rung = 1)
  AND NOT EXISTS (SELECT 1 FROM elsewhere x WHERE x.trap = e.trap AND x.epoch = e.epoch AND x.number = e.number AND x.rung = 1)
ORDER BY e.number

-- name: add_recall
INSERT INTO recalls (trap, epoch, number, rung, found_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: settled_recalls
-- Those that have come, or whose number has come as something else.
DELETE FROM recalls WHERE EXISTS (
    SELECT 1 FROM objects o WHERE o.trap = recalls.trap AND o.epoch = recalls.epoch AND o.number = recalls.number
      AND (recalls.rung <> 1 OR o.rung IN (1, 6, 7)))
  OR EXISTS (
    SELECT 1 FROM elsewhere x WHERE x.trap = recalls.trap AND x.epoch = recalls.epoch AND x.number = recalls.number
      AND (recalls.rung <> 1 OR x.rung IN (1, 6, 7)))

-- name: raise_mark
UPDATE restore_marks SET number = ? WHERE trap = ? AND epoch = ?

-- name: in_turn
SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY trap ORDER BY turn_ms IS NULL, turns, rung, epoch, number) AS place
  FROM recalls WHERE found_ms <= ?1 AND (turns < ?2 OR turn_ms IS NOT NULL)
) WHERE place <= ?3 ORDER BY place, trap LIMIT ?4

-- name: begin_turn
UPDATE recalls SET turn_ms = ?, turns = turns + 1 WHERE trap = ? AND epoch = ? AND number = ? AND rung = ?

-- name: end_turns
UPDATE recalls SET turn_ms = NULL WHERE turn_ms <= ?

-- name: count_recalls
SELECT count(*) FROM recalls
