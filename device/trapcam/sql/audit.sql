-- name: key
SELECT key FROM audit_key;

-- name: limit
SELECT probability FROM audit_cells
WHERE season = :season AND stratum = :stratum AND share = :share;

-- name: add_burst
INSERT INTO audit_cells (season, stratum, share, probability, bursts)
VALUES (:season, :stratum, :share, :share, 1)
ON CONFLICT (season, stratum, share) DO UPDATE SET bursts = bursts + 1
RETURNING cell, probability;

-- name: add_sample
INSERT INTO audit (burst_no, cell, draw, state, bytes, sha256, file)
VALUES (:burst_no, :cell, :draw, 'held', :bytes, :sha256, :file);

-- name: lower
UPDATE audit_cells SET probability = min(probability, :probability) WHERE cell = :cell;

-- name: dropped_by
SELECT file, bytes FROM audit WHERE cell = :cell AND draw >= :probability AND file IS NOT NULL;

-- name: drop
UPDATE audit SET state = 'dropped', file = NULL
WHERE cell = :cell AND draw >= :probability AND file IS NOT NULL;

-- name: copied
SELECT burst_no, file, bytes FROM audit WHERE state = 'exported' ORDER BY burst_no LIMIT 1;

-- name: mark_collected
UPDATE audit SET state = 'collected', file = NULL WHERE burst_no = ? AND state IN ('held', 'exported');

-- name: mark_exported
UPDATE audit SET state = 'exported' WHERE burst_no = ? AND state = 'held';

-- name: widest
SELECT cell, stratum, probability FROM audit_cells
WHERE cell IN (SELECT cell FROM audit WHERE file IS NOT NULL)
ORDER BY stratum = 'near', probability DESC, cell LIMIT 1;

-- name: bytes
SELECT coalesce(sum(bytes), 0) AS bytes FROM audit WHERE file IS NOT NULL;

-- name: files
SELECT file FROM audit WHERE file IS NOT NULL;

-- name: samples
SELECT burst_no, season, stratum, share, draw, bytes, sha256, file
FROM audit JOIN audit_cells USING (cell) WHERE file IS NOT NULL ORDER BY burst_no;

-- name: cells
SELECT season, stratum, share, probability, bursts,
       count(burst_no) FILTER (WHERE draw < probability) AS samples,
       count(burst_no) FILTER (WHERE state = 'held') AS held,
       count(burst_no) FILTER (WHERE state = 'exported') AS exported,
       count(burst_no) FILTER (WHERE state = 'collected') AS collected,
       count(burst_no) FILTER (WHERE state = 'dropped') AS dropped,
       coalesce(sum(bytes) FILTER (WHERE file IS NOT NULL), 0) AS bytes
FROM audit_cells LEFT JOIN audit USING (cell) GROUP BY cell ORDER BY cell;
