//! A few homeservers, the wires between them, and clients.

mod client;
mod counted;
mod switchboard;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use homeserver::{Config, Homeserver};
use tempfile::TempDir;
use tokio::task::JoinSet;
use transport::{
    BoxFuture, Host,
    federation::{Federation, Identity},
    host::{Clock, TaskHandle, Tasks},
    http::{Client as Http, ClientLimits},
    real::{self, RealConfig},
};

pub(crate) use self::client::Client;
use self::{
    counted::{Counted, Jobs},
    switchboard::{Switchboard, Wire},
};

/// How often a condition that nothing announces is looked at, and how many times at most.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const MAX_LOOKS: usize = 1000;

/// The deadline of a request.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const FEDERATION_PORT: u16 = 8448;

/// Homeservers by the first letters of their names: `a` is `a.test`.
pub(crate) struct Cluster {
    switchboard: Arc<Switchboard>,
    machines: BTreeMap<String, Machine>,
}

struct Machine {
    directory: TempDir,
    clock: Arc<ShiftedClock>,
    process: Arc<Process>,
    jobs: Jobs,
}

impl Cluster {
    /// Running homeservers of these names.
    pub(crate) async fn of(names: &[&str]) -> Self {
        let mut cluster = Self { switchboard: Arc::default(), machines: BTreeMap::new() };
        for name in names {
            let machine = Machine {
                directory: tempfile::tempdir().unwrap(),
                clock: Arc::default(),
                process: Arc::default(),
                jobs: Jobs::default(),
            };
            cluster.machines.insert((*name).to_owned(), machine);
            cluster.start(name).await;
        }
        cluster
    }

    /// Starts `name` on what its disk holds.
    pub(crate) async fn start(&mut self, name: &str) {
        let machine = self.machines.get_mut(name).unwrap();
        machine.process = Arc::default();
        let mut host = real::host(machine.directory.path(), &RealConfig::default()).unwrap();
        *machine.clock.real.lock().unwrap() = Some(Arc::clone(&host.clock));
        host.clock = Arc::clone(&machine.clock) as Arc<dyn Clock>;
        host.tasks = Arc::clone(&machine.process) as Arc<dyn Tasks>;
        host.net = Arc::new(Wire::new(&self.switchboard, name));
        host.disk = Arc::new(Counted::new(host.disk, &machine.jobs));
        Homeserver::start(host, config(name)).await.unwrap();
    }

