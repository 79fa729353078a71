-- What can never be sent to its destination, and no longer holds up what is queued behind it.
CREATE TABLE outgoing_set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- Why, for the operator.
    reason TEXT NOT NULL
) STRICT;

-- When an entry is tried again, on the clock of ages.
ALTER TABLE deferred_entries ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;
