//! What a message into a large room costs.

use super::Server;
use crate::{clock::WallTime, loopback::on_threads};

/// What one message costs its server.
#[derive(Clone, Copy, Debug)]
pub struct MessageCost {
    /// Milliseconds from the request to the answer.
    pub millis: f64,
    /// Bytes by which the database grows.
    pub bytes: f64,
}

/// Sends `messages`, one after the other, into a room in which `members` other users of the same
/// server are, each with a device. Returns what one costs.
///
/// # Errors
/// One was refused, or something of the real machine could not be had.
pub fn message_in_a_crowd(members: usize, messages: u32) -> Result<MessageCost, String> {
    on_threads(async move {
        let server = Server::start().await?;
        let user = server.user("sender").await?;
        let room = user.room().await?;
        fill(&server, &room, members)?;
        for number in 0..20 {
            user.say(&room, number).await?;
        }
        let (before, began) = (size(&server)?, WallTime::now());
        for number in 0..messages {
            user.say(&room, 100 + u64::from(number)).await?;
        }
        let (time, after) = (began.elapsed(), size(&server)?);
        let count = f64::from(messages);
        Ok(MessageCost {
            millis: time.as_secs_f64() * 1e3 / count,
            bytes: (after - before) / count,
        })
    })
}

/// Puts users with a device each into the room, by writing into the database.
fn fill(server: &Server, room: &str, members: usize) -> Result<(), String> {
    let name = &server.name;
    server.execute(&format!(
        "BEGIN IMMEDIATE;
         CREATE TEMP TABLE crowd AS
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {members})
             SELECT '@member' || i || ':{name}' AS user_id, i FROM n WHERE {members} > 0;
         INSERT INTO users (user_id, password_hash, created_ms) SELECT user_id, '', 0 FROM crowd;
         INSERT INTO devices (user_id, device_id, token_hash, created_ms)
             SELECT user_id, 'D', CAST('token' || i AS BLOB), 0 FROM crowd;
         INSERT INTO room_memberships
             SELECT room_id, crowd.user_id, server, membership, event_id, position
             FROM room_memberships, crowd WHERE room_id = '{room}';
         INSERT INTO stays SELECT crowd.user_id, '{room}', 0, NULL FROM crowd;
         COMMIT;"
    ))
}

/// Returns how many bytes of the database file are in use.
fn size(server: &Server) -> Result<f64, String> {
    let measured = rusqlite::Connection::open(server.database()).and_then(|db| {
        let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
        let [pages, free, bytes]: [u32; 3] =
            [pragma("page_count")?, pragma("freelist_count")?, pragma("page_size")?];
        Ok(f64::from(pages - free) * f64::from(bytes))
    });
    measured.map_err(|error| error.to_string())
}
