//! What the cost of a real homeserver grows with, on this machine's disk and loopback.

use std::time::Duration;

use workloads::load::{Senders, message_in_a_crowd, sends_a_second, waits_during_forks};

use super::{
    row::{Length, Measured},
    turns::{Round, median},
};

/// One client that sends, with and without users who wait for news of other rooms.
pub(super) fn idle_pollers(length: Length) -> Result<Measured, String> {
    let (rounds, seconds, rooms) = length.pick((3, 3, 500), (1, 1, 20));
    let time = Duration::from_secs(seconds);
    let alone = Senders { clients: 1, sync: false, idle: 0, rooms: 0 };
    let Round { inner: with_idle, outer: without } = median(
        rounds,
        || sends_a_second(Senders { idle: 25, rooms, ..alone }, time),
        || sends_a_second(alone, time),
    )?;
    Ok(Measured {
        figure: with_idle / without,
        detail: format!("{with_idle:.0} sends a second against {without:.0}, median of {rounds}"),
    })
}

/// Many clients that send into one room, against one.
pub(super) fn many_senders(length: Length) -> Result<Measured, String> {
    compare_senders(length, false)
}

/// The same, where every client waits for news beside.
pub(super) fn many_in_sync(length: Length) -> Result<Measured, String> {
    compare_senders(length, true)
}

fn compare_senders(length: Length, sync: bool) -> Result<Measured, String> {
    let (rounds, seconds) = length.pick((5, 3), (1, 1));
    let time = Duration::from_secs(seconds);
    let senders = |clients| Senders { clients, sync, idle: 0, rooms: 0 };
    let Round { inner: many, outer: one } =
        median(rounds, || sends_a_second(senders(32), time), || sends_a_second(senders(1), time))?;
    Ok(Measured {
        figure: many / one,
        detail: format!("{many:.0} sends a second against {one:.0}, median of {rounds}"),
    })
}

/// A message into a room of a thousand members, against one into an empty room.
pub(super) fn crowd(length: Length) -> Result<Measured, String> {
    let (rounds, messages) = length.pick((3, 300), (1, 20));
    let mut bytes = (0.0, 0.0);
    let Round { inner: crowded, outer: alone } = median(
        rounds,
        || message_in_a_crowd(1000, messages).map(|cost| (bytes.0 = cost.bytes, cost.millis).1),
        || message_in_a_crowd(0, messages).map(|cost| (bytes.1 = cost.bytes, cost.millis).1),
    )?;
    Ok(Measured {
        figure: crowded / alone,
        detail: format!(
            "{crowded:.2} ms and {:.0} bytes a message against {alone:.2} ms and {:.0}, median of \
             {rounds}",
            bytes.0, bytes.1,
        ),
    })
}

/// The longest wait of a send while a member forks another room of a thousand two hundred times,
/// against the mean wait before.
pub(super) fn forks(length: Length) -> Result<Measured, String> {
    let (members, forks) = length.pick((1000, 200), (20, 10));
    let waits = waits_during_forks(members, forks)?;
    Ok(Measured {
        figure: waits.during / waits.before,
        detail: format!(
            "{:.1} ms against {:.2} ms; {forks} forks of a room of {members} took {:.0} ms",
            waits.during, waits.before, waits.forks,
        ),
    })
}
