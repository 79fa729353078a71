//! Machines for tests: a network of byte pipes, databases in memory, clocks that tests set.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use tokio::sync::mpsc;
use transport::{
    BoxFuture, Database, DatabaseError, Host,
    database::prepare_connection,
    host::{Accepted, Clock, Disk, Entropy, Job, Listener, Net, Stream, TaskHandle, Tasks, Worker},
};

/// The time on every machine's clock at first: 2023-11-14, in milliseconds since the epoch.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Who listens: by machine and port.
type Ports = BTreeMap<(String, u16), mpsc::UnboundedSender<Stream>>;

/// A network, and one clock for all its machines.
#[derive(Clone, Default)]
pub(crate) struct World {
    ports: Arc<Mutex<Ports>>,
    elapsed_ms: Arc<AtomicU64>,
}

impl World {
    /// A machine called `name`.
    pub(crate) fn machine(&self, name: &str) -> Host {
        Host {
            net: Arc::new(PipeNet { name: name.to_owned(), world: self.clone() }),
            disk: Arc::new(MemoryDisk),
            clock: Arc::new(SetClock(Arc::clone(&self.elapsed_ms))),
            entropy: Arc::new(Counter(AtomicU64::new(name.bytes().map(u64::from).sum()))),
            tasks: Arc::new(RuntimeTasks),
        }
    }

    /// Lets the wall clocks jump ahead.
    pub(crate) fn jump(&self, duration: Duration) {
        let ms = u64::try_from(duration.as_millis()).expect("a test's duration is short");
        self.elapsed_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Takes every port of the machine called `name` away: connecting to it is refused.
    pub(crate) fn take_down(&self, name: &str) {
        self.ports
            .lock()
            .expect("no test panics in here")
            .retain(|(machine, _), _| machine != name);
    }
}

struct PipeNet {
    name: String,
    world: World,
}

impl Net for PipeNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        let (sender, arriving) = mpsc::unbounded_channel();
        let mut ports = self.world.ports.lock().expect("no test panics in here");
        ports.insert((self.name.clone(), port), sender);
        Box::pin(async move { Ok(Box::new(PipeListener { arriving, port }) as Box<dyn Listener>) })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let (near, far) = tokio::io::duplex(64 << 10);
        let ports = self.world.ports.lock().expect("no test panics in here");
        let connected = ports
            .get(&(name.to_owned(), port))
            .is_some_and(|listener| listener.send(Box::new(far)).is_ok());
        Box::pin(async move {
            if connected {
                Ok(Box::new(near) as Stream)
            } else {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        })
    }
}

struct PipeListener {
    arriving: mpsc::UnboundedReceiver<Stream>,
    port: u16,
}

impl Listener for PipeListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async {
            match self.arriving.recv().await {
                Some(stream) => Ok((stream, "a pipe".to_owned())),
                None => std::future::pending().await,
            }
        })
    }

    fn port(&self) -> u16 {
        self.port
    }
}

struct MemoryDisk;

impl Disk for MemoryDisk {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let connection = Connection::open_in_memory()?;
            assert!(prepare_connection(&connection).is_err(), "{name} has no write-ahead log");
            Ok(Database::new(Arc::new(Inline(Mutex::new(connection)))))
        })
    }
}

struct Inline(Mutex<Connection>);

impl Worker for Inline {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        job(&mut self.0.lock().expect("no job panics"));
        Box::pin(async { Ok(()) })
    }
}

struct SetClock(Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> SystemTime {
        let elapsed = self.0.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS + elapsed)
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes()[0];
        }
    }
}

struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    #[expect(clippy::disallowed_methods, reason = "the tests' tasks end with their runtime")]
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }
}