    /// Ends the process of `name` at once, wherever it stands.
    pub(crate) async fn stop(&self, name: &str) {
        self.switchboard.unplug(name);
        let running = self.machines[name].process.running.lock().unwrap().take();
        running.unwrap().shutdown().await;
        // Whoever has the database open last takes its log away: a job may still be under way.
        let log = self.machines[name].directory.path().join("homeserver.sqlite-wal");
        for _ in 0..MAX_LOOKS {
            if !log.exists() {
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        panic!("the database of {name} is not closed");
    }

    /// Ends the process of `name`, and has something silent listen in its place.
    pub(crate) async fn stall(&self, name: &str) {
        self.stop(name).await;
        self.switchboard.stall(name, FEDERATION_PORT).await;
    }

    /// From now on, what `name` sends to others breaks off if its text contains `text`.
    pub(crate) fn block(&self, name: &str, text: &str) {
        self.switchboard.block(name, text);
    }

    /// Ends every block.
    pub(crate) fn unblock(&self) {
        self.switchboard.unblock();
    }

    /// Moves the clock of `name` by `seconds`.
    pub(crate) fn shift_clock(&self, name: &str, seconds: i64) {
        self.machines[name].clock.shift.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Calls in the name of `name`, beside those that it makes itself.
    pub(crate) async fn federation(&self, name: &str) -> Federation {
        let host = client_host(&self.switchboard, &self.machines[name].directory);
        let database = host.open("homeserver").await.unwrap();
        let server_name = format!("{name}.test").try_into().unwrap();
        let identity = Identity::open(&host, &database, server_name).await.unwrap();
        Federation::new(identity, Http::new(&host, ClientLimits::default()))
    }

    /// A machine beside the homeservers, with its disk in `directory`.
    pub(crate) fn machine(&self, name: &str, directory: &TempDir) -> Host {
        let mut host = client_host(&self.switchboard, directory);
        host.net = Arc::new(Wire::new(&self.switchboard, name));
        host
    }

    /// How many jobs the databases of `name` were given so far.
    pub(crate) fn jobs(&self, name: &str) -> usize {
        self.machines[name].jobs.load(Ordering::SeqCst)
    }

    /// Backends a, b and c with a user each, and a room of the first in which everybody is.
    pub(crate) async fn three(delivery: &str) -> (Self, [Client; 3], String) {
        let (cluster, people) = Self::of_three().await;
        let room = people[0].room(delivery, &[&people[1], &people[2]]).await;
        (cluster, people, room)
    }

    /// Backends a, b and c with a user each.
    pub(crate) async fn of_three() -> (Self, [Client; 3]) {
        let cluster = Self::of(&["a", "b", "c"]).await;
        let people = [
            cluster.user("a", "alice").await,
            cluster.user("b", "bob").await,
            cluster.user("c", "carol").await,
        ];
        (cluster, people)
    }

    /// A new user of `name`, logged in.
    pub(crate) async fn user(&self, name: &str, user: &str) -> Client {
        Client::register(&self.switchboard, name, user).await
    }

    /// What the query `sql` finds in the database of `name`.
    pub(crate) fn read<T: rusqlite::types::FromSql>(&self, name: &str, sql: &str) -> T {
        self.database(name).query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Does `sql` to the database of `name`, which is stopped.
    pub(crate) fn damage(&self, name: &str, sql: &str) {
        self.database(name).execute(sql, []).unwrap();
    }

    /// Takes away from the database of `name`, which is stopped, what its newest steps made.
    pub(crate) fn undo_steps_after_16(&self, name: &str) {
        let newest = [
            include_str!("../../src/store/17_beside_events.sql"),
            include_str!("../../src/store/18_edus_aside.sql"),
            include_str!("../../src/store/19_mail.sql"),
        ];
        let newest = newest.concat();
        for line in newest.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
            let table = line.split(' ').next().unwrap();
            self.damage(name, &format!("DROP TABLE {table}"));
        }
        self.damage(name, "ALTER TABLE users DROP COLUMN avatar_url");
        self.damage(name, "ALTER TABLE deferred_entries DROP COLUMN letter");
    }

    /// A copy of the disk of `name`, which is stopped.
    pub(crate) fn backup(&self, name: &str) -> TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(self.machines[name].directory.path(), backup.path());
        backup
    }

    /// Sets the disk of `name`, which is stopped, back to a copy of it.
    pub(crate) fn restore(&self, name: &str, backup: &TempDir) {
        let directory = self.machines[name].directory.path();
        for file in std::fs::read_dir(directory).unwrap() {
            // A database that is being closed takes some of them away itself.
            match std::fs::remove_file(file.unwrap().path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                _ => {}
            }
        }
        copy(backup.path(), directory);
    }

    fn database(&self, name: &str) -> rusqlite::Connection {
        let path = self.machines[name].directory.path().join("homeserver.sqlite");
        rusqlite::Connection::open(path).unwrap()
    }

    /// Waits until `count` of `sql` in the database of `name` is `wanted`.
    pub(crate) async fn wait_for_count(&self, name: &str, sql: &str, wanted: i64) {
        let database = self.database(name);
        for _ in 0..MAX_LOOKS {
            let count: i64 = database.query_row(sql, [], |row| row.get(0)).unwrap();
            if count == wanted {
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        panic!("{sql} never was {wanted}");
    }
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn config(name: &str) -> Config {
    Config {
        backoff_first: Duration::from_millis(50),
        backoff_max: Duration::from_millis(200),
        request_timeout: Duration::from_secs(5),
        vote_timeout: Duration::from_secs(2),
        doubt_after: Duration::from_millis(300),
        open_registration: true,
        registrations_per_address: u32::MAX,
        ..Config::new(format!("{name}.test").try_into().unwrap())
    }
}

/// The real clock, moved.
#[derive(Default)]
struct ShiftedClock {
    real: Mutex<Option<Arc<dyn Clock>>>,
    /// Seconds.
    shift: AtomicI64,
}

impl Clock for ShiftedClock {
    fn now(&self) -> SystemTime {
        let now = self.real.lock().unwrap().as_ref().unwrap().now();
        let shift = self.shift.load(Ordering::SeqCst);
        let by = Duration::from_secs(shift.unsigned_abs());
        if shift < 0 { now - by } else { now + by }
    }
}

/// The tasks of one process, which end together.
struct Process {
    running: Mutex<Option<JoinSet<()>>>,
}

impl Default for Process {
    fn default() -> Self {
        Self { running: Mutex::new(Some(JoinSet::new())) }
    }
}

impl Tasks for Process {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        match self.running.lock().unwrap().as_mut() {
            Some(running) => {
                let handle = running.spawn(task);
                TaskHandle::new(move || handle.abort())
            }
            None => TaskHandle::new(|| {}),
        }
    }
}

/// A machine for clients only.
fn client_host(switchboard: &Arc<Switchboard>, directory: &TempDir) -> Host {
    let mut host = real::host(directory.path(), &RealConfig::default()).unwrap();
    host.net = Arc::new(Wire::new(switchboard, "client"));
    host
}

/// Sends a transaction of these EDUs alone.
pub(crate) async fn send_edus(federation: &Federation, to: &str, edus: serde_json::Value) {
    use ruma::{
        MilliSecondsSinceUnixEpoch, UInt,
        api::federation::transactions::send_transaction_message::v1::Request,
    };
    let origin = federation.identity.server_name.clone();
    let now = MilliSecondsSinceUnixEpoch(UInt::new(0).unwrap());
    let mut request = Request::new("edus".into(), origin, now);
    request.edus = serde_json::from_value(edus).unwrap();
    let to: ruma::OwnedServerName = to.try_into().unwrap();
    federation.call(&to, request, DEADLINE).await.unwrap();
}
