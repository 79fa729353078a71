//! One end of a connection at the gateway: a socket, with TLS around it or not, or the end of a
//! stream within this process.

use std::{io, time::Duration};

use socket2::SockRef;
use tokio::net::TcpStream;
use transport::host::Stream;

use crate::authority::Authority;

/// What a client's connection begins with that speaks TLS (RFC 8446, section 5.1: `handshake`).
const HANDSHAKE: u8 = 22;

/// One end of a connection.
pub(crate) struct Socket {
    /// What is read and written.
    pub(crate) stream: Stream,
    /// What resets it.
    pub(crate) breaker: Breaker,
}

/// Has an end see a reset, once that is dropped.
pub(crate) struct Breaker(Option<std::net::TcpStream>);

impl Breaker {
    /// Has the kernel reset the connection instead of ending it.
    pub(crate) fn arm(&self) {
        if let Some(socket) = &self.0 {
            // A socket that is gone already needs no reset.
            drop(SockRef::from(socket).set_linger(Some(Duration::ZERO)));
        }
    }
}

impl Socket {
    /// Returns an end within this process.
    pub(crate) fn local(stream: Stream) -> Self {
        Self { stream, breaker: Breaker(None) }
    }

    /// Returns an end that a server has opened, in TLS or not.
    pub(super) async fn accepted(stream: TcpStream, authority: &Authority) -> io::Result<Self> {
        let mut first = [0];
        stream.peek(&mut first).await?;
        let (stream, breaker) = split(stream)?;
        let stream = match first {
            [HANDSHAKE] => authority.accept(stream).await?,
            _ => Box::new(stream),
        };
        Ok(Self { stream, breaker })
    }

    /// Returns an end towards a server; in TLS if that has a name there.
    pub(super) async fn connected(
        stream: TcpStream,
        tls: Option<(&Authority, &str)>,
    ) -> io::Result<Self> {
        let (stream, breaker) = split(stream)?;
        let stream = match tls {
            Some((authority, name)) => authority.connect(name, stream).await?,
            None => Box::new(stream),
        };
        Ok(Self { stream, breaker })
    }
}

fn split(stream: TcpStream) -> io::Result<(TcpStream, Breaker)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let other = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, Breaker(Some(other))))
}
