-- Entries fetched from this server's relays of which some PDUs could not be judged yet: taken from
-- the relay, and tried again until they can be, or for too long.
CREATE TABLE deferred_entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    relay TEXT NOT NULL,
    entry_id INTEGER NOT NULL,
    origin TEXT NOT NULL,
    -- A JSON array of the PDUs, as they came.
    pdus TEXT NOT NULL,
    deferred_at INTEGER NOT NULL,
    -- How often it was tried again; those tried least come first.
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deferred_entries_by_relay ON deferred_entries (relay);
CREATE INDEX deferred_entries_by_tries ON deferred_entries (tries, id);
