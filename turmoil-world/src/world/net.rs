//! The tapped network of one process.

use std::{future::poll_fn, io, sync::Arc, task::Poll, time::Duration};

use journal::{ConnectFailed, Event, Loss};
use tokio::time::Instant;
use transport::{
    BoxFuture,
    host::{Accepted, Listener, Net, Stream},
};
use turmoil::net::TcpStream;

use super::{
    Owner, TurmoilWorld,
    line::{Line, Side},
    stream::TapStream,
};
use crate::net::Bound;

/// The first wait before a SYN that was lost is sent again; it doubles (RFC 6298).
const SYN_RETRY: Duration = Duration::from_secs(1);

/// The network as one process sees it.
pub(super) struct TappedNet {
    pub(super) world: TurmoilWorld,
    pub(super) owner: Owner,
}

impl Net for TappedNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        let (world, owner) = (self.world.clone(), self.owner.clone());
        Box::pin(async move {
            let bound = Bound::new(port).await?;
            Ok(Box::new(TappedListener { bound, world, owner }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (world, owner) = (self.world.clone(), self.owner.clone());
        let name: Arc<str> = name.into();
        Box::pin(async move {
            if !world.lock().places.contains_key(&name) {
                let message = format!("the name `{name}` does not resolve");
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
            let mut attempt = Attempt::new(&world, &owner, (&name, port));
            let opened = open(&world, &owner, (&name, port)).await;
            attempt.ended(&opened);
            let (inner, line) = opened?;
            let side = Side::Client;
            let stream =
                TapStream { inner, world, owner, line, side, ahead: 0, gives_up: None, seen: None };
            Ok(Box::new(stream) as Stream)
        })
    }
}

/// Connects; returns the number of the line besides.
async fn open(
    world: &TurmoilWorld,
    owner: &Owner,
    (name, port): (&Arc<str>, u16),
) -> io::Result<(TcpStream, u64)> {
    await_path(world, owner, name).await?;
    let inner = TcpStream::connect((name.to_string(), port)).await?;
    let client = inner.local_addr()?;
    let opened = world.lock().opened(client, name, port);
    Ok((inner, opened.ok_or(io::ErrorKind::ConnectionReset)?))
}

/// A connection that is asked for, of which the journal tells if it does not come about. Dropped
/// before its end, it was given up.
struct Attempt {
    world: TurmoilWorld,
    owner: Owner,
    to: Arc<str>,
    port: u16,
    began: Duration,
    is_over: bool,
}

impl Attempt {
    fn new(world: &TurmoilWorld, owner: &Owner, (to, port): (&Arc<str>, u16)) -> Self {
        let (began, to) = (world.lock().now, Arc::clone(to));
        Self { world: world.clone(), owner: owner.clone(), to, port, began, is_over: false }
    }

    fn ended<T>(&mut self, opened: &io::Result<T>) {
        self.is_over = true;
        if let Err(error) = opened {
            self.failed(match error.kind() {
                io::ErrorKind::ConnectionRefused => Loss::Refused,
                io::ErrorKind::TimedOut => Loss::TimedOut,
                _ => Loss::Reset,
            });
        }
    }

    fn failed(&self, why: Loss) {
        let mut state = self.world.lock();
        let (from, to) = (Arc::clone(&self.owner.0), Arc::clone(&self.to));
        let waited = state.now.saturating_sub(self.began);
        let fault = state.in_the_way(&from, &to);
        let failed = ConnectFailed { to, port: self.port, why, waited, fault };
        state.write(from, None, Event::ConnectFailed(failed));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over && !self.world.is_dead(&self.owner) {
            self.failed(Loss::GivenUp);
        }
    }
}

/// Waits as a kernel does whose SYN, or the answer to it, does not get through.
async fn await_path(world: &TurmoilWorld, owner: &Owner, name: &str) -> io::Result<()> {
    let deadline = Instant::now() + world.lock().config.user_timeout;
    let mut wait = SYN_RETRY;
    loop {
        let is_dead = world.is_dead(owner);
        let is_cut = {
            let mut state = world.lock();
            state.is_cut(&owner.0, name, None) || state.is_cut(name, &owner.0, None)
        };
        match (is_dead, is_cut) {
            (true, _) => poll_fn(|_| Poll::Pending).await,
            (false, false) => return Ok(()),
            (false, true) if Instant::now() + wait > deadline => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            (false, true) => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
}

struct TappedListener {
    bound: Bound,
    world: TurmoilWorld,
    owner: Owner,
}

impl Listener for TappedListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let (inner, client, peer) = self.bound.next().await?;
            let line = Line::new(peer.as_str().into(), Arc::clone(&self.owner.0));
            let line = self.world.lock().open(client, line, self.bound.port());
            let (world, owner, side) = (self.world.clone(), self.owner.clone(), Side::Server);
            let stream =
                TapStream { inner, world, owner, line, side, ahead: 0, gives_up: None, seen: None };
            Ok((Box::new(stream) as Stream, peer))
        })
    }

    fn port(&self) -> u16 {
        self.bound.port()
    }
}
