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
    Answer, Event, Journal, Loss, Request, Supervisor,
    fault::{FaultReport, Holds, Moment},
    http::Message,
};
use runs::world::Watch;
use sim::{Node, WorldConfig};
use transport::Host;

use super::{
    faults::{Down, Ends},
    line::{Line, Side},
    seat::LateTasks,
    swizzle::Turning,
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
    /// When a program that fails is started again.
    pub(crate) supervisor: Supervisor,
    /// When that is.
    pub(crate) restart: Option<Duration>,
    /// The faults that hold it down. It boots when the last one ends.
    pub(crate) downed_by: Holds<Down>,
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

/// What then happens, given the number of the journal entry.
pub(crate) type Action = Box<dyn FnOnce(u64) + Send>;

/// Triggers that fire, and the entry that fired each.
pub(crate) type Fired = Vec<(Action, u64)>;

/// A fault, and what ends it.
pub(crate) struct FaultState {
    pub(crate) report: FaultReport,
    pub(crate) machine: Arc<str>,
    pub(crate) ends: Ends,
}

/// Everything behind the simulation's one lock.
pub(crate) struct State {
    pub(crate) config: WorldConfig,
    /// Simulated time, as of this step.
    pub(crate) now: Duration,
    pub(crate) journal: Journal,
    pub(crate) places: BTreeMap<Arc<str>, Place>,
    pub(crate) lines: BTreeMap<u64, Line>,
    next_line: u64,
    /// The newest line by the client's address and the server's name and port.
    by_ends: BTreeMap<(SocketAddr, Arc<str>, u16), u64>,
    /// The faults that cut each directed path.
    pub(crate) cuts: BTreeMap<(Arc<str>, Arc<str>), BTreeSet<u64>>,
    pub(crate) faults: Vec<FaultState>,
    /// Swizzles under way, by their faults.
    pub(crate) swizzles: BTreeMap<u64, Turning>,
    /// Triggers, and how many matches each has seen.
    pub(crate) watches: Vec<(Watch, u64)>,
    pub(crate) commands: VecDeque<Command>,
    /// Tasks that wait for a cut path to be mended.
    pub(crate) waiting: Vec<Waker>,
    pub(crate) panicked: Option<(String, String)>,
    /// The run has ended: nothing is written down any more.
    pub(crate) is_over: bool,
}

impl State {
    pub(super) fn new(config: WorldConfig) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            journal: Journal::default(),
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_line: 1,
            by_ends: BTreeMap::new(),
            cuts: BTreeMap::new(),
            faults: Vec::new(),
            swizzles: BTreeMap::new(),
            watches: Vec::new(),
            commands: VecDeque::new(),
            waiting: Vec::new(),
            panicked: None,
            is_over: false,
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
        if self.is_over { 0 } else { self.journal.push(self.now, machine, cause, event) }
    }

    /// The program of a machine has failed: what is left of it is taken away, and the machine starts
    /// again when its supervisor says so.
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

    /// Starts what is to be started again by now.
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

    /// A server has accepted a connection.
    pub(crate) fn open(&mut self, client: SocketAddr, line: Line, port: u16) -> u64 {
        let n = self.next_line;
        self.next_line += 1;
        self.by_ends.insert((client, Arc::clone(&line.server), port), n);
        self.lines.insert(n, line);
        n
    }

    /// The line that a server's acceptance has opened. Turmoil completes a connect after that.
    pub(crate) fn opened(&mut self, client: SocketAddr, server: &str, port: u16) -> Option<u64> {
        self.by_ends.remove(&(client, server.into(), port))
    }

    /// Whether a path is cut; counts it for the oldest that cuts it, and for the requests of a line.
    pub(crate) fn is_cut(&mut self, from: &str, to: &str, line: Option<u64>) -> bool {
        let path = (Arc::from(from), Arc::from(to));
        let cut_by = self.cuts.get(&path).and_then(|faults| faults.first().copied());
        let requests = line.and_then(|line| self.lines.get(&line));
        let requests: Vec<u64> =
            requests.map(|line| line.outstanding.iter().copied().collect()).unwrap_or_default();
        if let Some(fault) = cut_by {
            self.hit(fault, requests);
        }
        cut_by.is_some()
    }

    /// Counts one thing that a fault touched, and the requests that it concerned.
    pub(crate) fn hit(&mut self, fault: u64, requests: impl IntoIterator<Item = u64>) {
        let index = usize::try_from(fault - 1).expect("faults are counted from 1");
        let report = &mut self.faults[index].report;
        report.hits += 1;
        report.requests.extend(requests);
    }

    /// Bytes are about to leave: writes down the messages that they complete.
    pub(crate) fn leave(&mut self, n: u64, side: Side, bytes: &[u8]) -> Fired {
        let Some(line) = self.lines.get_mut(&n) else { return Vec::new() };
        let (from, to) = line.ends(side);
        let messages = line.leave(side, bytes);
        let mut fired = Vec::new();
        for message in messages {
            fired.extend(self.message_leaves(n, (&from, &to), message));
        }
        fired
    }

    fn message_leaves(
        &mut self,
        n: u64,
        (from, to): (&Arc<str>, &Arc<str>),
        message: Message,
    ) -> Fired {
        match message {
            Message::Request { method, target, body, .. } => {
                let to = Arc::clone(to);
                let request = Request { to, method, target, body, replays: None };
                let entry = self.write(Arc::clone(from), None, Event::RequestSent(request));
                if let Some(line) = self.lines.get_mut(&n) {
                    line.travelling.push_back(entry);
                    line.unanswered.push_back(entry);
                    line.outstanding.push_back(entry);
                }
                self.fire(Moment::Sent, entry, entry)
            }
            Message::Answer { status, body } => {
                let line = self.lines.get_mut(&n);
                let Some(request) = line.and_then(|line| line.unanswered.pop_front()) else {
                    return Vec::new();
                };
                let answer = Answer { request, to: Arc::clone(to), status, body };
                let entry = self.write(Arc::clone(from), None, Event::AnswerSent(answer));
                if let Some(line) = self.lines.get_mut(&n) {
                    line.answers.push_back((request, entry));
                }
                self.fire(Moment::Answered, request, entry)
            }
        }
    }

    /// Bytes have arrived: writes down the messages that they complete.
    pub(crate) fn arrive(&mut self, n: u64, side: Side, bytes: &[u8]) -> Fired {
        let Some(line) = self.lines.get_mut(&n) else { return Vec::new() };
        let (here, _) = line.ends(side);
        let mut fired = Vec::new();
        for message in line.arrive(side, bytes) {
            let Some(line) = self.lines.get_mut(&n) else { continue };
            if let Message::Request { .. } = message {
                let Some(request) = line.travelling.pop_front() else { continue };
                let event = Event::RequestArrived { request };
                let entry = self.write(Arc::clone(&here), Some(request), event);
                fired.extend(self.fire(Moment::Arrived, request, entry));
            } else {
                let Some((request, answer)) = line.answers.pop_front() else { continue };
                line.outstanding.retain(|other| *other != request);
                let event = Event::AnswerArrived { request, answer };
                self.write(Arc::clone(&here), Some(answer), event);
            }
        }
        fired
    }

    /// The answers to the requests of a line will not arrive.
    pub(crate) fn lose(&mut self, n: u64, why: Loss) {
        let Some(line) = self.lines.get_mut(&n) else { return };
        let client = Arc::clone(&line.client);
        for request in std::mem::take(&mut line.outstanding) {
            self.write(Arc::clone(&client), Some(request), Event::RequestLost { request, why });
        }
    }

    /// Finds the triggers that fire when a request reaches `moment`.
    fn fire(&mut self, moment: Moment, request: u64, entry: u64) -> Fired {
        let Some(sent) = self.journal.get(request) else { return Vec::new() };
        let Event::RequestSent(what) = &sent.event else { return Vec::new() };
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|w| w == name);
        let mut kept = Vec::new();
        let mut fired = Vec::new();
        for (watch, seen) in std::mem::take(&mut self.watches) {
            let is_meant = watch.moment == moment
                && is(&watch.from, &sent.machine)
                && is(&watch.to, &what.to)
                && (watch.matches)(&what.method, &what.target);
            let seen = seen + u64::from(is_meant);
            if is_meant && seen == watch.nth {
                fired.push((watch.action, entry));
            } else {
                kept.push((watch, seen));
            }
        }
        self.watches = kept;
        fired
    }

    pub(crate) fn requests_in_flight(&self) -> Vec<(String, String, String)> {
        let lines = self.lines.values();
        self.journal.requests(lines.flat_map(|line| line.outstanding.iter().copied()))
    }
}
