-- What a trap without a model keeps is counted against its room at every burst.
CREATE INDEX events_unjudged ON events (number) WHERE category = 'unjudged';

-- What a running trap says of its parts, for `trapcam status` beside it: the model's name, or why there is none.
CREATE TABLE told (
  part TEXT PRIMARY KEY,
  says TEXT NOT NULL
) STRICT;
