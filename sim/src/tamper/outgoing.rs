//! What is to be written to the wire, in order.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use transport::host::Stream;

/// Bytes on their way out of a tampered stream.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Bytes>,
    /// Nothing follows what is waiting: the connection is closed after it.
    last: bool,
}

impl Outgoing {
    /// Adds bytes, unless the connection is to be closed before them.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !self.last && !bytes.is_empty() {
            self.waiting.push_back(bytes);
        }
    }

    /// Closes the connection after what is waiting.
    pub(super) fn close(&mut self) {
        self.last = true;
    }

    /// Returns whether anything added now goes nowhere.
    pub(super) fn is_closed(&self) -> bool {
        self.last
    }

    /// Writes everything that is waiting.
    pub(super) fn poll_drain(
        &mut self,
        wire: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.waiting.front_mut() {
            let written = ready!(Pin::new(&mut *wire).poll_write(context, bytes))?;
            bytes.advance(written);
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
        }
        if self.last {
            ready!(Pin::new(wire).poll_shutdown(context))?;
        }
        Poll::Ready(Ok(()))
    }
}
