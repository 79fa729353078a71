//! Where servers are met: an address for each ordered pair of machines.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{Call, Socket, attempt, carry, reach};
use crate::{kinds::FEDERATION_PORT, world::LiveWorld};

/// The port on which servers look for `.well-known`.
const HTTPS_PORT: u16 = 443;

/// The wait between two looks whether a client that waits is still there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a client may take to say its first byte and to shake hands, and to ask for `.well-known`.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);

/// The most bytes of a question for `.well-known`.
const MOST_QUESTION: usize = 16 << 10;

/// Opens the entrances that a server needs: towards each machine that serves others.
///
/// # Errors
/// One of them cannot be bound; the error says which, and what to do.
pub(crate) async fn open(
    world: &LiveWorld,
    from: &Arc<str>,
    targets: &[Arc<str>],
) -> io::Result<()> {
    let asks_well_known = world.kind(from).is_some_and(|kind| kind.well_known);
    for to in targets.iter().filter(|to| *to != from) {
        let entrance = |port| {
            let call = Call { from: Arc::clone(from), to: Arc::clone(to), port };
            Entrance { world: world.clone(), call }
        };
        let main = entrance(FEDERATION_PORT);
        let listener = main.bind().await?;
        world.spawn(main.serve(Some(listener)));
        if asks_well_known {
            let well_known = entrance(HTTPS_PORT);
            let listener = well_known.bind().await?;
            world.spawn(well_known.serve_well_known(listener));
        }
    }
    Ok(())
}

/// Where one machine meets another.
struct Entrance {
    world: LiveWorld,
    call: Call,
}

impl Entrance {
    async fn bind(&self) -> io::Result<TcpListener> {
        let Call { from, to, port } = &self.call;
        let address = SocketAddr::from((self.world.addresses().pair(from, to), *port));
        TcpListener::bind(address).await.map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "; ports below 1024 need a right: `sysctl net.ipv4.ip_unprivileged_port_start=443`, \
                     or run as root"
                }
                _ => "; end what listens there",
            };
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}{remedy}"))
        })
    }

    /// Accepts for as long as the run lasts. While the machine refuses, nothing listens.
    async fn serve(self, mut listener: Option<TcpListener>) {
        loop {
            let mut changed = self.world.changes();
            let is_refused = self.world.refuses(&self.call.to, self.call.port);
            if is_refused {
                listener = None;
            } else if listener.is_none() {
                listener = self.bind().await.ok();
            }
            let Some(open) = &listener else {
                drop(timeout(Duration::from_secs(1), changed.changed()).await);
                continue;
            };
            tokio::select! {
                biased;
                _ = changed.changed() => {}
                accepted = open.accept() => match accepted {
                    Ok((stream, _)) => self.met(stream),
                    Err(_) => sleep(LOOK_EVERY).await,
                },
            }
        }
    }

    fn met(&self, stream: TcpStream) {
        let (world, call) = (self.world.clone(), self.call.clone());
        self.world.spawn(async move {
            let reached = tokio::select! {
                biased;
                () = left(&stream) => return,
                reached = attempt(&world, &call) => reached,
            };
            let Ok(server) = reached else { return reset(&stream) };
            let accepted = Socket::accepted(stream, world.authority());
            match timeout(HANDSHAKE_WITHIN, accepted).await {
                Ok(Ok(client)) => carry(world, call, (client, server), None).await,
                Ok(Err(error)) => world.refused_certificate(&call.from, &error),
                Err(_) => {}
            }
        });
    }

    /// Says, in the name of the machine, on which port its server-server API is.
    async fn serve_well_known(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            let (world, call) = (self.world.clone(), self.call.clone());
            self.world.spawn(async move {
                let telling = tell_port(&world, &call, stream);
                if let Ok(Err(error)) = timeout(HANDSHAKE_WITHIN, telling).await {
                    world.refused_certificate(&call.from, &error);
                }
            });
        }
    }
}

async fn tell_port(world: &LiveWorld, call: &Call, stream: TcpStream) -> io::Result<()> {
    // It is as far away as the machine itself.
    drop(reach(world, &Call { port: FEDERATION_PORT, ..call.clone() }).await);
    let mut stream = world.authority().accept(stream).await?;
    let mut question = Vec::new();
    while !question.windows(4).any(|it| it == b"\r\n\r\n") && question.len() < MOST_QUESTION {
        if stream.read_buf(&mut question).await? == 0 {
            return Ok(());
        }
    }
    let body = format!("{{\"m.server\":\"{}:{FEDERATION_PORT}\"}}", call.to);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// Resolves once the client has closed its end, whatever it has said before.
async fn left(stream: &TcpStream) {
    loop {
        sleep(LOOK_EVERY).await;
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => {}
            Ok(_) | Err(_) => return,
        }
    }
}

fn reset(stream: &TcpStream) {
    // A socket that is gone already needs no reset.
    drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}
