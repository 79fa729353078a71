//! The state of a simulation: machines, connections, cuts, and the journal.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    task::Waker,
    time::Duration,
};

use journal::{
    Event, Loss, Supervisor,
    fault::Holds,
    recorder::{Fired, Recorder, Route},
};
use sim::{Node, WorldConfig};
use transport::Host;

use super::{
    faults::{Remedy, Way},
    line::{Line, Side},
    seat::LateTasks,
    swizzle::RunningSwizzle,
};
use crate::Machine;

/// What the driver is to do to the simulation, between two steps.
pub(crate) enum Command {
    /// Add the host of a machine.
    Add(Arc<str>),
    /// Take its process away: as a power loss, or politely.
    Crash {
        /// The machine.
        machine: Arc<str>,
        /// Whether nobody is to hear of it.
        silently: bool,
    },
    /// Start it again.
    Bounce(Arc<str>),
}

/// A machine's place in the simulation.
pub(crate) struct Place {
    pub(crate) machine: Arc<Machine>,
    pub(crate) node: Option<Arc<dyn Node>>,
    pub(crate) incarnation: u64,
    pub(crate) is_up: bool,
    /// Says when a program that has failed is started again.
    pub(crate) supervisor: Supervisor,
    /// When that is.
    pub(crate) restart: Option<Duration>,
    /// The faults that hold it down. It boots when the last one ends.
    pub(crate) downed_by: Holds<Way>,
    /// The host of a seat that was handed out before its turmoil host existed, and its tasks.
    pub(crate) seat: Option<(Host, Arc<LateTasks>)>,
}

impl Place {
    pub(super) fn new(machine: Arc<Machine>, node: Option<Arc<dyn Node>>) -> Self {
        Self {
            machine,
            node,
            incarnation: 0,
            is_up: false,
            supervisor: Supervisor::default(),
            restart: None,
            downed_by: Holds::default(),
            seat: None,
        }
    }
}

/// Everything behind the simulation's one lock.
pub(crate) struct TurmoilState {
    pub(crate) config: WorldConfig,
    /// Simulated time, as of this step.
    pub(crate) now: Duration,
    pub(crate) recorder: Recorder,
    pub(crate) places: BTreeMap<Arc<str>, Place>,
    pub(crate) lines: BTreeMap<u64, Line>,
    next_line: u64,
    /// The newest line by the client's address and the server's name and port.
    by_ends: BTreeMap<(SocketAddr, Arc<str>, u16), u64>,
    /// The faults that cut each directed path.
    pub(crate) cuts: BTreeMap<(Arc<str>, Arc<str>), BTreeSet<u64>>,
    /// What ends each fault, by its number from 1.
    pub(crate) remedies: Vec<Remedy>,
    /// Swizzles under way, by their faults.
    pub(crate) swizzles: BTreeMap<u64, RunningSwizzle>,
    pub(crate) commands: VecDeque<Command>,
    /// Tasks that wait for a cut path to be mended.
    pub(crate) waiting: Vec<Waker>,
    pub(crate) panicked: Option<(String, String)>,
}

