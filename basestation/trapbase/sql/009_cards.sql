-- Cards and samples (kinds 4 and 5 of notes) are asked for all at once: where the traps stand follows from all of them.
CREATE INDEX notes_cards ON notes (kind, proof, stored_ms) WHERE kind IN (4, 5);
