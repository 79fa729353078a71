-- Events that are not part of a room's graph and that events of it name as their parents: beyond them
-- history is not known here.
CREATE TABLE backward_extremities (
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- Of a child.
    depth INTEGER NOT NULL,
    PRIMARY KEY (room_id, event_id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO backward_extremities (room_id, event_id, depth)
    SELECT e.room_id, prev_id, e.depth FROM events e JOIN event_edges USING (event_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM events p WHERE p.event_id = prev_id AND p.state_before IS NOT NULL
    );
