-- What a network asks for many times a second: the objects that no base is known to have.
CREATE INDEX objects_undelivered ON objects (priority, number, rung) WHERE state NOT IN ('delivered', 'deleted');
