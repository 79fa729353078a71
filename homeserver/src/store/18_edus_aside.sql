-- EDUs that cannot be sent to their destination, beside the events in outgoing_set_aside.
CREATE TABLE outgoing_edus_set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    json TEXT NOT NULL,
    -- Why, for the operator.
    reason TEXT NOT NULL
) STRICT;
