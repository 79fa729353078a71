//! The way from one machine to another: what is in it, how long it takes, and what is at its end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpSocket,
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use transport::host::Stream;

use super::{Side, Socket};
use crate::{
    kinds::FEDERATION_PORT,
    world::{LiveWorld, Target},
};

/// Bytes that a stream within this process holds.
const ROOM: usize = 64 << 10;

/// How long a program on this machine may take to be connected to, handshake included: one that hangs
/// is reached by what its kernel does alone.
const CONNECT_WITHIN: Duration = Duration::from_secs(120);

/// How a kernel sends again what nobody acknowledges: later and later (RFC 6298).
#[derive(Clone, Copy, Debug)]
struct Retransmission {
    /// When it was sent first.
    first: Instant,
    /// The first wait; it doubles.
    wait: Duration,
}

impl Retransmission {
    /// The first wait of a segment.
    const SEGMENT: Duration = Duration::from_millis(200);
    /// The first wait of a connection attempt.
    const ATTEMPT: Duration = Duration::from_secs(1);

    /// Returns when it is sent again for the first time after `now`.
    fn after(self, now: Instant) -> Instant {
        let (mut at, mut wait) = (self.first, self.wait);
        while at < now {
            at += wait;
            wait *= 2;
        }
        at
    }
}

/// Waits until nothing is in the way of what `side` of a line sent at `left`. What was lost on the way
/// comes when it is sent again.
///
/// # Errors
/// It took too long: a kernel gives up by then.
pub(crate) async fn through(
    world: &LiveWorld,
    line: u64,
    (side, left): (Side, Instant),
) -> io::Result<()> {
    let Some((from, to)) = world.ends(line, side) else { return Ok(()) };
    let again = Retransmission { first: left, wait: Retransmission::SEGMENT };
    open_way(world, (&from, &to), Some(line), again).await
}

async fn open_way(
    world: &LiveWorld,
    (from, to): (&Arc<str>, &Arc<str>),
    line: Option<u64>,
    again: Retransmission,
) -> io::Result<()> {
    let deadline = Instant::now() + world.user_timeout();
    let mut is_lost = false;
    loop {
        let mut changed = world.changes();
        let Some(obstacle) = world.obstacle((from, to), line) else {
            if !std::mem::take(&mut is_lost) {
                return Ok(());
            }
            sleep_until(again.after(Instant::now())).await;
            continue;
        };
        is_lost |= obstacle.is_silent;
        let change = changed.changed();
        // What is held has been acknowledged, so that nobody gives up.
        let waited =
            if obstacle.is_silent { timeout_at(deadline, change).await } else { Ok(change.await) };
        if waited.is_err() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Who calls whom.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The machine that calls.
    pub(crate) from: Arc<str>,
    /// The machine that is called.
    pub(crate) to: Arc<str>,
    /// The port there.
    pub(crate) port: u16,
}

/// Connects to a machine on behalf of another one, as soon as the way is open both ways and the machine
/// is there.
///
/// # Errors
/// It refuses, or it took too long.
pub(crate) async fn reach(world: &LiveWorld, call: &Call) -> io::Result<Socket> {
    let Call { from, to, port } = call;
    let began = Instant::now();
    let deadline = began + world.user_timeout();
    let again = Retransmission { first: began, wait: Retransmission::ATTEMPT };
    let mut is_lost = false;
    loop {
        let mut changed = world.changes();
        open_way(world, (from, to), None, again).await?;
        open_way(world, (to, from), None, again).await?;
        if world.refuses(to, *port) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if world.answers(to) {
            if std::mem::take(&mut is_lost) {
                sleep_until(again.after(Instant::now())).await;
                continue;
            }
            break;
        }
        is_lost |= world.is_dark(to);
        if timeout_at(deadline, changed.changed()).await.is_err() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    sleep(world.round_trip(from, to)).await;
    match world.target(to, *port) {
        Target::Program { is_tls } => timeout(CONNECT_WITHIN, connect(world, call, is_tls)).await?,
        Target::Client(None) => Err(io::ErrorKind::ConnectionRefused.into()),
        Target::Client(Some(listener)) => hand_over(&listener, from),
    }
}

async fn connect(world: &LiveWorld, call: &Call, is_tls: bool) -> io::Result<Socket> {
    let Call { from, to, port } = call;
    let addresses = world.addresses();
    let socket = TcpSocket::new_v4()?;
    // So that it knows whom it talks to, as far as addresses tell.
    socket.bind(SocketAddr::from((addresses.pair(from, to), 0)))?;
    let stream = socket.connect(SocketAddr::from((addresses.own(to), *port))).await?;
    let tls = (is_tls && *port == FEDERATION_PORT).then(|| (world.authority(), &**to));
    Socket::connected(stream, tls).await
}

fn hand_over(
    listener: &mpsc::UnboundedSender<(Stream, String)>,
    from: &Arc<str>,
) -> io::Result<Socket> {
    let (here, there) = tokio::io::duplex(ROOM);
    let sent = listener.send((Box::new(there), from.to_string()));
    sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    Ok(Socket::local(Box::new(here)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Retransmission;

    #[test]
    fn what_is_lost_in_a_long_cut_comes_long_after_its_end() {
        let first = Instant::now();
        let again = Retransmission { first, wait: Retransmission::SEGMENT };
        let after = |cut| (again.after(first + Duration::from_millis(cut)) - first).as_millis();
        assert_eq!([1, 500, 20_000].map(after), [200, 600, 25_400]);
    }
}
