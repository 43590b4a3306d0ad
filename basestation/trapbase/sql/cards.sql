-- name: cards_mark
-- Changes whenever one came, or was proved.
SELECT count(*) AS count, coalesce(max(stored_ms), 0) AS newest_ms, coalesce(sum(proof = 'verified'), 0) AS verified
FROM notes WHERE kind IN (4, 5);

-- name: cards
SELECT n.trap, n.epoch, n.number, n.proof, n.stored_ms, o.body FROM notes n
JOIN objects o ON o.trap = n.trap AND o.epoch = n.epoch AND o.number = n.number AND o.rung = 6
WHERE n.kind IN (4, 5) ORDER BY n.trap, n.epoch, n.number LIMIT ?;
