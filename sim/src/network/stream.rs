//! The socket as a program holds it: reads, writes, closes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use journal::Loss;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    close::end_writing,
    connection::{Connection, MAX_SEGMENT, Payload, Segment, Side},
};
use crate::{
    machine::current,
    world::{Emission, LockedWorld, WorldState},
};

/// One end of a connection. Dropping it closes it as a kernel does: FIN after what was written, or
/// a reset if something was left unread.
pub(crate) struct SimStream {
    pub(crate) world: Arc<LockedWorld>,
    pub(crate) connection: u64,
    pub(crate) side: Side,
    /// The process that holds it: machine and incarnation.
    pub(crate) owner: (usize, u64),
}

impl SimStream {
    /// Runs `act` on the connection; fails if this end is dead or broken for good.
    fn with<T>(&self, act: impl FnOnce(&mut WorldState, &mut Connection) -> T) -> io::Result<T> {
        let mut state = self.world.lock();
        if !state.machines[self.owner.0].runs(self.owner.1) {
            return Err(io::Error::other("the machine is down"));
        }
        let Some(mut connection) = state.connections.take(self.connection) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let value = act(&mut state, &mut connection);
        state.connections.put_back(self.connection, connection);
        Ok(value)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let side = self.side;
        self.with(|_, connection| {
            let pipe = connection.pipe_mut(side.other());
            if !pipe.received.is_empty() {
                let length = pipe.received.len().min(buffer.remaining());
                buffer.put_slice(&pipe.received[..length]);
                pipe.received.advance(length);
                note_arrivals(pipe, length);
                if let Some(writer) = connection.end_mut(side.other()).writer.take() {
                    writer.wake();
                }
                return Poll::Ready(Ok(()));
            }
            if pipe.ended {
                return Poll::Ready(Ok(()));
            }
            let end = connection.end_mut(side);
            if let Some(kind) = end.error.take() {
                return Poll::Ready(Err(kind.into()));
            }
            if !end.alive {
                return Poll::Ready(Ok(()));
            }
            end.reader = Some(context.waker().clone());
            Poll::Pending
        })?
    }
}

/// Makes the arrival of every message that is now wholly read the cause of what the reader does.
fn note_arrivals(pipe: &mut super::connection::Pipe, mut length: usize) {
    while let Some((left, entry, is_request)) = pipe.arrivals.front_mut() {
        if *left > length {
            *left -= length;
            return;
        }
        length -= *left;
        current::has_read(*entry, *is_request);
        pipe.arrivals.pop_front();
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (id, side) = (self.connection, self.side);
        self.with(|state, connection| {
            let end = connection.end_mut(side);
            if let Some(kind) = end.error.take() {
                return Poll::Ready(Err(kind.into()));
            }
            if !end.alive || connection.pipe(side).closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if bytes.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let length = bytes.len().min(connection.pipe(side).room()).min(MAX_SEGMENT);
            if length == 0 {
                connection.end_mut(side).writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let data = Payload::Data(Bytes::copy_from_slice(&bytes[..length]));
            push(state, id, connection, side, data);
            if side == Side::Server {
                current::has_answered();
            }
            Poll::Ready(Ok(length))
        })?
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (id, side) = (self.connection, self.side);
        self.with(|state, connection| end_writing(state, id, connection, side))?;
        Poll::Ready(Ok(()))
    }
}

/// Queues a segment for the driver.
pub(crate) fn push(
    state: &mut WorldState,
    id: u64,
    connection: &mut Connection,
    side: Side,
    payload: Payload,
) {
    let pipe = connection.pipe_mut(side);
    if let Payload::Data(bytes) = &payload {
        pipe.in_flight += bytes.len();
    }
    pipe.segments.push_back(Segment {
        payload,
        cause: current::cause(),
        marks: Vec::new(),
        due: std::time::Duration::ZERO,
        is_cut: false,
    });
    state.emit(Emission::Segment(id, side));
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        let machine = &state.machines[self.owner.0];
        // After a power loss nobody closes anything: the kernel is gone.
        if machine.keeps_sockets(self.owner.1) {
            let lives_on = machine.runs(self.owner.1) && !machine.doomed;
            let why = if lives_on { Loss::GivenUp } else { Loss::Closed };
            state.close_socket(self.connection, self.side, why);
        }
    }
}
