//! Sockets of a machine: object-safe traits over listening, accepting and connecting.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::BoxFuture;

/// A connected byte stream.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Connection for T {}

/// A boxed [`Connection`].
pub type Stream = Box<dyn Connection>;

/// What [`Listener::accept`] yields: the stream, and the peer's address for logs.
pub type Accepted = (Stream, String);

/// The network as one machine sees it.
pub trait Net: Send + Sync + 'static {
    /// Binds `port` on every address of this machine.
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;

    /// Returns whether this machine speaks TLS to every machine that it connects to.
    fn encrypts(&self) -> bool {
        false
    }

    /// Connects to `port` of the machine called `name` (a DNS name or an IP literal; no port).
    ///
    /// Waits as long as the network does (a connect into a partition waits rather than failing), so
    /// callers bring their own deadline.
    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>>;
}

/// A bound port.
pub trait Listener: Send + 'static {
    /// Waits for the next connection and returns it.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>>;

    /// Returns the port that peers connect to; differs from the one asked for when that was 0.
    fn port(&self) -> u16;
}
