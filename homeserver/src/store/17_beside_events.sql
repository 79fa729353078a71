-- What travels beside events: device keys, messages to devices, receipts, account data, EDUs. Each change
-- has a number of one sequence, by which a device that syncs finds what it has not seen.
CREATE TABLE side_clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO side_clock (only_row, last) VALUES (1, 0);

-- The identity keys of this server's devices, as they uploaded them.
CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;

-- Keys of which each is handed out once, the oldest first.
CREATE TABLE one_time_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (user_id, device_id, algorithm, key_id)
) STRICT;

-- What is handed out when there are no others left.
CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    json TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
) STRICT, WITHOUT ROWID;

-- usage: master | self_signing | user_signing
CREATE TABLE cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_id, usage)
) STRICT, WITHOUT ROWID;

-- Signatures that came after what they sign: of a device, or of a master key by its public half.
CREATE TABLE key_signatures (
    signer TEXT NOT NULL,
    user_id TEXT NOT NULL,
    target TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (signer, user_id, target, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_signatures_by_user ON key_signatures (user_id, target);

-- When the devices of a user, of this server or another, changed last.
CREATE TABLE device_list_changes (
    user_id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_list_changes_by_sequence ON device_list_changes (sequence);

-- Messages that a device has not fetched yet.
CREATE TABLE to_device (
    sequence INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX to_device_by_device ON to_device (user_id, device_id, sequence);

-- What was taken before: by the transaction id of a device, or the message id of another server.
CREATE TABLE to_device_taken (
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_taken_by_age ON to_device_taken (taken_ms);

-- Copies of room keys that clients keep here, encrypted.
CREATE TABLE key_backups (
    user_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data TEXT NOT NULL,
    etag INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (user_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_backup_sessions (
    user_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (user_id, version, room_id, session_id)
) STRICT, WITHOUT ROWID;

-- How far each user has read. thread: as in the request, or empty.
CREATE TABLE receipts (
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    thread TEXT NOT NULL,
    event_id TEXT NOT NULL,
    ts INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (room_id, kind, user_id, thread)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_by_sequence ON receipts (sequence);

-- What clients keep with their account: of the account itself where the room is empty.
CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (user_id, room_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_data_by_sequence ON account_data (user_id, sequence);

-- EDUs that wait for their destinations. A newer one of the same key replaces one not in flight.
CREATE TABLE outgoing_edus (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    key TEXT,
    json TEXT NOT NULL,
    -- After this it is of no use any more; null: never.
    expires_ms INTEGER,
    transaction_id TEXT
) STRICT;
CREATE INDEX outgoing_edus_by_destination ON outgoing_edus (destination, id);

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    creator TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_aliases_by_room ON room_aliases (room_id);

-- Rooms that this server lists for everybody.
CREATE TABLE public_rooms (
    room_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Rooms that a user has left and does not want to hear of any more.
CREATE TABLE forgotten_rooms (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    -- That of the membership by which they left: who comes back remembers.
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, room_id)
) STRICT, WITHOUT ROWID;

-- Events that say of themselves that they belong to another one: reactions, edits, threads.
CREATE TABLE event_relations (
    parent_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    relation TEXT NOT NULL,
    kind TEXT NOT NULL,
    sender TEXT NOT NULL,
    PRIMARY KEY (parent_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_relations_by_room ON event_relations (room_id, relation, position);

ALTER TABLE users ADD COLUMN avatar_url TEXT;
