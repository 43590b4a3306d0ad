-- name: receipt_over
-- The receipt that names an object, which is here or at the back end alone.
SELECT r.id, r.batch_id, r.trap, r.epoch, r.body FROM receipts r
WHERE r.trap = ?1 AND r.epoch = ?2 AND r.batch_id IN (
  SELECT batch_id FROM objects WHERE trap = ?1 AND epoch = ?2 AND number = ?3 AND rung = ?4
  UNION SELECT batch_id FROM elsewhere WHERE trap = ?1 AND epoch = ?2 AND number = ?3 AND rung = ?4)

-- name: digests
SELECT number, rung, sha256 FROM objects WHERE batch_id = ?1 AND trap = ?2 AND epoch = ?3
UNION SELECT number, rung, sha256 FROM elsewhere WHERE batch_id = ?1 AND trap = ?2 AND epoch = ?3

-- name: next_number
UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'receipts' AND seq < ? RETURNING seq

-- name: make_whole
UPDATE receipts SET id = ?, body = ?, state = 'signed', delivered_ms = NULL WHERE id = ?

-- name: count_whole
INSERT INTO counters (name, value) VALUES ('receipts_sent_whole', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
