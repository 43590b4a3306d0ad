-- name: collectable
-- Everything without a receipt, most urgent first; with `rest` only what no stick has yet.
SELECT number, rung, bytes FROM objects o
WHERE state <> 'deleted' AND NOT (:rest AND EXISTS (
  SELECT 1 FROM carried c WHERE c.number = o.number AND c.rung = o.rung))
ORDER BY priority, number, rung;

-- name: mark_carried
INSERT INTO carried (number, rung, parcel, carried_ms) VALUES (?, ?, ?, ?)
ON CONFLICT (number, rung, parcel) DO UPDATE SET carried_ms = excluded.carried_ms;

-- name: parcels
SELECT parcel, max(carried_ms) AS carried_ms, count(*) AS objects,
  count(*) FILTER (WHERE o.state <> 'deleted') AS unreceipted
FROM carried c JOIN objects o ON o.number = c.number AND o.rung = c.rung
GROUP BY parcel ORDER BY carried_ms DESC, parcel LIMIT 100;

-- name: carried
SELECT count(*) AS objects FROM objects o WHERE state <> 'deleted' AND EXISTS (
  SELECT 1 FROM carried c WHERE c.number = o.number AND c.rung = o.rung);
