-- What was decided is about an event of a room: whoever is in another one has no say in it. Decisions
-- recorded before have no room, and count in whatever one.
CREATE TABLE m1_decisions_by_room (
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('commit', 'abort')),
    created_ms INTEGER NOT NULL,
    asked_by TEXT,
    PRIMARY KEY (event_id, room_id)
) STRICT, WITHOUT ROWID;
INSERT INTO m1_decisions_by_room (room_id, event_id, decision, created_ms, asked_by)
    SELECT '', event_id, decision, created_ms, asked_by FROM m1_decisions;
DROP TABLE m1_decisions;
ALTER TABLE m1_decisions_by_room RENAME TO m1_decisions;
CREATE INDEX m1_decisions_by_age ON m1_decisions (created_ms);
CREATE INDEX m1_decisions_by_asker ON m1_decisions (asked_by) WHERE asked_by IS NOT NULL;
