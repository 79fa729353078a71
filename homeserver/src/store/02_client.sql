-- The client side: accounts, devices, stored answers, notifications; and the M1 policies' records.
-- Times are milliseconds since the epoch on this machine's wall clock.

CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    -- PHC string: algorithm, cost, salt and hash.
    password_hash TEXT NOT NULL,
    display_name TEXT,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    device_id TEXT NOT NULL,
    display_name TEXT,
    -- The token itself is known to the device alone.
    token_hash BLOB NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE filters (
    user_id TEXT NOT NULL REFERENCES users (user_id),
    filter_id INTEGER NOT NULL,
    filter TEXT NOT NULL,
    PRIMARY KEY (user_id, filter_id)
) STRICT, WITHOUT ROWID;

-- One row per send of a device: first what is to be sent, then how it ended.
CREATE TABLE client_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- The event as handed to the room's owner; NULL where the event was stored at once.
    event TEXT,
    -- How it ended, as JSON; NULL as long as that is not known here.
    outcome TEXT,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, room_id, kind, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_transactions_by_event ON client_transactions (event_id);
CREATE INDEX client_transactions_by_age ON client_transactions (created_ms);

CREATE TABLE notifications (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    -- UUIDv7 in its 16 bytes, so that the order of ids is the order of time.
    id BLOB NOT NULL,
    -- The event in the client format.
    event TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notifications_by_age ON notifications (created_ms);

-- The last id given out, so that ids go up even when the clock goes back.
CREATE TABLE notification_clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_id BLOB NOT NULL
) STRICT;

-- Owner's side. The answer to each message id, so that a retried send is the same send.
CREATE TABLE m1_answers (
    origin TEXT NOT NULL,
    message_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (origin, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX m1_answers_by_age ON m1_answers (created_ms);

-- Owner's side. What was decided; no row is an abort.
CREATE TABLE m1_decisions (
    event_id TEXT PRIMARY KEY,
    decision TEXT NOT NULL CHECK (decision IN ('commit', 'abort')),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX m1_decisions_by_age ON m1_decisions (created_ms);

-- Owner's side. Commits that a destination has not acknowledged, in the order of decision.
CREATE TABLE m1_commits (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL
) STRICT;
CREATE INDEX m1_commits_by_destination ON m1_commits (destination, sequence);

-- Owner's side. Device lists as other backends told them; JSON, devices by user.
CREATE TABLE m1_devices (
    room_id TEXT NOT NULL,
    backend TEXT NOT NULL,
    devices TEXT NOT NULL,
    PRIMARY KEY (room_id, backend)
) STRICT, WITHOUT ROWID;

-- Member's side. Events voted for, hidden until the owner tells its decision.
CREATE TABLE m1_prepared (
    event_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    event TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX m1_prepared_by_room ON m1_prepared (room_id);
