-- The letter that an entry is, as it was sealed, where its origin could not be asked whether it is from
-- there; its PDUs are put in the place of none when it could.
ALTER TABLE deferred_entries ADD COLUMN letter TEXT;

-- The relays that this server has published as its own; those that it publishes no longer since when.
CREATE TABLE own_relays (
    relay TEXT PRIMARY KEY,
    gone_ms INTEGER
) STRICT, WITHOUT ROWID;
