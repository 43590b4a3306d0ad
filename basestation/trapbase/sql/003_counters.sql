-- A disk that refuses cannot count that it did: this one never moved.
DELETE FROM counters WHERE name = 'storage_refused';
