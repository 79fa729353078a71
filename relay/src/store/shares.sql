-- What each origin takes of each mailbox, so that none takes all of it; and the clock by which
-- entries age.

-- How much of a mailbox comes from one origin; the triggers keep these sums, whoever writes.
CREATE TABLE shares (
    destination TEXT NOT NULL,
    origin TEXT NOT NULL,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (destination, origin)
) STRICT, WITHOUT ROWID;

INSERT INTO shares
SELECT destination, origin, count(*), sum(bytes) FROM entries GROUP BY destination, origin;

CREATE TRIGGER share_grown AFTER INSERT ON entries BEGIN
    INSERT INTO shares VALUES (new.destination, new.origin, 1, new.bytes)
    ON CONFLICT (destination, origin) DO UPDATE
    SET entries = entries + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER share_shrunk AFTER UPDATE OF bytes ON entries BEGIN
    UPDATE shares SET bytes = bytes + new.bytes - old.bytes
    WHERE destination = new.destination AND origin = new.origin;
END;

CREATE TRIGGER share_returned AFTER DELETE ON entries BEGIN
    UPDATE shares SET entries = entries - 1, bytes = bytes - old.bytes
    WHERE destination = old.destination AND origin = old.origin;
    DELETE FROM shares
    WHERE destination = old.destination AND origin = old.origin AND entries = 0;
END;

-- What time the last sweep took it to be. No row before the first sweep.
CREATE TABLE sweep_clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    time_ms INTEGER NOT NULL
) STRICT;

-- Entries of before there was such a clock do not age by what it may have jumped since.
INSERT INTO sweep_clock SELECT 1, max(stored_ms) FROM entries HAVING count(*) > 0;
