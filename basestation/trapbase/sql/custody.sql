-- name: media_bytes
SELECT media_bytes FROM room

-- name: spare_bytes
SELECT coalesce(sum(size), 0) FROM objects INDEXED BY objects_spare
WHERE state = 'receipted' AND body IS NULL AND gone_ms IS NULL

-- name: spare
-- Of one kind, the oldest first.
SELECT id, sha256, size, stored_ms FROM objects INDEXED BY objects_spare
WHERE rung = ? AND state = 'receipted' AND body IS NULL AND gone_ms IS NULL ORDER BY id LIMIT ?

-- name: set_gone
UPDATE objects SET gone_ms = ?
WHERE id = ? AND state = 'receipted' AND body IS NULL AND gone_ms IS NULL

-- name: empty
UPDATE room SET media_bytes = media_bytes - ?

-- name: last_gone
SELECT sha256 FROM objects WHERE gone_ms = (SELECT max(gone_ms) FROM objects WHERE gone_ms IS NOT NULL)

-- name: is_needed
SELECT 1 FROM objects WHERE sha256 = ?1 AND gone_ms IS NULL AND body IS NULL
UNION ALL SELECT 1 FROM conflicts WHERE sha256 = ?1 AND body IS NULL LIMIT 1
