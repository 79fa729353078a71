//! The same plain machines in stock `turmoil`, for comparison.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use transport::{
    BoxFuture, Database, DatabaseError, Host,
    host::{Accepted, Clock, Disk, Entropy, Listener, Net, Stream, TaskHandle, Tasks},
};
use turmoil::net::{TcpListener, TcpStream};

use super::{
    clock::cpu,
    loaded,
    plain::{Plain, name},
    row::{Length, Measured},
};

/// How often each machine asks.
const EVERY: Duration = Duration::from_secs(1);
/// Turmoil's tick, its default; shorter ones are broken, longer ones delay every message.
const TICK: Duration = Duration::from_millis(1);
/// The simulated world runs longer, so that its CPU time is more than the clock's error.
const LONGER: u32 = 20;

/// Three machines.
pub(super) fn three(length: Length) -> Result<Measured, String> {
    compare(3, Duration::from_secs(length.pick(60, 10)))
}

/// Thirty machines.
pub(super) fn thirty(length: Length) -> Result<Measured, String> {
    compare(30, Duration::from_secs(length.pick(20, 4)))
}

/// A hundred machines.
pub(super) fn hundred(length: Length) -> Result<Measured, String> {
    compare(100, Duration::from_secs(length.pick(8, 3)))
}

fn compare(machines: usize, time: Duration) -> Result<Measured, String> {
    let theirs = run(machines, time)?;
    let ours = loaded::run(machines, Some(EVERY), time * LONGER)?;
    let a_second = |cpu: Duration, time: Duration| cpu.as_secs_f64() / time.as_secs_f64() * 1e3;
    let (them, us) = (a_second(theirs.cpu, time), a_second(ours.cpu, time * LONGER));
    Ok(Measured {
        figure: them / us,
        detail: format!("{them:.2} ms of CPU a simulated second against {us:.3} ms"),
    })
}

fn run(machines: usize, time: Duration) -> Result<loaded::Cost, String> {
    let answers = Arc::new(AtomicU64::new(0));
    let (ran, cpu) = cpu(|| simulate(machines, time, &answers));
    ran.map_err(|error| format!("turmoil: {error}"))?;
    // All but the last second's requests must have been answered, or it did less work.
    let wanted = machines as u64 * time.as_secs().saturating_sub(1);
    match answers.load(Ordering::Relaxed) {
        few if few < wanted => Err(format!("turmoil answered {few} requests of {wanted}")),
        answers => Ok(loaded::Cost { cpu, answers }),
    }
}

fn simulate(machines: usize, time: Duration, answers: &Arc<AtomicU64>) -> turmoil::Result {
    let mut sim = turmoil::Builder::new()
        .simulation_duration(time + time)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .rng_seed(1)
        .build();
    for number in 0..machines {
        let plain = Plain::asking((number, machines), Some(EVERY), answers);
        sim.host(name(number), move || {
            let plain = plain.clone();
            async move {
                plain.start(host()).await?;
                std::future::pending().await
            }
        });
    }
    while sim.elapsed() < time {
        sim.step()?;
    }
    Ok(())
}

/// What a plain program needs of a machine in turmoil.
fn host() -> Host {
    let nothing = Arc::new(Nothing);
    let (disk, clock, entropy) = (nothing.clone(), nothing.clone(), nothing);
    Host { net: Arc::new(TurmoilNet), disk, clock, entropy, tasks: Arc::new(TurmoilTasks) }
}

struct TurmoilNet;

impl Net for TurmoilNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
            Ok(Box::new(TurmoilListener { listener, port }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let name = name.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect((name, port)).await?;
            Ok(Box::new(stream) as Stream)
        })
    }
}

struct TurmoilListener {
    listener: TcpListener,
    port: u16,
}

impl Listener for TurmoilListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            let (stream, peer) = self.listener.accept().await?;
            Ok((Box::new(stream) as Stream, peer.to_string()))
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}

struct TurmoilTasks;

impl Tasks for TurmoilTasks {
    #[expect(clippy::disallowed_methods, reason = "turmoil gives each machine its own runtime")]
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }
}

/// What the plain program does not use.
struct Nothing;

impl Disk for Nothing {
    fn open(&self, _name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        Box::pin(async { Err(DatabaseError::Closed) })
    }
}

impl Clock for Nothing {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

impl Entropy for Nothing {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
