-- name: identity
SELECT trap, epoch FROM outbox;

-- name: create_identity
INSERT INTO outbox (id, trap, epoch, created_ms) VALUES (1, ?, ?, ?);

-- name: declare_source
INSERT INTO progress (source, position, total) VALUES (?, 0, ?)
ON CONFLICT (source) DO UPDATE SET total = excluded.total;

-- name: position
SELECT position FROM progress WHERE source = ?;

-- name: advance
UPDATE progress SET position = position + 1 WHERE source = ? AND position = ?;

-- name: add_burst
INSERT INTO bursts (source, position, name, trigger_no, cause, taken_ms, frames, outcome, reason, score)
VALUES (:source, :position, :name, :trigger_no, :cause, :taken_ms, :frames, :outcome, :reason, :score);

-- name: next_number
SELECT max(coalesce((SELECT max(number) FROM events), 0), coalesce((SELECT max(number) FROM notes), 0)) + 1;

-- name: add_event
INSERT INTO events (number, burst_no, taken_ms, uncertainty_ms, category, species, confidence, count,
                    x, y, w, h, model, model_sha256, left_out)
VALUES (:number, :burst_no, :taken_ms, :uncertainty_ms, :category, :species, :confidence, :count,
        :x, :y, :w, :h, :model, :model_sha256, :left_out);

-- name: add_object
INSERT INTO objects (number, rung, priority, state, bytes, sha256, body, file)
VALUES (:number, :rung, :priority, :state, :bytes, :sha256, :body, :file);

-- name: count
INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value;

-- name: count_people
INSERT INTO people_hours (hour_ms, category, count) VALUES (?, ?, 1)
ON CONFLICT (hour_ms, category) DO UPDATE SET count = count + 1;

-- name: waiting
SELECT priority, number, rung FROM objects WHERE state = 'waiting' AND priority < ?
ORDER BY priority, number, rung LIMIT ?;

-- name: undelivered
SELECT priority, number, rung, bytes FROM objects WHERE state NOT IN ('delivered', 'deleted')
ORDER BY priority, number, rung LIMIT ?;

-- name: is_undelivered
SELECT 1 FROM objects WHERE number = ? AND rung = ? AND state NOT IN ('delivered', 'deleted');

-- name: in_state
SELECT priority, number, rung FROM objects WHERE state = ? ORDER BY priority, number, rung;

-- name: object
SELECT state, sha256, body, file FROM objects WHERE number = ? AND rung = ?;

-- name: mark_stored
UPDATE objects SET state = 'stored' WHERE number = ? AND rung = ? AND state = 'waiting';

-- name: want
UPDATE objects SET state = 'waiting', priority = min(priority, ?)
WHERE number = ? AND rung = ? AND state IN ('held', 'waiting', 'delivered');

-- name: mark_delivered
UPDATE objects SET state = 'delivered' WHERE number = ? AND rung = ? AND state IN ('held', 'waiting', 'stored');

-- name: mark_deleted
UPDATE objects SET state = 'deleted', body = NULL, file = NULL WHERE number = ? AND rung = ?;

-- name: receipt
SELECT 1 FROM receipts WHERE sha256 = ?;

-- name: receipt_signed
SELECT 1 FROM receipts WHERE signature = ? LIMIT 1;

-- name: add_receipt
INSERT INTO receipts (sha256, objects, signature, applied_ms) VALUES (?, ?, ?, ?);

-- name: files
SELECT file FROM objects WHERE file IS NOT NULL;

-- name: held_counts
SELECT count(*) FILTER (WHERE state <> 'deleted') AS unreceipted,
       count(*) FILTER (WHERE rung BETWEEN :first AND :last AND state = 'held') AS full_frames_held FROM objects;

-- name: unjudged_bytes
SELECT coalesce(sum(o.bytes), 0) AS bytes FROM events e JOIN objects o ON o.number = e.number
WHERE e.category = 'unjudged' AND o.state <> 'deleted';

-- name: totals
SELECT (SELECT count(*) FROM bursts) AS bursts, (SELECT count(*) FROM events) AS sightings;

-- name: unreceipted
SELECT number, rung, bytes, sha256 FROM objects WHERE state <> 'deleted' ORDER BY priority, number, rung;

-- name: told
SELECT says FROM told WHERE part = ?;

-- name: tell
INSERT INTO told (part, says) VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET says = excluded.says;

-- name: status_progress
SELECT source, position, total FROM progress ORDER BY source;

-- name: status_counters
SELECT name, value FROM counters ORDER BY name;

-- name: status_bursts
SELECT outcome, reason, count(*) AS bursts, sum(frames) AS frames FROM bursts GROUP BY outcome, reason
ORDER BY outcome, reason;

-- name: status_objects
SELECT rung, state, count(*) AS objects, sum(bytes) AS bytes FROM objects GROUP BY rung, state ORDER BY rung, state;

-- name: status_left_out
SELECT coalesce(sum(left_out), 0) AS left_out FROM events;

-- name: status_receipts
SELECT count(*) AS receipts FROM receipts;

-- name: status_people
SELECT hour_ms, category, count FROM people_hours ORDER BY hour_ms, category;
