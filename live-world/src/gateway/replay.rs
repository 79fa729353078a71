//! Requests that come again, on a connection of their own whose answer nobody waits for.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::{Call, Socket, carry, reach};
use crate::world::LiveWorld;

/// After this long a replay hangs up, answered or not.
const REPLAY_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of a request that are written before they are carried.
const ROOM: usize = 64 << 10;

/// A request that comes again.
pub(crate) struct Replay {
    /// The number of the request's entry.
    pub(crate) of: u64,
    /// All its bytes.
    pub(crate) bytes: Bytes,
    /// Who called whom.
    pub(crate) call: Call,
    /// How much later it comes.
    pub(crate) after: Duration,
}

impl Replay {
    /// Delivers it.
    pub(crate) async fn run(self, world: LiveWorld) {
        let Self { of, bytes, call, after } = self;
        sleep(after).await;
        let Ok(server) = reach(&world, &call).await else { return };
        let (mut here, there) = tokio::io::duplex(ROOM);
        let carrying = carry(world, call, (Socket::local(Box::new(there)), server), Some(of));
        let asking = async move {
            drop(here.write_all(&bytes).await);
            let mut ignored = [0; 4096];
            while matches!(here.read(&mut ignored).await, Ok(count) if count > 0) {}
        };
        drop(timeout(REPLAY_DEADLINE, async { tokio::join!(carrying, asking) }).await);
    }
}
