//! Sockets of a turmoil host.

use std::{io, net::Ipv4Addr};

use transport::{
    BoxFuture,
    host::{Accepted, Listener, Net, Stream},
};
use turmoil::net::{TcpListener, TcpStream};

/// Turmoil's own network, as it is. All of it works only inside a turmoil host.
pub(crate) struct TurmoilNet;

impl Net for TurmoilNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move { Ok(Box::new(Bound::new(port).await?) as Box<dyn Listener>) })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let name = name.to_owned();
        Box::pin(async move { Ok(Box::new(TcpStream::connect((name, port)).await?) as Stream) })
    }
}

/// A bound port.
pub(crate) struct Bound {
    listener: TcpListener,
    port: u16,
}

impl Bound {
    pub(crate) async fn new(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Returns the next connection, the address of its client, and that client's name.
    pub(crate) async fn next(&self) -> io::Result<(TcpStream, std::net::SocketAddr, String)> {
        let (stream, client) = self.listener.accept().await?;
        let name = turmoil::reverse_lookup(client.ip());
        Ok((stream, client, name.unwrap_or_else(|| client.to_string())))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Listener for Bound {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let (stream, _, peer) = self.next().await?;
            Ok((Box::new(stream) as Stream, peer))
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}
