//! The state of a world: machines, links, connections, what is due, what was written down.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use journal::{Event, Journal, Loss};
use tokio::time::Instant;

use super::{WorldConfig, cost::Cost};
use crate::{
    Ended, Misbehavior,
    fault::{Action, DiskTrigger, FaultId, FaultReport, Moment, Operation, Trigger},
    machine::Machine,
    network::{
        Armed,
        connection::{Connection, Side, Waiting},
        connections::Connections,
        driver::Arrival,
        keeping::Keeping,
        link::Links,
        swizzle::Turning,
    },
};

/// Something that a program gave to the network, for the driver to take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Emission {
    /// A connection is asked for.
    Syn(u64),
    /// This side has written.
    Segment(u64, Side),
}

/// A trigger that fires: what to do, and the entry that fired it.
pub(crate) struct Fired {
    pub(crate) action: Action,
    pub(crate) entry: u64,
}

/// A fault and how to end it.
pub(crate) struct FaultState {
    pub(crate) report: FaultReport,
    pub(crate) kind: FaultKind,
    /// The machine in whose name it stands in the journal.
    pub(crate) machine: Arc<str>,
}

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Links go back to what they were.
    Links,
    /// The machine boots.
    Down(usize),
    /// The machine goes on.
    Paused(usize),
    /// The machine's disk works again.
    Disk(usize),
    /// Whoever works it asks whether it has ended.
    Worked,
    /// The machine's wall clock is right again, unless it was set.
    Clock(usize),
    /// The machine boots, and is left in peace.
    Storm(usize),
}

/// A machine that went down within one of its own polls, so that the driver has to end its tasks.
#[derive(Debug)]
pub(crate) struct Dying {
    pub(crate) machine: usize,
    pub(crate) death: Death,
}

/// Why it went down.
#[derive(Debug)]
pub(crate) enum Death {
    /// A fault struck, and this is how.
    Fault(FaultId, Way),
    /// These faults let its disk take it down.
    Disk(Vec<u64>),
    /// Its program has failed.
    Exit,
}

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    PowerLoss,
    Kill,
}

struct DiskWatch {
    trigger: DiskTrigger,
    machine: usize,
    seen: u64,
}

struct Watch {
    trigger: Trigger,
    seen: u64,
}

/// Everything behind the world's one lock.
pub(crate) struct State {
    pub(crate) config: WorldConfig,
    start: Instant,
    pub(crate) machines: Vec<Machine>,
    pub(crate) by_name: BTreeMap<Arc<str>, usize>,
    pub(crate) links: Links,
    pub(crate) keeping: Keeping,
    /// What faults do to what passes.
    pub(crate) armed: Armed,
    /// By the number of their faults.
    pub(crate) swizzles: BTreeMap<u64, Turning>,
    /// The request that ends in the segment that is about to leave, and all its bytes.
    pub(crate) leaving: Option<(u64, Bytes)>,
    pub(crate) connections: Connections,
    pub(crate) next_task: u64,
    outbox: VecDeque<Emission>,
    due: BinaryHeap<Reverse<(Duration, u64, Arrival)>>,
    next_arrival: u64,
    pub(crate) journal: Journal,
    /// What the journal costs.
    pub(crate) cost: Cost,
    pub(crate) faults: Vec<FaultState>,
    watches: Vec<Watch>,
    disk_watches: Vec<DiskWatch>,
    /// Machines that went down in the middle of an operation of their own.
    pub(crate) dying: VecDeque<Dying>,
    /// What a program did that ends the run.
    pub(crate) broken: Option<Ended>,
    /// The run has ended: nothing is written down any more.
    pub(crate) over: bool,
    pub(crate) finished: bool,
    pub(crate) driver: Option<Waker>,
}

