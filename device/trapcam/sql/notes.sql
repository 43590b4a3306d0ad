-- name: add_note
INSERT INTO notes (number, kind, at_ms) VALUES (?, ?, ?);

-- name: add_alarm
INSERT INTO alarms (number, kind, at_ms, trigger_no) VALUES (?, ?, ?, ?);

-- name: alarm_repeated
SELECT number FROM alarms WHERE kind = :kind AND trigger_no = :trigger_no AND abs(at_ms - :at_ms) < :within_ms;

-- name: open_alarms
SELECT number, kind, at_ms FROM alarms WHERE open ORDER BY number;

-- name: close_alarms
UPDATE alarms SET open = 0 WHERE open;

-- name: last_of
SELECT number, at_ms FROM notes WHERE kind = ? ORDER BY number DESC LIMIT 1;

-- name: moment
SELECT at_ms, trusted, unit_state, trigger_no, reasons FROM ledger;

-- name: set_moment
INSERT INTO ledger (id, at_ms, trusted, unit_state, trigger_no, reasons) VALUES (1, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, trusted = excluded.trusted, unit_state = excluded.unit_state,
  trigger_no = excluded.trigger_no, reasons = excluded.reasons;

-- name: add_share
INSERT INTO days (day, watch_s, seen_s, off_s, reasons, triggers, starts, marks, trusted)
VALUES (:day, :watch_s, :seen_s, :off_s, :reasons, :triggers, :starts, :marks, :trusted)
ON CONFLICT (day) DO UPDATE SET watch_s = watch_s + excluded.watch_s, seen_s = seen_s + excluded.seen_s,
  off_s = off_s + excluded.off_s, reasons = reasons | excluded.reasons, triggers = triggers + excluded.triggers,
  starts = starts + excluded.starts, marks = marks | excluded.marks, trusted = max(trusted, excluded.trusted)
WHERE number IS NULL;

-- name: open_days
SELECT day, watch_s, seen_s, off_s, reasons, triggers, starts, marks, trusted FROM days
WHERE number IS NULL AND day < ? ORDER BY day LIMIT ?;

-- name: bursts_between
SELECT count(*) AS bursts, count(*) FILTER (WHERE outcome = 'kept') AS sightings FROM bursts
WHERE taken_ms >= ? AND taken_ms < ? AND cause NOT IN (2, 3);

-- name: close_day
UPDATE days SET number = ? WHERE day = ? AND number IS NULL;

-- name: remember
INSERT INTO health (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: remembered
SELECT value FROM health WHERE name = ?;

-- name: last_days
SELECT day, watch_s, seen_s, off_s, reasons, marks, trusted, number FROM days ORDER BY day DESC LIMIT ?;

-- name: forget_future
DELETE FROM days WHERE day > ? AND number IS NULL AND NOT trusted;
