-- Rooms, events and their graph, state, memberships, queues, what was received. Times are
-- milliseconds since the epoch on this machine's wall clock.

CREATE TABLE rooms (
    room_id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    create_event_id TEXT NOT NULL,
    -- The server that created the room; under m1 it owns it.
    owner TEXT NOT NULL,
    -- eventual | m1 | m1-2021
    delivery TEXT NOT NULL,
    -- The state group of the current state.
    current_group INTEGER NOT NULL REFERENCES state_groups (id)
) STRICT, WITHOUT ROWID;
-- Which room a state is the current one of.
CREATE INDEX rooms_by_current_group ON rooms (current_group);

-- Every event known, whatever became of it.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room_id TEXT NOT NULL,
    depth INTEGER NOT NULL,
    -- Canonical JSON, as signed.
    json TEXT NOT NULL,
    -- Null: an outlier, known only because another event's authorization or state needs it.
    state_before INTEGER REFERENCES state_groups (id),
    state_after INTEGER REFERENCES state_groups (id),
    -- Why the authorization rules refused it; such an event is kept, and never shown.
    rejected TEXT,
    -- Allowed where it stands, refused by the current state when it came; never shown.
    soft_failed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The events of each room in the order in which this server shows them. Positions rise; history
-- fetched backwards has negative ones, which fall.
CREATE TABLE timeline (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL UNIQUE
) STRICT;
CREATE INDEX timeline_by_room ON timeline (room_id, position);

CREATE TABLE event_edges (
    event_id TEXT NOT NULL,
    prev_id TEXT NOT NULL,
    PRIMARY KEY (event_id, prev_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_edges_by_prev ON event_edges (prev_id);

CREATE TABLE forward_extremities (
    room_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (room_id, event_id)
) STRICT, WITHOUT ROWID;

-- A state is its parent with some entries replaced; one without a parent is whole.
CREATE TABLE state_groups (
    id INTEGER PRIMARY KEY,
    parent INTEGER REFERENCES state_groups (id),
    -- How many parents stand above it.
    height INTEGER NOT NULL
) STRICT;
-- The empty state.
INSERT INTO state_groups (id, parent, height) VALUES (0, NULL, 0);
CREATE TABLE state_group_entries (
    group_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (group_id, kind, state_key)
) STRICT, WITHOUT ROWID;
-- What state resolution made of several states; `inputs` are their ids, ascending, with commas.
CREATE TABLE state_merges (
    inputs TEXT PRIMARY KEY,
    group_id INTEGER NOT NULL REFERENCES state_groups (id)
) STRICT, WITHOUT ROWID;

-- The current state of each room, spelled out.
CREATE TABLE current_state (
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state_key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (room_id, kind, state_key)
) STRICT, WITHOUT ROWID;

-- Who is what in which room; of rooms this server is not in: its own users' invites and leaves.
CREATE TABLE room_memberships (
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- The server after the user id's colon.
    server TEXT NOT NULL,
    -- invite | join | knock | leave | ban
    membership TEXT NOT NULL,
    event_id TEXT NOT NULL,
    -- The position of the membership event, or of the event that brought it; 0 when the membership
    -- was part of a state learnt as a whole.
    position INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_memberships_by_user ON room_memberships (user_id, membership);
CREATE INDEX room_memberships_by_server ON room_memberships (room_id, membership, server);

-- Invites of this server's users to rooms that it is not in.
CREATE TABLE invites (
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    event_id TEXT NOT NULL,
    room_version TEXT NOT NULL,
    -- The state that came along: a JSON array of events in client format.
    stripped_state TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;

-- The queue of each destination, in the order of `id`. Entries with a transaction id are in flight.
CREATE TABLE outgoing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    event_id TEXT NOT NULL,
    transaction_id TEXT
) STRICT;
CREATE INDEX outgoing_by_destination ON outgoing (destination, id);

-- The one transaction in flight per destination.
CREATE TABLE outgoing_transactions (
    destination TEXT PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    origin_server_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Back-off of destinations that failed; no row when the last attempt succeeded.
CREATE TABLE destinations (
    destination TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    retry_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE received_transactions (
    origin TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    -- The JSON that was answered.
    answer TEXT NOT NULL,
    PRIMARY KEY (origin, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX received_transactions_by_age ON received_transactions (origin, received_at);

-- Entries fetched from this server's relays and stored (or refused for good) here.
CREATE TABLE relay_entries (
    relay TEXT NOT NULL,
    entry_id INTEGER NOT NULL,
    origin TEXT NOT NULL,
    transaction_id TEXT,
    -- Why it was refused for good.
    refusal TEXT,
    PRIMARY KEY (relay, entry_id)
) STRICT, WITHOUT ROWID;

-- Relays per destination, as set at run time; wins over the configuration.
CREATE TABLE relay_lists (
    destination TEXT PRIMARY KEY,
    -- A JSON array of server names.
    relays TEXT NOT NULL
) STRICT, WITHOUT ROWID;
