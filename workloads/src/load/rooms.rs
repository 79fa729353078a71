//! How many sends a second a server takes.

use std::time::Duration;

use super::{Server, User};
use crate::{clock::WallTime, loopback::on_threads};

/// Who sends, and who else is there.
#[derive(Clone, Copy, Debug)]
pub struct Senders {
    /// Clients in one room, each of which sends without a pause.
    pub clients: usize,
    /// Whether each of these waits for news beside, as a client does.
    pub sync: bool,
    /// Other users, each in all `rooms`, who wait for news that never come.
    pub idle: usize,
    /// Rooms in which nothing happens.
    pub rooms: usize,
}

/// Sends for `time` and returns how many sends a second were answered.
///
/// # Errors
/// One was refused, or something of the real machine could not be had.
pub fn sends_a_second(senders: Senders, time: Duration) -> Result<f64, String> {
    on_threads(async move {
        let server = Server::start().await?;
        let mut polls = tokio::task::JoinSet::new();
        fill_rooms(&server, senders, &mut polls).await?;
        let (mut users, mut room) = (Vec::new(), String::new());
        for number in 0..senders.clients {
            let user = server.user(&format!("sender{number}")).await?;
            if number == 0 {
                room = user.room().await?;
            }
            user.join(&room).await?;
            if senders.sync {
                poll(&mut polls, user.clone());
            }
            users.push(user);
        }
        // The polls are held by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let sent = send_all(users, room, time).await?;
        polls.abort_all();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        Ok(sent as f64 / time.as_secs_f64())
    })
}

fn poll(polls: &mut tokio::task::JoinSet<()>, user: User) {
    polls.spawn(async move { drop(user.poll().await) });
}

/// Puts idle users into idle rooms, by writing into the database, and has them wait for news.
async fn fill_rooms(
    server: &Server,
    senders: Senders,
    polls: &mut tokio::task::JoinSet<()>,
) -> Result<(), String> {
    if senders.idle == 0 {
        return Ok(());
    }
    let owner = server.user("owner").await?;
    for _ in 0..senders.rooms {
        owner.room().await?;
    }
    for number in 0..senders.idle {
        let user = server.user(&format!("idle{number}")).await?;
        server.execute(&format!(
            "INSERT INTO room_memberships
             SELECT room_id, '@idle{number}:{name}', server, membership, event_id, 0
             FROM room_memberships WHERE user_id = '@owner:{name}'",
            name = server.name,
        ))?;
        poll(polls, user);
    }
    Ok(())
}

/// Has every user send into `room` without a pause, and returns how many sends were answered.
async fn send_all(users: Vec<User>, room: String, time: Duration) -> Result<u64, String> {
    let mut sending = tokio::task::JoinSet::new();
    for user in users {
        let room = room.clone();
        sending.spawn(async move {
            let began = WallTime::now();
            let mut sent = 0;
            while began.elapsed() < time {
                user.say(&room, sent).await?;
                sent += 1;
            }
            Ok::<u64, String>(sent)
        });
    }
    let mut all = 0;
    while let Some(sent) = sending.join_next().await {
        all += sent.map_err(|error| error.to_string())??;
    }
    Ok(all)
}
