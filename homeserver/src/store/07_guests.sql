-- The servers that this one has let into a room, each with the join that brought it in last.
CREATE TABLE guests (
    room_id TEXT NOT NULL,
    server TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- The join, and its depth.
    event_id TEXT NOT NULL,
    depth INTEGER NOT NULL,
    PRIMARY KEY (room_id, server)
) STRICT, WITHOUT ROWID;