impl State {
    pub(crate) fn new(config: WorldConfig) -> Self {
        Self {
            start: Instant::now(),
            machines: Vec::new(),
            by_name: BTreeMap::new(),
            links: Links::new(config.seed, config.link),
            keeping: Keeping::default(),
            armed: Armed::default(),
            swizzles: BTreeMap::new(),
            leaving: None,
            connections: Connections::default(),
            next_task: 1,
            outbox: VecDeque::new(),
            due: BinaryHeap::new(),
            next_arrival: 0,
            journal: Journal::default(),
            cost: Cost::new(config.time_journal),
            faults: Vec::new(),
            watches: Vec::new(),
            disk_watches: Vec::new(),
            dying: VecDeque::new(),
            broken: None,
            over: false,
            finished: false,
            driver: None,
            config,
        }
    }

    /// When the world began, on tokio's clock.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Simulated time since the world began.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Index of the machine called `name`.
    pub(crate) fn machine(&self, name: &str) -> usize {
        match self.by_name.get(name) {
            Some(index) => *index,
            None => panic!("no machine is called `{name}`"),
        }
    }

    /// Wakes the driver.
    pub(crate) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(crate) fn emit(&mut self, emission: Emission) {
        self.outbox.push_back(emission);
        self.wake_driver();
    }

    pub(crate) fn next_emission(&mut self) -> Option<Emission> {
        self.outbox.pop_front()
    }

    pub(crate) fn schedule(&mut self, at: Duration, arrival: Arrival) {
        self.next_arrival += 1;
        self.due.push(Reverse((at, self.next_arrival, arrival)));
        self.wake_driver();
    }

    /// What is due by now, earliest first.
    pub(crate) fn next_arrival(&mut self) -> Option<Arrival> {
        let now = self.now();
        let Reverse((at, ..)) = self.due.peek()?;
        if *at > now {
            return None;
        }
        self.due.pop().map(|Reverse((.., arrival))| arrival)
    }

