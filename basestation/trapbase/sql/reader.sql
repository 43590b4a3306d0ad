-- name: counters
SELECT name, value FROM counters ORDER BY name

-- name: objects_by_state
SELECT state, count(*) AS count, coalesce(sum(size), 0) AS bytes FROM objects GROUP BY state

-- name: batches_by_state
SELECT state, count(*) AS count, coalesce(sum(size), 0) AS bytes FROM batches GROUP BY state

-- name: receipts_by_state
SELECT state, count(*) AS count FROM receipts GROUP BY state

-- name: traps
SELECT t.trap, t.heard_ms, t.base, t.rssi_dbm, t.snr_db, t.health,
  (SELECT count(*) FROM events e WHERE e.trap = t.trap) AS sightings
FROM traps t ORDER BY t.trap LIMIT ?

-- name: waiting_by_trap
SELECT trap, count(*) AS count FROM objects WHERE state = 'stored' GROUP BY trap ORDER BY trap LIMIT ?

-- name: sightings
SELECT e.*, a.rssi_dbm, a.state AS alert_state, a.stored_ms, c.sha256 AS crop, c.state AS crop_state
FROM events e
JOIN objects a ON a.trap = e.trap AND a.epoch = e.epoch AND a.number = e.number AND a.rung = 0
LEFT JOIN objects c ON c.trap = e.trap AND c.epoch = e.epoch AND c.number = e.number AND c.rung = 1
ORDER BY e.time_ms DESC, e.trap, e.epoch, e.number LIMIT ?

-- name: batches
SELECT batch_id, state, size, objects, cut_ms, uploaded_ms, receipted_ms, last_error,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id) AS receipts,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id AND r.state = 'delivered') AS delivered
FROM batches b ORDER BY cut_ms DESC, batch_id LIMIT ?

-- name: conflicts
SELECT trap, epoch, number, rung, sha256, size, seen_ms FROM conflicts ORDER BY id DESC LIMIT ?

-- name: is_crop
SELECT 1 FROM objects WHERE sha256 = ? AND rung IN (1, 2) LIMIT 1

-- name: all_objects
SELECT * FROM objects WHERE id > ? ORDER BY id LIMIT ?

-- name: all_conflicts
SELECT * FROM conflicts WHERE id > ? ORDER BY id LIMIT ?

-- name: batch_states
SELECT b.batch_id, b.state, b.size, b.objects,
  (SELECT count(*) FROM objects o WHERE o.batch_id = b.batch_id) AS held,
  (SELECT count(*) FROM objects o WHERE o.batch_id = b.batch_id AND o.state = 'receipted') AS receipted,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id) AS receipts
FROM batches b ORDER BY b.batch_id LIMIT ? OFFSET ?

-- name: events_without_alert
SELECT count(*) FROM events e WHERE NOT EXISTS (
  SELECT 1 FROM objects a WHERE a.trap = e.trap AND a.epoch = e.epoch AND a.number = e.number AND a.rung = 0)
