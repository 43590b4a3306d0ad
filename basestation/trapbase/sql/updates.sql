-- name: update_notes
-- What given units said of their updates, of each the newest few.
SELECT n.trap, n.epoch, n.number, n.time_ms, n.stored_ms, n.proof, n.said FROM json_each(?) k
JOIN notes n INDEXED BY notes_updates ON n.trap = k.value AND n.kind = 6 AND n.stored_ms >= coalesce((
  SELECT m.stored_ms FROM notes m WHERE m.trap = k.value AND m.kind = 6 ORDER BY m.stored_ms DESC LIMIT 1 OFFSET ?), 0)
ORDER BY n.trap, n.stored_ms LIMIT ?

-- name: update_shadows
-- What units said of a new model since a note of theirs: [trap, epoch, number] of each.
SELECT n.trap, n.number, n.proof, n.said, n.stored_ms FROM json_each(?) k
JOIN notes n ON n.trap = json_extract(k.value, '$[0]') AND n.epoch = json_extract(k.value, '$[1]')
  AND n.number > json_extract(k.value, '$[2]') AND n.kind = 7
ORDER BY n.trap, n.number LIMIT ?

-- name: update_days
-- Days' lines since a day, for what is usual.
SELECT trap, day, proof, said FROM notes WHERE day >= ? ORDER BY day, trap LIMIT ?

-- name: rollout
-- The newest one.
SELECT * FROM rollouts ORDER BY id DESC LIMIT 1

-- name: rollouts
SELECT * FROM rollouts ORDER BY id DESC LIMIT ?

-- name: update_troubles
SELECT trap, kind, words, since_ms FROM update_troubles WHERE rollout = ? ORDER BY trap, kind LIMIT ?

-- name: first_permits
-- Each unit's first permission in a rollout.
SELECT trap, issued_ms, fault, min(number) AS number FROM permits
WHERE rollout = ? AND release <> '' GROUP BY trap LIMIT ?

-- name: permits
-- The permission that holds, of every unit that has one.
SELECT p.* FROM (SELECT trap, max(number) AS number FROM permits GROUP BY trap) n
JOIN permits p ON p.trap = n.trap AND p.number = n.number ORDER BY p.trap LIMIT ?

-- name: releases
SELECT release, serial, built_ms, parts, size, stored_ms FROM releases ORDER BY serial DESC LIMIT ?

-- name: add_release
INSERT INTO releases (release, serial, built_ms, parts, size, stored_ms) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (release) DO UPDATE SET serial = excluded.serial, built_ms = excluded.built_ms, parts = excluded.parts,
  size = excluded.size

-- name: end_rollouts
UPDATE rollouts SET state = 'over', moved_ms = ? WHERE state <> 'over'

-- name: begin_rollout
INSERT INTO rollouts (release, state, begun_ms, moved_ms) VALUES (?, 'going', ?, ?)

-- name: move_rollout
-- Unless a person has said something meanwhile: then it is decided again.
UPDATE rollouts SET state = ?, why = ?, wave = ?, waves = ?, word = ?, moved_ms = ?
WHERE id = ? AND (state, go_ms, asked) = (?, ?, ?) AND (state, why, wave, waves, word) IS NOT (?, ?, ?, ?, ?)

-- name: go_on
UPDATE rollouts SET state = 'going', why = '', go_ms = ?, asked = ?, moved_ms = ? WHERE id = ?

-- name: stop
UPDATE rollouts SET state = 'stopped', why = ?, moved_ms = ? WHERE id = ?

-- name: add_trouble
INSERT INTO update_troubles (rollout, trap, kind, words, since_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET words = excluded.words WHERE words <> excluded.words

-- name: add_permit
INSERT INTO permits (trap, number, release, rollout, issued_ms, until_ms, fault) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: allow_alone
-- An engineer's word for one unit (updates/alone.py), kept among the rollout's marks: it ends with its release.
INSERT INTO update_troubles (rollout, trap, kind, words, since_ms) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET words = excluded.words, since_ms = excluded.since_ms

-- name: trim_permits
DELETE FROM permits WHERE trap = ? AND number < ? AND rollout < ?