    /// When the next thing is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, ..))| self.start + *at)
    }

    pub(crate) fn limit(&self) -> Instant {
        self.start + self.config.limit
    }

    pub(crate) fn add_connection(&mut self, connection: Connection) -> u64 {
        let id = self.connections.add(connection);
        self.emit(Emission::Syn(id));
        id
    }

    /// Puts a connection back, unless nobody can notice it any more.
    pub(crate) fn keep(&mut self, id: u64, mut connection: Box<Connection>) {
        if connection.replay.is_some() && connection.end(Side::Client).error.is_some() {
            connection.end_mut(Side::Client).held = false;
        }
        if connection.is_over() {
            self.leave_backlog(&mut connection);
            self.lose_outstanding(&mut connection, Loss::Closed);
            self.connections.forget(id, &connection);
        } else {
            self.connections.put_back(id, connection);
        }
    }

    /// The connection no longer counts in its listener's backlog.
    pub(crate) fn leave_backlog(&mut self, connection: &mut Connection) {
        let (Waiting::HalfOpen(number) | Waiting::Ready(number)) = connection.waiting else {
            return;
        };
        connection.waiting = Waiting::No;
        let machine = connection.end(Side::Server).machine;
        let backlog = self.machines[machine].listeners.get_mut(&connection.port);
        if let Some(backlog) = backlog.filter(|it| it.number == number) {
            backlog.waiting -= 1;
        }
    }

    /// Writes an entry about machine number `machine`; returns its number.
    pub(crate) fn write(&mut self, machine: usize, cause: Option<u64>, event: Event) -> u64 {
        let name = self.machines[machine].name.clone();
        self.write_as(name, cause, event)
    }

    pub(crate) fn write_as(&mut self, name: Arc<str>, cause: Option<u64>, event: Event) -> u64 {
        if self.over {
            return 0;
        }
        self.in_journal(|state| {
            let now = state.now();
            state.journal.push(now, name, cause, event)
        })
    }

    /// The answers to these requests will not arrive.
    pub(crate) fn lose_outstanding(&mut self, connection: &mut Connection, why: Loss) {
        let machine = connection.end(Side::Client).machine;
        for request in std::mem::take(&mut connection.outstanding) {
            self.write(machine, Some(request), Event::RequestLost { request, why });
        }
    }

    /// A machine's program did what ends the run; the first to do so counts.
    pub(crate) fn breaks(&mut self, ended: Ended) {
        self.broken.get_or_insert(ended);
        self.wake_driver();
    }

    /// The program of machine number `machine` breaks the rules.
    pub(crate) fn misbehaves(&mut self, machine: usize, how: Misbehavior) {
        let machine = self.machines[machine].name.to_string();
        self.breaks(Ended::Misbehaved { machine, how });
    }

    /// Counts one thing that `fault` touched, and the requests that it concerned.
    pub(crate) fn hit(&mut self, fault: u64, requests: impl IntoIterator<Item = u64>) {
        let index = usize::try_from(fault - 1).expect("faults are counted from 1");
        let report = &mut self.faults[index].report;
        report.hits += 1;
        report.requests.extend(requests);
    }

    /// Counts that a fault held a machine in its state, unless it was seen doing so.
    pub(crate) fn hit_if_inert(&mut self, fault: FaultId) {
        let index = usize::try_from(fault.number() - 1).expect("faults are counted from 1");
        if self.faults[index].report.hits == 0 {
            self.hit(fault.number(), []);
        }
    }

    /// Whether fault number `fault` has begun and not ended; the world knows none numbered 0.
    pub(crate) fn is_in_force(&self, fault: u64) -> bool {
        let index = fault.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let fault = index.and_then(|index| self.faults.get(index));
        fault.is_some_and(|fault| fault.report.until.is_none())
    }

    /// Takes every trigger away, with what it holds.
    pub(crate) fn take_triggers(&mut self) -> Vec<Trigger> {
        self.watches.drain(..).map(|watch| watch.trigger).collect()
    }

    pub(crate) fn watch(&mut self, trigger: Trigger) {
        self.watches.push(Watch { trigger, seen: 0 });
    }

    /// The request that entry `cause` is about, if it is about one.
    pub(crate) fn request_behind(&self, cause: Option<u64>) -> Option<u64> {
        let entry = self.journal.get(cause?)?;
        match &entry.event {
            Event::RequestSent(_) => Some(entry.n),
            Event::RequestArrived { request } | Event::AnswerArrived { request, .. } => {
                Some(*request)
            }
            Event::AnswerSent(answer) => Some(answer.request),
            _ => None,
        }
    }

    pub(crate) fn watch_disk(&mut self, trigger: DiskTrigger) {
        let machine = self.machine(&trigger.machine);
        self.disk_watches.push(DiskWatch { trigger, machine, seen: 0 });
    }

    /// Whether a trigger waits for writes of machine `index`.
    pub(crate) fn awaits_writes(&self, index: usize) -> bool {
        let mut watches = self.disk_watches.iter();
        watches.any(|it| it.machine == index && it.trigger.operation == Operation::Written)
    }

    /// Counts an operation of machine `index`; the actions that it fires.
    pub(crate) fn fire_disk(&mut self, index: usize, operation: Operation) -> Vec<Action> {
        for watch in &mut self.disk_watches {
            if watch.machine == index && watch.trigger.operation == operation {
                watch.seen += 1;
            }
        }
        let due = |watch: &mut DiskWatch| watch.seen >= watch.trigger.nth;
        self.disk_watches.extract_if(.., due).map(|watch| watch.trigger.action).collect()
    }

    /// Finds the triggers that fire when request number `request` reaches `moment`.
    pub(crate) fn fire(&mut self, moment: Moment, request: u64, entry: u64) -> Vec<Fired> {
        if self.watches.is_empty() {
            return Vec::new();
        }
        let Some(sent) = self.journal.get(request) else { return Vec::new() };
        let Event::RequestSent(what) = &sent.event else { return Vec::new() };
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|w| w == name);
        let mut due = Vec::new();
        for (index, watch) in self.watches.iter_mut().enumerate() {
            let trigger = &watch.trigger;
            let meant = trigger.moment == moment
                && is(&trigger.from, &sent.machine)
                && is(&trigger.to, &what.to)
                && (trigger.matches)(&what.method, &what.target);
            if meant {
                watch.seen += 1;
                if watch.seen == trigger.nth {
                    due.push(index);
                }
            }
        }
        let fired = due.iter().rev().map(|index| self.watches.remove(*index).trigger.action);
        let mut fired: Vec<_> = fired.map(|action| Fired { action, entry }).collect();
        fired.reverse();
        fired
    }
}
