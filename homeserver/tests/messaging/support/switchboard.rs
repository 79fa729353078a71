//! Loopback sockets under names, with wires that can be cut by what is said on them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use transport::{
    BoxFuture,
    host::{Accepted, Listener, Net, Stream},
};

/// Which loopback port stands for which port of which name.
#[derive(Default)]
pub(crate) struct Switchboard {
    ports: Mutex<BTreeMap<(String, u16), u16>>,
    blocked: Mutex<BTreeSet<(String, String)>>,
    silent: Mutex<Vec<TcpListener>>,
}

impl Switchboard {
    /// Connections to `name` are refused from now on.
    pub(crate) fn unplug(&self, name: &str) {
        let name = format!("{name}.test");
        self.ports.lock().unwrap().retain(|(listening, _), _| *listening != name);
    }

    /// Connections to `port` of `name` are made from now on, and nobody says anything on them.
    pub(crate) async fn stall(&self, name: &str, port: u16) {
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = silent.local_addr().unwrap().port();
        self.ports.lock().unwrap().insert((format!("{name}.test"), port), at);
        self.silent.lock().unwrap().push(silent);
    }

    pub(crate) fn block(&self, name: &str, text: &str) {
        self.blocked.lock().unwrap().insert((name.to_owned(), text.to_owned()));
    }

    pub(crate) fn unblock(&self) {
        self.blocked.lock().unwrap().clear();
    }

    fn is_blocked(&self, name: &str, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let blocked = self.blocked.lock().unwrap();
        blocked.iter().any(|(from, what)| from == name && text.contains(what))
    }
}

/// The network of one machine.
pub(crate) struct Wire {
    switchboard: Arc<Switchboard>,
    name: String,
}

impl Wire {
    pub(crate) fn new(switchboard: &Arc<Switchboard>, name: &str) -> Self {
        Self { switchboard: Arc::clone(switchboard), name: name.to_owned() }
    }
}

impl Net for Wire {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let key = (format!("{}.test", self.name), port);
            let mut ports = self.switchboard.ports.lock().unwrap();
            ports.insert(key, listener.local_addr()?.port());
            let (switchboard, name) = (Arc::clone(&self.switchboard), self.name.clone());
            Ok(Box::new(Socket { listener, port, switchboard, name }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let at = self.switchboard.ports.lock().unwrap().get(&(name.to_owned(), port)).copied();
        let (switchboard, from) = (Arc::clone(&self.switchboard), self.name.clone());
        Box::pin(async move {
            let at = at.ok_or(io::ErrorKind::ConnectionRefused)?;
            let stream = TcpStream::connect(("127.0.0.1", at)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(Cuttable { stream, switchboard, from }) as Stream)
        })
    }
}

/// A bound port.
struct Socket {
    listener: TcpListener,
    port: u16,
    switchboard: Arc<Switchboard>,
    name: String,
}

impl Listener for Socket {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let (stream, peer) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            let (switchboard, from) = (Arc::clone(&self.switchboard), self.name.clone());
            let stream = Cuttable { stream, switchboard, from };
            Ok((Box::new(stream) as Stream, peer.to_string()))
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// A connection that breaks when something blocked is written to it.
struct Cuttable {
    stream: TcpStream,
    switchboard: Arc<Switchboard>,
    from: String,
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.switchboard.is_blocked(&self.from, bytes) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
