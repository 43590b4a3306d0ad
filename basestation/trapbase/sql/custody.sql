-- name: media_bytes
SELECT media_bytes FROM room

-- name: spare_bytes
SELECT coalesce(sum(size), 0) FROM objects INDEXED BY objects_spare
WHERE state = 'receipted' AND gone_ms IS NULL AND rung <> 0 AND rung <> 6

-- name: spare
-- Of one kind, the oldest first.
SELECT id, sha256, size, stored_ms FROM objects INDEXED BY objects_spare
WHERE rung = ? AND state = 'receipted' AND gone_ms IS NULL AND rung <> 0 AND rung <> 6 ORDER BY id LIMIT ?

-- name: set_gone
-- Put in its own place, not updated: SQLite joins pages when rows are deleted and not when they become shorter, and a body
-- in its row would leave nobody any room. No trigger fires at that (`recursive_triggers` is off): all counts stay.
INSERT OR REPLACE INTO objects
  (id, trap, epoch, number, rung, sha256, size, body, state, batch_id, base, rssi_dbm, snr_db, received_ms, stored_ms, gone_ms)
SELECT id, trap, epoch, number, rung, sha256, size, NULL, state, batch_id, base, rssi_dbm, snr_db, received_ms, stored_ms, ?
FROM objects WHERE id = ? AND state = 'receipted' AND gone_ms IS NULL AND rung <> 0 AND rung <> 6

-- name: pages
-- Pages of the database that hold nothing and are written to before the file grows, and their size.
SELECT f.freelist_count AS free, p.page_size AS size FROM pragma_freelist_count f, pragma_page_size p

-- name: empty
UPDATE room SET media_bytes = media_bytes - ?

-- name: last_gone
SELECT sha256 FROM objects WHERE gone_ms = (SELECT max(gone_ms) FROM objects WHERE gone_ms IS NOT NULL)

-- name: is_needed
SELECT 1 FROM objects WHERE sha256 = ?1 AND gone_ms IS NULL AND body IS NULL
UNION ALL SELECT 1 FROM conflicts WHERE sha256 = ?1 AND body IS NULL LIMIT 1