impl TurmoilState {
    pub(super) fn new(config: WorldConfig) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            recorder: Recorder::default(),
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_line: 1,
            by_ends: BTreeMap::new(),
            cuts: BTreeMap::new(),
            remedies: Vec::new(),
            swizzles: BTreeMap::new(),
            commands: VecDeque::new(),
            waiting: Vec::new(),
            panicked: None,
        }
    }

    pub(crate) fn place_mut(&mut self, name: &str) -> &mut Place {
        match self.places.get_mut(name) {
            Some(place) => place,
            None => panic!("no machine is called `{name}`"),
        }
    }

    /// Writes an entry; returns its number.
    pub(crate) fn write(&mut self, machine: Arc<str>, cause: Option<u64>, event: Event) -> u64 {
        self.recorder.write(self.now, machine, cause, event)
    }

    /// Takes away what is left of a machine's program that has failed. The machine starts again
    /// when its supervisor says so.
    pub(crate) fn failed(&mut self, name: &Arc<str>, error: String) {
        self.write(Arc::clone(name), None, Event::Exited { error });
        let now = self.now;
        let place = self.place_mut(name);
        if !std::mem::take(&mut place.is_up) {
            return;
        }
        place.machine.disk().kill();
        place.restart = Some(now + place.supervisor.failed(now));
        self.commands.push_back(Command::Crash { machine: Arc::clone(name), silently: false });
    }

    /// Starts again what is due for that by now.
    pub(crate) fn restart_all(&mut self) {
        let now = self.now;
        let due = |(_, place): &(&Arc<str>, &mut Place)| place.restart.is_some_and(|at| at <= now);
        for (name, place) in self.places.iter_mut().filter(due) {
            place.restart = None;
            self.commands.push_back(Command::Bounce(Arc::clone(name)));
        }
    }

    pub(crate) fn panicked(&mut self, machine: &str, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let message = text.unwrap_or("a panic without a message").to_owned();
        self.panicked.get_or_insert_with(|| (machine.to_owned(), message));
    }

    /// Adds a connection that a server has accepted. Returns its number.
    pub(crate) fn open(&mut self, client: SocketAddr, line: Line, port: u16) -> u64 {
        let n = self.next_line;
        self.next_line += 1;
        self.by_ends.insert((client, Arc::clone(&line.server), port), n);
        self.lines.insert(n, line);
        n
    }

    /// Returns the line that opened when the server accepted. Turmoil completes a connect only
    /// after that.
    pub(crate) fn opened(&mut self, client: SocketAddr, server: &str, port: u16) -> Option<u64> {
        self.by_ends.remove(&(client, server.into(), port))
    }

    /// Returns whether a path is cut; counts it for the oldest fault that cuts it, and for the
    /// requests of a line.
    pub(crate) fn is_cut(&mut self, from: &str, to: &str, line: Option<u64>) -> bool {
        let path = (Arc::from(from), Arc::from(to));
        let cut_by = self.cuts.get(&path).and_then(|faults| faults.first().copied());
        let requests = line.and_then(|line| self.lines.get(&line));
        let requests: Vec<u64> = requests
            .map(|line| line.exchanges.outstanding.iter().copied().collect())
            .unwrap_or_default();
        if let Some(fault) = cut_by {
            self.recorder.hit(fault, requests);
        }
        cut_by.is_some()
    }

    /// Returns the oldest fault that keeps a connection from coming about.
    pub(crate) fn in_the_way(&self, from: &Arc<str>, to: &Arc<str>) -> Option<u64> {
        let ways =
            [(from, to), (to, from)].map(|(one, other)| (Arc::clone(one), Arc::clone(other)));
        let mut cuts = ways.iter().filter_map(|way| self.cuts.get(way)?.first().copied());
        cuts.next().or_else(|| self.places.get(to)?.downed_by.oldest(|_| true))
    }

    /// Writes down the messages that these bytes, which are about to leave, complete.
    pub(crate) fn leave(&mut self, n: u64, side: Side, bytes: &[u8]) -> Vec<Fired> {
        let Some(line) = self.lines.get_mut(&n) else { return Vec::new() };
        let (from, to) = line.ends(side);
        let mut fired = Vec::new();
        for message in line.leave(side, bytes) {
            let route = Route { from: &from, to: &to };
            let message = (message, None, None);
            let exchanges = &mut line.exchanges;
            let mark = self.recorder.leaves(self.now, exchanges, route, message);
            line.marks[side as usize].extend(mark);
            fired.extend(mark.map(|mark| self.recorder.fire_left(mark)).unwrap_or_default());
        }
        fired
    }

    /// Writes down the messages that these bytes, which have arrived, complete.
    pub(crate) fn arrive(&mut self, n: u64, side: Side, bytes: &[u8]) -> Vec<Fired> {
        let Some(line) = self.lines.get_mut(&n) else { return Vec::new() };
        let (here, _) = line.ends(side);
        let mut fired = Vec::new();
        for _ in line.arrive(side, bytes) {
            let Some(mark) = line.next(side) else { continue };
            fired.extend(self.recorder.arrives(self.now, &mut line.exchanges, &here, mark));
        }
        fired
    }

    /// Notes that the answers to the requests of a line will not arrive.
    pub(crate) fn lose(&mut self, n: u64, why: Loss) {
        let Some(line) = self.lines.get_mut(&n) else { return };
        let client = Arc::clone(&line.client);
        self.recorder.lose(self.now, &mut line.exchanges, &client, why);
    }

    /// Notes that the server of a line lets go of it: what has arrived and was not answered never is.
    pub(crate) fn drop_unanswered(&mut self, n: u64, why: Loss) {
        let Some(line) = self.lines.get_mut(&n) else { return };
        let server = Arc::clone(&line.server);
        self.recorder.drop_unanswered(self.now, &mut line.exchanges, &server, why);
    }

    pub(crate) fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        let lines = self.lines.values();
        let outstanding = lines.flat_map(|line| line.exchanges.outstanding.iter().copied());
        self.recorder.journal().requests(outstanding)
    }
}
