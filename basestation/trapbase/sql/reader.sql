-- name: counters
SELECT name, value FROM counters ORDER BY name

-- name: objects_by_state
SELECT state, count, bytes FROM tallies WHERE kind = 'objects' AND count <> 0 ORDER BY state

-- name: batches_by_state
SELECT state, count, bytes FROM tallies WHERE kind = 'batches' AND count <> 0 ORDER BY state

-- name: receipts_by_state
SELECT state, count FROM tallies WHERE kind = 'receipts' AND count <> 0 ORDER BY state

-- name: traps
-- The last word of every trap of which anything is here. `heard_ms`: by radio, with its health; `came_ms`: when its newest
-- alert or note was stored, however it came: a trap with a network says no word by radio.
WITH RECURSIVE from_objects (trap) AS (
  SELECT min(trap) FROM objects
  UNION ALL SELECT (SELECT min(o.trap) FROM objects o WHERE o.trap > from_objects.trap)
    FROM from_objects WHERE from_objects.trap IS NOT NULL
), known (trap) AS (SELECT trap FROM from_objects WHERE trap IS NOT NULL UNION SELECT trap FROM traps)
SELECT k.trap, t.heard_ms, t.base, t.rssi_dbm, t.snr_db, coalesce(t.health, '{}') AS health,
  max(
    coalesce((SELECT o.stored_ms FROM objects o WHERE o.id = (
      SELECT max(s.newest) FROM seen s WHERE s.trap = k.trap)), 0),
    coalesce((SELECT max(n.stored_ms) FROM notes n WHERE n.trap = k.trap), 0)
  ) AS came_ms
FROM known k LEFT JOIN traps t ON t.trap = k.trap ORDER BY k.trap LIMIT ?

-- name: sightings_by_trap
SELECT trap, sum(count) AS count FROM seen GROUP BY trap

-- name: oldest
-- Since when the oldest of each kind waits, Unix ms, and what for; of objects those of given traps alone.
SELECT 'batch' AS waits_for, stored_ms AS since_ms FROM (
  SELECT stored_ms FROM objects INDEXED BY objects_waiting
  WHERE state = 'stored' AND trap IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT 1)
UNION ALL SELECT 'upload', since_ms FROM (
  SELECT min(cut_ms) AS since_ms FROM batches WHERE state <> 'receipted' AND state <> 'uploaded')
  WHERE since_ms IS NOT NULL
UNION ALL SELECT 'signature', since_ms FROM (
  SELECT min(uploaded_ms) AS since_ms FROM batches WHERE state <> 'receipted' AND state = 'uploaded')
  WHERE since_ms IS NOT NULL
UNION ALL SELECT 'trap', stored_ms FROM receipts
  WHERE id = (SELECT min(id) FROM receipts INDEXED BY receipts_open WHERE state = 'signed')

-- name: late
SELECT batch_id, state, size, objects, cut_ms, uploaded_ms, last_error FROM batches
WHERE state <> 'receipted' AND last_error <> '' ORDER BY cut_ms LIMIT ?

-- name: signed
-- When the back end signed last, Unix ms.
SELECT max(receipted_ms) AS signed_ms FROM batches

-- name: receipts_waiting
SELECT trap, count(*) AS count, min(stored_ms) AS since_ms FROM receipts WHERE state = 'signed'
GROUP BY trap ORDER BY trap LIMIT ?

-- name: waiting_by_trap
-- By the index of what waits: SQLite would go through all objects to have them by trap.
SELECT trap, count(*) AS count FROM objects INDEXED BY objects_waiting WHERE state = 'stored' GROUP BY trap ORDER BY trap
LIMIT ?

-- name: species
SELECT species, sum(count) AS count FROM seen GROUP BY species ORDER BY species

