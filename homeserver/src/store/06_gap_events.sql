-- Events of gaps that are not closed yet: fetched and verified, not part of any room's graph.
CREATE TABLE gap_events (
    event_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gap_events_by_room ON gap_events (room_id);
