-- name: in_custody
SELECT 1 FROM objects WHERE trap = ? AND epoch = ? AND number = ? AND rung = ?

-- name: wish
SELECT 1 FROM requests WHERE trap = ? AND epoch = ? AND number = ? AND rung = ? AND state = 'open'

-- name: add_wish
INSERT INTO requests (trap, epoch, number, rung, asked_ms) VALUES (?, ?, ?, ?, ?)

-- name: add_setting
INSERT INTO requests (trap, setting, value, asked_ms) VALUES (?, ?, ?, ?)

-- name: add_log
INSERT INTO requests (trap, setting, first, value, asked_ms) VALUES (?, 'log', ?, ?, ?)

-- name: add_entry
INSERT OR IGNORE INTO log_entries (trap, sequence, time_s, is_true, code, value, stored_ms) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: trim_entries
DELETE FROM log_entries WHERE trap = ?1 AND id <= (
  SELECT id FROM log_entries WHERE trap = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)

-- name: overtake
-- What is on trial has its own end, and what the trap says of it is still to be known.
UPDATE requests SET state = 'overtaken', settled_ms = ? WHERE trap = ? AND setting = ? AND state = 'open'

-- name: open
SELECT * FROM (
  -- Some of each trap: one that is never heard again must not hold up the others.
  SELECT *, row_number() OVER (PARTITION BY trap, setting IS NULL ORDER BY id) AS place FROM requests
  WHERE state IN ('open', 'on trial')
) WHERE place <= 4 ORDER BY place, id LIMIT ?

-- name: answered
UPDATE requests SET state = ?, in_force = ?, settled_ms = ?
WHERE trap = ? AND id & 65535 = ? AND setting IS NOT NULL AND state IN ('open', 'on trial')

-- name: fulfil
UPDATE requests SET state = 'done', settled_ms = ? WHERE state = 'open' AND setting IS NULL AND EXISTS (
  SELECT 1 FROM objects o WHERE o.trap = requests.trap AND o.epoch = requests.epoch AND o.number = requests.number
    AND o.rung = requests.rung)

-- name: give_up
UPDATE requests SET state = 'given up', settled_ms = ? WHERE state IN ('open', 'on trial') AND asked_ms < ?
