//! A turmoil stream with a tap: decodes what passes, and holds back what a one-way cut would lose.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use journal::{Loss, recorder::Fired};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use turmoil::net::TcpStream;

use super::{Owner, TurmoilWorld, line::Side};

/// A connected stream of one process.
pub(super) struct TapStream {
    pub(super) inner: TcpStream,
    pub(super) world: TurmoilWorld,
    pub(super) owner: Owner,
    pub(super) line: u64,
    pub(super) side: Side,
    /// How many bytes of the next write are decoded already: it was tried before, and had to wait.
    pub(super) ahead: usize,
    /// When a write that cannot get through gives up.
    pub(super) gives_up: Option<Pin<Box<Sleep>>>,
    /// What its process has seen become of the connection.
    pub(super) seen: Option<Loss>,
}

impl TapStream {
    /// Acts on what passes. Returns whether the process survives it.
    fn act(&self, fired: Vec<Fired>) -> bool {
        for Fired { action, entry } in fired {
            action(entry);
        }
        !self.world.is_dead(&self.owner)
    }

    /// Waits while nothing can be written: the path is cut, and the kernel retransmits until it
    /// gives up.
    fn poll_path(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.world.lock();
        let Some(line) = state.lines.get(&self.line) else { return Poll::Ready(Ok(())) };
        let (from, to) = line.ends(self.side);
        if !state.is_cut(&from, &to, Some(self.line)) {
            self.gives_up = None;
            return Poll::Ready(Ok(()));
        }
        let patience = state.config.user_timeout;
        state.waiting.push(context.waker().clone());
        drop(state);
        let sleep = self.gives_up.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.world.lock().lose(self.line, Loss::TimedOut);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TapStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.world.is_dead(&self.owner) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer));
        let bytes = &buffer.filled()[before..];
        if read.is_err() || (bytes.is_empty() && buffer.remaining() > 0) {
            let why = if read.is_err() { Loss::Reset } else { Loss::Closed };
            self.seen = Some(why);
            self.world.lock().lose(self.line, why);
            return Poll::Ready(read);
        }
        let fired = self.world.lock().arrive(self.line, self.side, bytes);
        if !self.act(fired) {
            buffer.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for TapStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.world.is_dead(&self.owner) {
            return Poll::Pending;
        }
        if let Some(fresh) = bytes.get(self.ahead..).filter(|fresh| !fresh.is_empty()) {
            let fired = self.world.lock().leave(self.line, self.side, fresh);
            self.ahead = bytes.len();
            if !self.act(fired) {
                return Poll::Pending;
            }
        }
        std::task::ready!(self.poll_path(context))?;
        let written = std::task::ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        match written {
            Ok(count) => self.ahead = self.ahead.saturating_sub(count),
            Err(_) => self.world.lock().lose(self.line, Loss::Reset),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.world.is_dead(&self.owner) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        // A program that is gone gives nothing up: its kernel closes what it left open.
        let is_dead = self.world.is_dead(&self.owner);
        let mut state = self.world.lock();
        if self.side == Side::Server && !is_dead {
            state.drop_unanswered(self.line, self.seen.unwrap_or(Loss::GivenUp));
        }
        if self.side == Side::Client {
            state.lose(self.line, if is_dead { Loss::Closed } else { Loss::GivenUp });
            state.lines.remove(&self.line);
        }
    }
}
