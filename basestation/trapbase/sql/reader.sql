-- name: counters
SELECT name, value FROM counters ORDER BY name

-- name: objects_by_state
SELECT state, count, bytes FROM tallies WHERE kind = 'objects' AND count <> 0 ORDER BY state

-- name: batches_by_state
SELECT state, count, bytes FROM tallies WHERE kind = 'batches' AND count <> 0 ORDER BY state

-- name: receipts_by_state
SELECT state, count FROM tallies WHERE kind = 'receipts' AND count <> 0 ORDER BY state

-- name: traps
SELECT t.trap, t.heard_ms, t.base, t.rssi_dbm, t.snr_db, t.health,
  (SELECT coalesce(sum(s.count), 0) FROM seen s WHERE s.trap = t.trap) AS sightings
FROM traps t ORDER BY t.trap LIMIT ?

-- name: waiting_by_trap
SELECT trap, count(*) AS count FROM objects INDEXED BY objects_waiting WHERE state = 'stored' GROUP BY trap ORDER BY trap LIMIT ?

-- name: species
SELECT species, sum(count) AS count FROM seen GROUP BY species ORDER BY species

-- name: newest
-- The last few of every trap, by arrival, so that one busy trap hides no other.
WITH RECURSIVE seen (trap) AS (
  SELECT min(trap) FROM events
  UNION ALL SELECT (SELECT min(trap) FROM events e WHERE e.trap > seen.trap) FROM seen WHERE seen.trap IS NOT NULL
)
SELECT e.trap, e.epoch, e.number, e.time_ms FROM seen JOIN events e INDEXED BY events_by_arrival
  ON e.trap = seen.trap AND e.arrival IN (
  SELECT arrival FROM events n WHERE n.trap = seen.trap ORDER BY arrival DESC LIMIT ?)
ORDER BY e.arrival DESC LIMIT ?

-- name: newest_of
WITH RECURSIVE seen (trap) AS (
  SELECT min(trap) FROM events WHERE species = ?
  UNION ALL SELECT (SELECT min(trap) FROM events e WHERE e.species = ? AND e.trap > seen.trap)
    FROM seen WHERE seen.trap IS NOT NULL
)
SELECT e.trap, e.epoch, e.number, e.time_ms FROM seen JOIN events e INDEXED BY events_by_arrival
  ON e.trap = seen.trap AND e.arrival IN (
  SELECT arrival FROM events n WHERE n.species = ? AND n.trap = seen.trap ORDER BY arrival DESC LIMIT ?)
ORDER BY e.arrival DESC LIMIT ?

-- name: near
-- What given traps saw within a minute of given times: the other camera's view may have been taken for something else.
SELECT DISTINCT e.trap, e.epoch, e.number, e.time_ms FROM json_each(?) k
JOIN events e ON e.trap = json_extract(k.value, '$[0]')
  AND e.time_ms BETWEEN json_extract(k.value, '$[1]') - 60000 AND json_extract(k.value, '$[1]') + 60000
LIMIT ?

-- name: sightings
SELECT e.*, a.stored_ms AS alert_ms, c.sha256 AS crop, c.id AS crop_id, c.stored_ms AS crop_ms, f.sha256 AS frame,
  f.id AS frame_id,
  (SELECT max(u.stored_ms) FROM objects u
    WHERE u.trap = e.trap AND u.epoch = e.epoch AND u.number = e.number AND u.rung BETWEEN 3 AND 5) AS full_ms,
  (SELECT count(*) FROM objects u
    WHERE u.trap = e.trap AND u.epoch = e.epoch AND u.number = e.number AND u.rung BETWEEN 3 AND 5) AS fulls,
  b.receipted_ms AS signed_ms
FROM json_each(?) k
JOIN events e ON e.trap = json_extract(k.value, '$[0]') AND e.epoch = json_extract(k.value, '$[1]')
  AND e.number = json_extract(k.value, '$[2]')
JOIN objects a ON a.trap = e.trap AND a.epoch = e.epoch AND a.number = e.number AND a.rung = 0
LEFT JOIN objects c ON c.trap = e.trap AND c.epoch = e.epoch AND c.number = e.number AND c.rung = 1
LEFT JOIN objects f ON f.trap = e.trap AND f.epoch = e.epoch AND f.number = e.number AND f.rung = 2
LEFT JOIN batches b ON b.batch_id = coalesce(c.batch_id, a.batch_id)
ORDER BY e.arrival DESC

-- name: batches
SELECT batch_id, state, size, objects, cut_ms, uploaded_ms, receipted_ms, last_error,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id) AS receipts,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id AND r.state = 'delivered') AS delivered
FROM batches b ORDER BY cut_ms DESC, batch_id LIMIT ?

-- name: receipts_of
SELECT batch_id, trap, stored_ms, delivered_ms FROM receipts
WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY batch_id, trap, epoch

-- name: conflicts
SELECT trap, epoch, number, rung, sha256, size, seen_ms FROM conflicts ORDER BY id DESC LIMIT ?

-- name: picture
-- A crop, a frame or a scene: its bytes, or nothing where they lie in a file.
SELECT body FROM objects WHERE id = ? AND sha256 = ? AND rung IN (1, 2, 7)

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

-- name: requests
SELECT id, trap, epoch, number, rung, setting, value, first, state, in_force, asked_ms, settled_ms
FROM requests ORDER BY id DESC LIMIT ?

-- name: log_entries
SELECT id, sequence, time_s, is_true, code, value, stored_ms FROM log_entries WHERE trap = ? ORDER BY id DESC LIMIT ?

-- name: day_notes
SELECT trap, epoch, number, day, said, proof, stored_ms FROM notes WHERE day >= ? ORDER BY trap, day, epoch, number LIMIT ?

-- name: alarms
-- `settled`: the first line of a day after it that is not marked any more (somebody has visited); `replaced`: a newer outbox.
SELECT a.trap, a.epoch, a.number, a.kind, a.time_ms, a.uncertainty_ms, a.said, a.proof, a.stored_ms,
  (SELECT min(d.number) FROM notes d WHERE d.trap = a.trap AND d.epoch = a.epoch AND d.number > a.number
    AND d.day IS NOT NULL AND d.marks & 3 = 0 AND d.proof <> 'forged') AS settled,
  EXISTS (SELECT 1 FROM notes n WHERE n.trap = a.trap AND n.epoch <> a.epoch AND n.stored_ms > a.stored_ms) AS replaced
FROM notes a WHERE a.day IS NULL AND a.kind NOT IN (4, 5) ORDER BY a.stored_ms DESC LIMIT ?

-- name: forged_notes
SELECT trap, count(*) AS count FROM notes WHERE proof = 'forged' GROUP BY trap ORDER BY trap LIMIT ?

-- name: scenes
-- The newest picture of the empty scene of each trap.
SELECT o.trap, o.id, o.sha256, o.stored_ms FROM objects o JOIN (
  SELECT trap, max(id) AS id FROM objects INDEXED BY objects_scenes WHERE rung > 6 AND rung < 8 GROUP BY trap) n ON n.id = o.id ORDER BY o.trap LIMIT ?
