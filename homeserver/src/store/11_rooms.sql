-- Joins through another server that are not finished: it may count the user in.
CREATE TABLE pending_joins (
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    server TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id, server)
) STRICT, WITHOUT ROWID;

-- Which event redacts which. The other one may come later; what the redaction is worth shows then.
CREATE TABLE redactions (
    target TEXT NOT NULL,
    redaction TEXT NOT NULL,
    room_id TEXT NOT NULL,
    PRIMARY KEY (target, redaction)
) STRICT, WITHOUT ROWID;
