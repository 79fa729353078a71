-- How long this server has run, added to what the wall clock read when that was first counted.
CREATE TABLE age_clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    now_ms INTEGER NOT NULL
) STRICT;
