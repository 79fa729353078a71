//! A machine without sockets, files or chance: streams in memory between the machines of one network,
//! and databases in memory.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rusqlite::Connection;
use tokio::sync::mpsc;
use transport::{
    BoxFuture, Database, DatabaseError, Host,
    host::{Accepted, Clock, Disk, Entropy, Job, Listener, Net, Stream, TaskHandle, Tasks, Worker},
};

/// Bytes on their way in each direction of a connection.
const IN_FLIGHT: usize = 64 << 10;

/// Connections that wait to be accepted.
const BACKLOG: usize = 64;

type Doors = Arc<Mutex<BTreeMap<(String, u16), mpsc::Sender<Stream>>>>;

/// A network in memory.
#[derive(Clone, Default)]
pub(crate) struct Network {
    doors: Doors,
}

impl Network {
    /// Returns a machine that others reach as `name`.
    pub(crate) fn machine(&self, name: &str) -> Host {
        Host {
            net: Arc::new(NamedNet { name: name.to_owned(), doors: Arc::clone(&self.doors) }),
            disk: Arc::new(MemoryDisk),
            clock: Arc::new(FixedClock),
            entropy: Arc::new(Counted::default()),
            tasks: Arc::new(RuntimeTasks),
        }
    }
}

fn locked<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

struct NamedNet {
    name: String,
    doors: Doors,
}

impl Net for NamedNet {
    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        let (sender, arriving) = mpsc::channel(BACKLOG);
        locked(&self.doors).insert((self.name.clone(), port), sender);
        Box::pin(async move { Ok(Box::new(Door { arriving, port }) as Box<dyn Listener>) })
    }

    fn connect(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Stream>> {
        let door = locked(&self.doors).get(&(name.to_owned(), port)).cloned();
        Box::pin(async move {
            let nobody = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let (ours, theirs) = tokio::io::duplex(IN_FLIGHT);
            let door = door.ok_or_else(nobody)?;
            door.send(Box::new(theirs)).await.map_err(|_| nobody())?;
            Ok(Box::new(ours) as Stream)
        })
    }
}

struct Door {
    arriving: mpsc::Receiver<Stream>,
    port: u16,
}

impl Listener for Door {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            match self.arriving.recv().await {
                Some(stream) => Ok((stream, "192.0.2.1:1".to_owned())),
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
    fn open(&self, _name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        Box::pin(async {
            let connection = Connection::open_in_memory()?;
            connection.pragma_update(None, "foreign_keys", "ON")?;
            connection.set_prepared_statement_cache_capacity(256);
            Ok(Database::new(Arc::new(Inline(Mutex::new(connection)))))
        })
    }
}

struct Inline(Mutex<Connection>);

impl Worker for Inline {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            job(&mut locked(&self.0));
            Ok(())
        })
    }
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}

/// Bytes that differ from one to the next, and are the same in every process.
#[derive(Default)]
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let count = self.0.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
            // SplitMix64.
            let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

struct RuntimeTasks;

impl Tasks for RuntimeTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let handle = tokio::spawn(task).abort_handle();
        TaskHandle::new(move || handle.abort())
    }
}
