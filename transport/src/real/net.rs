//! TCP through tokio, with TLS around it where configured.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::net::{TcpListener, TcpStream};

use super::{RealConfig, handshakes::Handshakes, public, tls::Tls};
use crate::{
    host::{Accepted, BoxFuture, Listener, Net, Stream},
    http::Peer,
};

/// The operating system's TCP.
pub(super) struct TcpNet {
    bind: Option<IpAddr>,
    bind_of: BTreeMap<u16, IpAddr>,
    public_only: bool,
    tls: Option<Tls>,
}

impl TcpNet {
    pub(super) fn new(config: &RealConfig, tls: Option<Tls>) -> Self {
        let RealConfig { bind, bind_of, public_only, .. } = config.clone();
        Self { bind, bind_of, public_only, tls }
    }

    fn tls_on(&self, port: u16) -> Option<Tls> {
        self.tls.clone().filter(|tls| tls.is_served_on(port))
    }
}

impl Net for TcpNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = bind(self.bind_of.get(&port).copied().or(self.bind), port).await?;
            let port = listener.local_addr()?.port();
            let Some(tls) = self.tls_on(port) else {
                return Ok(Box::new(PlainListener { listener, port }) as Box<dyn Listener>);
            };
            let handshakes = Handshakes::default();
            Ok(Box::new(TlsListener { listener, port, tls, handshakes }) as Box<dyn Listener>)
        })
    }

    fn encrypts(&self) -> bool {
        self.tls.is_some()
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        // An IPv6 literal is in brackets in a server name, and bare at a socket.
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, public_only) = (self.tls.clone(), self.public_only);
        Box::pin(async move {
            let stream = if public_only {
                TcpStream::connect(&*public::addresses(&name, port).await?).await?
            } else {
                TcpStream::connect((name.as_str(), port)).await?
            };
            stream.set_nodelay(true)?;
            match tls {
                None => Ok(Box::new(stream) as Stream),
                Some(tls) => tls.connect(&name, stream).await,
            }
        })
    }
}

/// Binds `port` on `address`, or on every address: both families if the machine has both.
async fn bind(address: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind((address, port)).await;
    }
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        bound => bound,
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, String)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer.to_string()))
}

struct PlainListener {
    listener: TcpListener,
    port: u16,
}

impl Listener for PlainListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let (stream, peer) = accept_tcp(&self.listener).await?;
            Ok((Box::new(stream) as Stream, peer))
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// Yields connections whose handshake is done; a slow handshake holds up no other.
struct TlsListener {
    listener: TcpListener,
    port: u16,
    tls: Tls,
    handshakes: Handshakes,
}

impl Listener for TlsListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            loop {
                tokio::select! {
                    biased;
                    done = self.handshakes.ended() => match done {
                        Ok(accepted) => return Ok(accepted),
                        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                    },
                    incoming = accept_tcp(&self.listener) => {
                        let (stream, peer) = incoming?;
                        let tls = self.tls.clone();
                        self.handshakes.begin(Peer::of(&peer), async move {
                            Ok((tls.accept(stream).await?, peer))
                        });
                    }
                }
            }
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}