-- name: newest
-- The last few of every trap and epoch by their numbers, so that one busy trap hides no other; as they came.
WITH RECURSIVE of_trap (trap) AS (
  SELECT min(trap) FROM events
  UNION ALL SELECT (SELECT min(e.trap) FROM events e WHERE e.trap > of_trap.trap)
    FROM of_trap WHERE of_trap.trap IS NOT NULL
), of_epoch (trap, epoch) AS (
  SELECT trap, (SELECT min(e.epoch) FROM events e WHERE e.trap = of_trap.trap AND e.epoch >= 0) FROM of_trap WHERE trap IS NOT NULL
  UNION ALL SELECT trap, (SELECT min(e.epoch) FROM events e WHERE e.trap = of_epoch.trap AND e.epoch > of_epoch.epoch)
    FROM of_epoch WHERE of_epoch.epoch IS NOT NULL
)
SELECT e.trap, e.epoch, e.number, e.time_ms FROM of_epoch o
JOIN events e ON e.trap = o.trap AND e.epoch = o.epoch AND e.number IN (
  SELECT number FROM events n WHERE n.trap = o.trap AND n.epoch = o.epoch ORDER BY n.number DESC LIMIT ?)
ORDER BY e.arrival DESC LIMIT ?

-- name: newest_of
-- The last of a species: the newest of every trap that saw it, so that one busy trap hides no other, and then whatever
-- came last.
SELECT e.trap, e.epoch, e.number, e.time_ms FROM (
  SELECT newest AS arrival, 0 AS place FROM seen WHERE species = ?1
  UNION SELECT arrival, 1 FROM (SELECT arrival FROM events WHERE species = ?1 ORDER BY arrival DESC LIMIT ?2)
) k JOIN events e ON e.species = ?1 AND e.arrival = k.arrival
GROUP BY e.arrival ORDER BY min(k.place), e.arrival DESC LIMIT ?2

-- name: near
-- What given traps saw within a minute of given times: the other camera's view may have been taken for something else.
SELECT DISTINCT e.trap, e.epoch, e.number, e.time_ms FROM json_each(?) k
JOIN events e INDEXED BY events_by_time ON e.trap = json_extract(k.value, '$[0]')
  AND e.time_ms BETWEEN json_extract(k.value, '$[1]') - 60000 AND json_extract(k.value, '$[1]') + 60000
LIMIT ?

-- name: sightings
SELECT e.*, a.stored_ms AS alert_ms, c.stored_ms AS crop_ms, c.gone_ms, c.id AS crop_id, f.id AS frame_id,
  CASE WHEN c.gone_ms IS NULL THEN c.sha256 END AS crop, CASE WHEN f.gone_ms IS NULL THEN f.sha256 END AS frame,
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
FROM (SELECT * FROM batches ORDER BY cut_ms DESC, batch_id LIMIT ?) b ORDER BY cut_ms DESC, batch_id

-- name: receipts_of
SELECT batch_id, trap, stored_ms, delivered_ms FROM receipts
WHERE batch_id IN (SELECT value FROM json_each(?)) ORDER BY batch_id, trap, epoch

-- name: conflicts
SELECT trap, epoch, number, rung, sha256, size, seen_ms FROM conflicts ORDER BY id DESC LIMIT ?

-- name: picture
-- A crop, a frame or a scene: its bytes, or nothing where they lie in a file.
SELECT body FROM objects WHERE id = ? AND sha256 = ? AND rung IN (1, 2, 7) AND gone_ms IS NULL

-- name: all_objects
SELECT * FROM objects WHERE id > ? ORDER BY id LIMIT ?

-- name: all_conflicts
SELECT * FROM conflicts WHERE id > ? ORDER BY id LIMIT ?

-- name: batch_states
SELECT b.batch_id, b.state, b.size, b.objects,
  (SELECT count(*) FROM objects o WHERE o.batch_id = b.batch_id) AS held,
  (SELECT count(*) FROM objects o WHERE o.batch_id = b.batch_id AND o.state = 'receipted') AS receipted,
  (SELECT count(*) FROM receipts r WHERE r.batch_id = b.batch_id) AS receipts
FROM batches b WHERE b.batch_id > ? AND b.batch_id <= ? ORDER BY b.batch_id LIMIT ?

-- name: batch_identities
SELECT trap, epoch, number, rung, sha256 FROM objects WHERE batch_id = ?

-- name: all_receipts
SELECT id, batch_id, trap, epoch, body, (SELECT size FROM batches b WHERE b.batch_id = r.batch_id) AS size
FROM receipts r WHERE id > ? ORDER BY id LIMIT ?

