//! The network of a machine whose messages are tampered with.

use std::{io, sync::Arc};

use transport::{
    BoxFuture, Host,
    host::{Accepted, Listener, Net, Stream},
};

use super::{
    Tamper,
    stream::{Far, TamperedStream},
};

/// The network of a host, with a tamper between it and the node.
pub(super) struct TamperedNet {
    pub(super) host: Host,
    pub(super) tamper: Arc<dyn Tamper>,
}

impl Net for TamperedNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let inner = self.host.net.listen(port).await?;
            let (host, tamper) = (self.host.clone(), Arc::clone(&self.tamper));
            Ok(Box::new(TamperedListener { inner, host, tamper }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let connecting = self.host.net.connect(name, port);
        let (host, tamper) = (self.host.clone(), Arc::clone(&self.tamper));
        let far = Far::Server { name: name.to_owned(), port };
        Box::pin(async move {
            let stream = TamperedStream::new(connecting.await?, far, host, tamper);
            Ok(Box::new(stream) as Stream)
        })
    }
}

struct TamperedListener {
    inner: Box<dyn Listener>,
    host: Host,
    tamper: Arc<dyn Tamper>,
}

impl Listener for TamperedListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            let (stream, peer) = self.inner.accept().await?;
            let far = Far::Client { name: peer.clone() };
            let (host, tamper) = (self.host.clone(), Arc::clone(&self.tamper));
            let stream = TamperedStream::new(stream, far, host, tamper);
            Ok((Box::new(stream) as Stream, peer))
        })
    }

    fn port(&self) -> u16 {
        self.inner.port()
    }
}
