-- The position of the event that made the entry part of the current state; 0 when the state was
-- learned as a whole.
ALTER TABLE current_state ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
UPDATE current_state SET position = coalesce(
    (SELECT position FROM timeline WHERE timeline.event_id = current_state.event_id), 0
);
CREATE INDEX current_state_by_position ON current_state (room_id, position);

-- The lives of this database: each begins with the first position that a boot gives out, and a token
-- of sync names the one that gave it. A database that is restored from a backup goes on with another
-- one than it went on with before.
CREATE TABLE generations (
    number INTEGER PRIMARY KEY,
    -- Random, so that what followed a backup is told from what follows its restoration.
    name TEXT NOT NULL UNIQUE,
    -- The last position that was given out before it began.
    base INTEGER NOT NULL
) STRICT;

-- The notifications of every device whose user was in the room: one row, however many they are.
CREATE TABLE room_notifications (
    room_id TEXT NOT NULL,
    -- UUIDv7 in its 16 bytes, so that the order of ids is the order of time.
    id BLOB NOT NULL,
    event_id TEXT NOT NULL,
    -- That of the event.
    position INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (room_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_notifications_by_age ON room_notifications (created_ms);

-- When this server's users were in which room: after the one position, up to the other; null: still.
CREATE TABLE stays (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    from_position INTEGER NOT NULL,
    until_position INTEGER,
    PRIMARY KEY (user_id, room_id, from_position)
) STRICT, WITHOUT ROWID;
INSERT INTO stays (user_id, room_id, from_position)
    SELECT user_id, room_id,
        (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'timeline')
    FROM room_memberships JOIN users USING (user_id) WHERE membership = 'join';

-- The last position that was given out before the device was there.
ALTER TABLE devices ADD COLUMN first_position INTEGER NOT NULL DEFAULT 0;
-- What is for the devices of one user alone names its event; older rows hold it.
ALTER TABLE notifications ADD COLUMN event_id TEXT;
