-- Large objects that came in part and were given up: too old, no room, or wrong bytes.
INSERT INTO counters (name) VALUES ('partials_let_go');
