-- Where the notifications of a device go while it holds no websocket.
CREATE TABLE pushers (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    -- As the device set it: JSON.
    settings TEXT NOT NULL,
    -- The last notification that the device or its gateway has.
    pushed_id BLOB NOT NULL,
    PRIMARY KEY (user_id, app_id, pushkey)
) STRICT, WITHOUT ROWID;
