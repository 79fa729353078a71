//! Carries bytes from one end of a connection to the other, as the ways between them allow.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use transport::host::Stream;

use super::{Call, Parcel, Side, Socket, through};
use crate::world::LiveWorld;

/// Bytes that are read at once: a segment.
const SEGMENT: usize = 64 << 10;

/// Segments on their way in one direction; then its sender has to wait.
const WINDOW: usize = 32;

/// Carries a connection until both ends have closed it, or it breaks. `replays` is the request that
/// it delivers again.
pub(crate) async fn carry(
    world: LiveWorld,
    call: Call,
    (near, far): (Socket, Socket),
    replays: Option<u64>,
) {
    let (line, mut broken) = world.open_line(call, replays);
    let _open = Open { world: world.clone(), line };
    let (near_reads, near_writes) = split(near.stream);
    let (far_reads, far_writes) = split(far.stream);
    let (to_far, for_far) = mpsc::channel(WINDOW);
    let (to_near, for_near) = mpsc::channel(WINDOW);
    let end = |side| End { world: world.clone(), line, side };
    let both = async {
        tokio::join!(
            end(Side::Client).read(near_reads, to_far),
            end(Side::Server).read(far_reads, to_near.clone()),
            end(Side::Client).deliver(for_far, far_writes, Some(to_near)),
            end(Side::Server).deliver(for_near, near_writes, None),
        )
    };
    let is_broken = tokio::select! {
        biased;
        _ = broken.wait_for(|is_broken| *is_broken) => true,
        _ = both => false,
    };
    if is_broken {
        near.breaker.arm();
        far.breaker.arm();
    }
}

/// A line that is open for as long as this lives.
struct Open {
    world: LiveWorld,
    line: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.world.close_line(self.line);
    }
}

/// What one end of a connection sends.
struct End {
    world: LiveWorld,
    line: u64,
    side: Side,
}

impl End {
    /// Reads what this end sends, until it closes.
    async fn read(self, mut from: ReadHalf<Stream>, queue: mpsc::Sender<Parcel>) {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(SEGMENT);
            let read = from.read_buf(&mut buffer).await;
            let is_over = !matches!(read, Ok(count) if count > 0);
            if is_over && self.world.is_silent(self.line, self.side) {
                return self.silence().await;
            }
            let parcel = match read {
                Ok(0) => {
                    self.world.closed(self.line, self.side, false);
                    Parcel::End
                }
                Ok(_) => {
                    let bytes = buffer.split().freeze();
                    let Some(parcel) = self.world.leave(self.line, self.side, &bytes) else {
                        return self.silence().await;
                    };
                    parcel
                }
                // A peer that ends TLS without saying so has closed its end, too.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.world.closed(self.line, self.side, false);
                    Parcel::End
                }
                Err(_) => {
                    self.world.closed(self.line, self.side, true);
                    Parcel::Reset
                }
            };
            if queue.send(parcel).await.is_err() || is_over {
                return;
            }
        }
    }

    /// Delivers to the other end what this end has sent.
    async fn deliver(
        self,
        mut queue: mpsc::Receiver<Parcel>,
        mut to: WriteHalf<Stream>,
        back: Option<mpsc::Sender<Parcel>>,
    ) {
        while let Some(parcel) = queue.recv().await {
            let left = match &parcel {
                Parcel::Data { left, .. } => *left,
                Parcel::End | Parcel::Reset => Instant::now(),
            };
            if through(&self.world, self.line, (self.side, left)).await.is_err() {
                return self.world.give_up_line(self.line);
            }
            let (bytes, marks, is_cut) = match parcel {
                Parcel::Data { bytes, marks, is_cut, .. } => (bytes, marks, is_cut),
                Parcel::End => {
                    // Whoever is gone need not be told.
                    drop(to.shutdown().await);
                    return;
                }
                Parcel::Reset => return self.world.break_line(self.line),
            };
            sleep_until(left + self.world.delay(self.line, self.side, bytes.len())).await;
            if through(&self.world, self.line, (self.side, left)).await.is_err() {
                return self.world.give_up_line(self.line);
            }
            if let Some(back) = &back
                && let Some(answer) = self.world.answered_by_proxy(self.line, &marks)
            {
                drop(back.send(answer).await);
                drop(back.send(Parcel::End).await);
                drop(to.shutdown().await);
                return;
            }
            if !self.world.arrive(self.line, self.side, marks) {
                return self.silence().await;
            }
            if write(&mut to, &bytes).await.is_err() {
                if self.world.is_silent(self.line, self.side.other()) {
                    return self.silence().await;
                }
                return self.world.break_line(self.line);
            }
            if is_cut {
                // What was written is read before the reset takes the rest.
                sleep(Duration::from_millis(20)).await;
                return self.world.break_line(self.line);
            }
        }
    }

    /// Nobody is told that a machine has lost its power; peers give up in the end.
    async fn silence(self) {
        sleep(self.world.user_timeout()).await;
        self.world.give_up_line(self.line);
    }
}

async fn write(to: &mut WriteHalf<Stream>, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
