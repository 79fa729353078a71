-- Users whose accounts were ended. Their names stay taken.
CREATE TABLE deactivated_users (
    user_id TEXT PRIMARY KEY REFERENCES users (user_id)
) STRICT, WITHOUT ROWID;
