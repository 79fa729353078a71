-- Origins counted by host, so that one machine is one origin whatever ports it calls itself by; how
-- often each entry was handed out; and what an operator has said of whom.

ALTER TABLE entries ADD COLUMN host TEXT GENERATED ALWAYS AS (lower(CASE
    WHEN substr(origin, 1, 1) = '[' THEN substr(origin, 1, instr(origin, ']'))
    WHEN instr(origin, ':') > 0 THEN substr(origin, 1, instr(origin, ':') - 1)
    ELSE origin
END)) VIRTUAL;

DROP TRIGGER share_grown;
DROP TRIGGER share_shrunk;
DROP TRIGGER share_returned;
DROP TABLE shares;

-- How much of a mailbox comes from one host; the triggers keep these sums, whoever writes.
CREATE TABLE shares (
    destination TEXT NOT NULL,
    host TEXT NOT NULL,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (destination, host)
) STRICT, WITHOUT ROWID;

-- The same of all mailboxes together.
CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO shares
SELECT destination, host, count(*), sum(bytes) FROM entries GROUP BY destination, host;
INSERT INTO hosts SELECT host, count(*), sum(bytes) FROM entries GROUP BY host;

CREATE TRIGGER share_grown AFTER INSERT ON entries BEGIN
    INSERT INTO shares VALUES (new.destination, new.host, 1, new.bytes)
    ON CONFLICT (destination, host) DO UPDATE
    SET entries = entries + 1, bytes = bytes + excluded.bytes;
    INSERT INTO hosts VALUES (new.host, 1, new.bytes)
    ON CONFLICT (host) DO UPDATE
    SET entries = entries + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER share_shrunk AFTER UPDATE OF bytes ON entries BEGIN
    UPDATE shares SET bytes = bytes + new.bytes - old.bytes
    WHERE destination = new.destination AND host = new.host;
    UPDATE hosts SET bytes = bytes + new.bytes - old.bytes WHERE host = new.host;
END;

CREATE TRIGGER share_returned AFTER DELETE ON entries BEGIN
    UPDATE shares SET entries = entries - 1, bytes = bytes - old.bytes
    WHERE destination = old.destination AND host = old.host;
    DELETE FROM shares
    WHERE destination = old.destination AND host = old.host AND entries = 0;
    UPDATE hosts SET entries = entries - 1, bytes = bytes - old.bytes WHERE host = old.host;
    DELETE FROM hosts WHERE host = old.host AND entries = 0;
END;

-- The entries that their destination was given and has not acknowledged. Not a column of entries: a
-- large one would be written anew each time.
CREATE TABLE handouts (
    id INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    -- How often.
    count INTEGER NOT NULL
) STRICT;

CREATE INDEX handouts_by_count ON handouts (destination, count, id);

INSERT INTO handouts SELECT id, destination, 1 FROM entries WHERE handed_out = 1;
ALTER TABLE entries DROP COLUMN handed_out;

CREATE TRIGGER handout_over AFTER DELETE ON entries BEGIN
    DELETE FROM handouts WHERE id = old.id;
END;

-- So that an entry can be released from the quarantine; of those set aside before, it is unknown.
ALTER TABLE quarantine ADD COLUMN body_hash BLOB NOT NULL DEFAULT x'';

-- Hosts that may leave nothing here.
CREATE TABLE blocks (
    host TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The destinations served, if the setting says that they are not those of the configuration.
CREATE TABLE served (
    destination TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
