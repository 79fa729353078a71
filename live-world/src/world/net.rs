//! The network of a client: the gateway, without a socket in between.

use std::{io, sync::Arc};

use tokio::sync::mpsc;
use transport::{
    BoxFuture,
    host::{Accepted, Listener, Net, Stream},
};

use super::LiveWorld;
use crate::gateway::{Call, Socket, attempt, carry};

/// Bytes that a stream between a client and the gateway holds.
const ROOM: usize = 64 << 10;

/// The network as a client sees it.
pub(super) struct ClientNet {
    world: LiveWorld,
    machine: Arc<str>,
}

impl ClientNet {
    pub(super) fn new(world: &LiveWorld, machine: &Arc<str>) -> Self {
        Self { world: world.clone(), machine: Arc::clone(machine) }
    }
}

impl Net for ClientNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        let incoming = self.world.listen(&self.machine, port);
        Box::pin(async move { Ok(Box::new(Incoming { incoming, port }) as Box<dyn Listener>) })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (world, from, name) = (self.world.clone(), Arc::clone(&self.machine), name.to_owned());
        Box::pin(async move {
            if !world.addresses().knows(&name) {
                let message = format!("the name `{name}` does not resolve");
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
            let call = Call { from, to: name.into(), port };
            let server = attempt(&world, &call).await?;
            let (here, there) = tokio::io::duplex(ROOM);
            let client = Socket::local(Box::new(there));
            world.spawn(carry(world.clone(), call, (client, server), None));
            Ok(Box::new(here) as Stream)
        })
    }
}

struct Incoming {
    incoming: mpsc::UnboundedReceiver<Accepted>,
    port: u16,
}

impl Listener for Incoming {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let next = self.incoming.recv().await;
            next.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}