-- name: objects_named
-- What a receipt of one outbox may name: here, or at the back end alone.
SELECT number, rung, sha256 FROM objects WHERE batch_id = ?1 AND trap = ?2 AND epoch = ?3
UNION SELECT number, rung, sha256 FROM elsewhere WHERE batch_id = ?1 AND trap = ?2 AND epoch = ?3

-- name: events_without_alert
SELECT trap, epoch, number FROM events e WHERE NOT EXISTS (
  SELECT 1 FROM objects a WHERE a.trap = e.trap AND a.epoch = e.epoch AND a.number = e.number AND a.rung = 0) LIMIT ?

-- name: notes_without_object
SELECT trap, epoch, number FROM notes n WHERE NOT EXISTS (
  SELECT 1 FROM objects o WHERE o.trap = n.trap AND o.epoch = n.epoch AND o.number = n.number AND o.rung = 6) LIMIT ?

-- name: event_said
SELECT time_ms, uncertainty_ms, species, confidence, count, box_x, box_y, box_width, box_height, battery FROM events
WHERE trap = ? AND epoch = ? AND number = ?

-- name: note_said
SELECT kind, time_ms, uncertainty_ms, said FROM notes WHERE trap = ? AND epoch = ? AND number = ?

-- name: open_batch_ids
SELECT batch_id FROM batches WHERE state <> 'receipted'

-- name: files_of
-- Digests that need a file, or had one that was given up: of one folder of the media folder.
SELECT sha256 FROM objects WHERE body IS NULL AND gone_ms IS NULL AND sha256 >= ?1 AND sha256 < ?2
UNION SELECT sha256 FROM conflicts WHERE body IS NULL AND sha256 >= ?1 AND sha256 < ?2

-- name: room
SELECT media_bytes, (SELECT coalesce(sum(size), 0) FROM objects WHERE rung NOT IN (0, 6) AND gone_ms IS NULL)
  + (SELECT coalesce(sum(size), 0) FROM conflicts WHERE rung NOT IN (0, 6)) AS bytes FROM room

-- name: counted
SELECT (SELECT count(*) FROM objects) AS objects, (SELECT count(*) FROM elsewhere) AS elsewhere

-- name: elsewhere
SELECT trap, epoch, number, rung, batch_id FROM elsewhere ORDER BY trap, epoch, number, rung LIMIT ?

-- name: integrity
PRAGMA integrity_check(100)

-- name: references
PRAGMA foreign_key_check

-- name: restored
SELECT backup_ms, restored_ms, checked_ms, ended_ms, (SELECT count(*) FROM recalls) AS recalls,
  (SELECT count(*) FROM elsewhere) AS elsewhere FROM restores ORDER BY id DESC LIMIT 1

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
FROM notes a WHERE a.kind IN (2, 3) ORDER BY a.stored_ms DESC LIMIT ?

-- name: forged_notes
SELECT trap, count(*) AS count FROM notes WHERE proof = 'forged' GROUP BY trap ORDER BY trap LIMIT ?

-- name: scenes
-- The newest picture of the empty scene of each trap.
SELECT o.trap, o.id, o.sha256, o.stored_ms FROM objects o JOIN (
  SELECT trap, max(id) AS id FROM objects INDEXED BY objects_scenes WHERE rung > 6 AND rung < 8 GROUP BY trap) n ON n.id = o.id
WHERE o.gone_ms IS NULL ORDER BY o.trap LIMIT ?

-- name: outlets
SELECT o.*, (SELECT count(*) FROM outlet_items i WHERE i.outlet = o.name AND i.state = 'waiting') AS waiting,
  (SELECT count(*) FROM outlet_items i WHERE i.outlet = o.name AND i.state = 'aside') AS aside,
  (SELECT min(i.queued_ms) FROM outlet_items i WHERE i.outlet = o.name AND i.state = 'waiting') AS oldest_ms
FROM outlets o ORDER BY o.name LIMIT ?

-- name: outlet_aside
-- Some of each, so that one bad way hides no other.
SELECT id, outlet, trap, epoch, number, result, refusals, last_error FROM (
  SELECT *, row_number() OVER (PARTITION BY outlet ORDER BY id) AS place FROM outlet_items WHERE state = 'aside')
WHERE place <= ? ORDER BY outlet, id

-- name: outlet_days
SELECT outlet, day, bytes FROM outlet_days WHERE day >= ? ORDER BY outlet, day
