//! A network that can be cut: connections fail, and those that were open break.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::{
    BoxFuture,
    host::{Listener, Net, Stream},
};

/// Whether the network of one machine is cut, towards the outside.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(crate) fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn repair(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            return Err(io::Error::other("the network is cut"));
        }
        Ok(())
    }
}

/// The network `net`, with a switch in its outgoing connections.
pub(crate) struct Switched {
    pub(crate) net: Arc<dyn Net>,
    pub(crate) switch: Switch,
}

impl Net for Switched {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        self.net.listen(port)
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (connecting, switch) = (self.net.connect(name, port), self.switch.clone());
        Box::pin(async move {
            switch.check()?;
            let stream = connecting.await?;
            Ok(Box::new(SwitchedStream { stream, switch }) as Stream)
        })
    }
}

struct SwitchedStream {
    stream: Stream,
    switch: Switch,
}

impl AsyncRead for SwitchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for SwitchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.switch.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
