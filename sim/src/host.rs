//! The host of a simulated machine: `transport::Host` made of simulated parts.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use journal::random;
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use transport::{
    BoxFuture, Host,
    host::{Accepted, Clock, Disk, Entropy, Listener, Net, Stream, TaskHandle, Tasks},
};

use crate::{
    machine::current,
    network::{
        connection::{Connection, Handshake, Side},
        stream::SimStream,
    },
    world::LockedWorld,
};

/// A process: the index of its machine, and the number of its boot.
type Owner = (usize, u64);

/// Returns the host of the process `owner`. `entropy` names its stream of randomness: seed and
/// purpose.
pub(crate) fn host(
    world: &Arc<LockedWorld>,
    owner: Owner,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    entropy: (u64, &str),
) -> Host {
    Host {
        net: Arc::new(SimNet { world: Arc::clone(world), owner }),
        disk,
        clock,
        entropy: Arc::new(SimEntropy(Mutex::new(random::stream(entropy.0, entropy.1)))),
        tasks: Arc::new(SimTasks { world: Arc::clone(world), owner }),
    }
}

struct SimEntropy(Mutex<ChaCha12Rng>);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().expect("filling does not panic").fill_bytes(bytes);
    }
}

struct SimTasks {
    world: Arc<LockedWorld>,
    owner: Owner,
}

impl Tasks for SimTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        self.world.spawn(self.owner, task)
    }
}

struct SimNet {
    world: Arc<LockedWorld>,
    owner: Owner,
}

impl Net for SimNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (port, number) = self.bind(port)?;
            let (world, owner) = (Arc::clone(&self.world), self.owner);
            Ok(Box::new(SimListener { world, owner, port, number }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (world, owner, name) = (Arc::clone(&self.world), self.owner, name.to_owned());
        Box::pin(async move {
            let stream = open(&world, owner, &name, port)?;
            std::future::poll_fn(|context| stream.poll_open(context)).await?;
            Ok(Box::new(stream) as Stream)
        })
    }
}

impl SimNet {
    fn bind(&self, port: u16) -> io::Result<(u16, u64)> {
        let mut state = self.world.lock();
        let machine = &mut state.machines[self.owner.0];
        if !machine.runs(self.owner.1) {
            return Err(io::Error::other("the machine is down"));
        }
        machine.bind(port)
    }
}

/// Asks for a connection to `port` of the machine called `name`.
fn open(world: &Arc<LockedWorld>, owner: Owner, name: &str, port: u16) -> io::Result<SimStream> {
    let mut state = world.lock();
    if !state.machines[owner.0].runs(owner.1) {
        return Err(io::Error::other("the machine is down"));
    }
    let Some(to) = state.by_name.get(name).copied() else {
        let message = format!("the name `{name}` does not resolve");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    };
    let mut connection = Connection::new(owner, to, port);
    connection.asked = (current::cause(), state.now());
    let connection = state.add_connection(connection);
    Ok(SimStream { world: Arc::clone(world), connection, side: Side::Client, owner })
}

impl SimStream {
    /// Ready when the handshake has ended, well or badly.
    fn poll_open(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.world.lock();
        let Some(connection) = state.connections.get_mut(self.connection) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        if let Some(kind) = connection.end_mut(Side::Client).error.take() {
            return Poll::Ready(Err(kind.into()));
        }
        if connection.handshake == Handshake::Open {
            return Poll::Ready(Ok(()));
        }
        connection.end_mut(Side::Client).writer = Some(context.waker().clone());
        Poll::Pending
    }
}

/// A bound port. Dropping it closes the port and resets what was not accepted.
struct SimListener {
    world: Arc<LockedWorld>,
    owner: Owner,
    port: u16,
    number: u64,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(Accept { listener: self })
    }

    fn port(&self) -> u16 {
        self.port
    }
}

struct Accept<'a> {
    listener: &'a SimListener,
}

impl Future for Accept<'_> {
    type Output = io::Result<Accepted>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let SimListener { world, owner, port, number } = self.listener;
        let mut state = world.lock();
        loop {
            let machine = &mut state.machines[owner.0];
            if !machine.runs(owner.1) {
                return Poll::Ready(Err(io::Error::other("the machine is down")));
            }
            let backlog = machine.listeners.get_mut(port);
            let Some(backlog) = backlog.filter(|it| it.number == *number) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let Some(id) = backlog.ready.pop_front() else {
                backlog.waker = Some(context.waker().clone());
                return Poll::Pending;
            };
            let Some(mut connection) = state.connections.take(id) else { continue };
            state.leave_backlog(&mut connection);
            connection.end_mut(Side::Server).held = true;
            let peer = state.machines[connection.end(Side::Client).machine].name.to_string();
            state.connections.put_back(id, connection);
            let world = Arc::clone(world);
            let stream = SimStream { world, connection: id, side: Side::Server, owner: *owner };
            return Poll::Ready(Ok((Box::new(stream), peer)));
        }
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        if state.machines[self.owner.0].keeps_sockets(self.owner.1) {
            state.close_listener(self.owner.0, self.port, self.number);
        }
    }
}
