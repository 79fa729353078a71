-- The mailboxes. Times are milliseconds since the epoch on the relay's clock.

-- What waits. An id is never given twice, and is what a destination acknowledges.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    -- Of the canonical body: an origin may use one transaction id for two bodies.
    body_hash BLOB NOT NULL,
    -- Bytes that count for the quotas.
    bytes INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    -- 1 after the destination was given this entry: only then may it acknowledge it.
    handed_out INTEGER NOT NULL DEFAULT 0,
    -- 1 while the relay itself should try to reach the destination with it.
    forwardable INTEGER NOT NULL DEFAULT 1,
    -- The PDUs and EDUs as JSON. Last, so that the columns before it are read without it.
    body BLOB NOT NULL,
    UNIQUE (destination, origin, transaction_id, body_hash)
) STRICT;

CREATE INDEX entries_by_destination ON entries (destination, id);
CREATE INDEX entries_by_age ON entries (stored_ms, destination);
CREATE INDEX entries_to_forward ON entries (destination, id) WHERE forwardable = 1;

-- What was delivered not long ago: an origin that lost the answer sends it again.
CREATE TABLE receipts (
    destination TEXT NOT NULL,
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    delivered_ms INTEGER NOT NULL,
    PRIMARY KEY (destination, origin, transaction_id, body_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_by_age ON receipts (delivered_ms);

-- Entries that cannot be read, kept for a person to look at.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    destination TEXT NOT NULL,
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- What an operator has set at run time.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How full each mailbox is; the triggers keep these sums, whoever writes.
CREATE TABLE mailboxes (
    destination TEXT PRIMARY KEY,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How full the relay is: the bytes of all entries, waiting or in quarantine.
CREATE TABLE used (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    bytes INTEGER NOT NULL
) STRICT;

INSERT INTO used VALUES (1, 0);

CREATE TRIGGER entry_stored AFTER INSERT ON entries BEGIN
    INSERT INTO mailboxes VALUES (new.destination, 1, new.bytes)
    ON CONFLICT (destination) DO UPDATE
    SET entries = entries + 1, bytes = bytes + excluded.bytes;
    UPDATE used SET bytes = bytes + new.bytes;
END;

CREATE TRIGGER entry_shrunk AFTER UPDATE OF bytes ON entries BEGIN
    UPDATE mailboxes SET bytes = bytes + new.bytes - old.bytes
    WHERE destination = new.destination;
    UPDATE used SET bytes = bytes + new.bytes - old.bytes;
END;

CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN
    UPDATE mailboxes SET entries = entries - 1, bytes = bytes - old.bytes
    WHERE destination = old.destination;
    DELETE FROM mailboxes WHERE destination = old.destination AND entries = 0;
    UPDATE used SET bytes = bytes - old.bytes;
END;

CREATE TRIGGER quarantined AFTER INSERT ON quarantine BEGIN
    UPDATE used SET bytes = bytes + new.bytes;
END;

CREATE TRIGGER quarantine_cleared AFTER DELETE ON quarantine BEGIN
    UPDATE used SET bytes = bytes - old.bytes;
END;
