//! The state of a world: machines, links, connections, what is due, what was written down.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use journal::{Event, Loss, recorder::Recorder};
use tokio::time::Instant;

use super::{WorldConfig, cost::Cost};
use crate::{
    Ended, Misbehavior,
    fault::FaultId,
    machine::Machine,
    network::{
        Armed,
        connection::{Connection, Side, Waiting},
        connections::Connections,
        driver::Arrival,
        keeping::Keeping,
        link::Links,
        swizzle::RunningSwizzle,
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

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Links go back to what they were.
    Links,
    /// The machine boots.
    Down(usize),
    /// The machine goes on.
    Paused(usize),
    /// The machine's disk works again.
    Disk(usize),
    /// Whoever carries it out asks whether it has ended.
    External,
    /// The machine's wall clock is right again, unless it was set.
    Clock(usize),
    /// The machine boots, and stays up.
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
    /// These faults made its disk take it down.
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

/// Everything behind the world's one lock.
pub(crate) struct WorldState {
    pub(crate) config: WorldConfig,
    start: Instant,
    pub(crate) machines: Vec<Machine>,
    pub(crate) by_name: BTreeMap<Arc<str>, usize>,
    pub(crate) links: Links,
    pub(crate) keeping: Keeping,
    /// What faults do to what passes.
    pub(crate) armed: Armed,
    /// By the number of their faults.
    pub(crate) swizzles: BTreeMap<u64, RunningSwizzle>,
    /// The request that ends in the segment that is about to leave, and all its bytes.
    pub(crate) leaving: Option<(u64, Bytes)>,
    pub(crate) connections: Connections,
    pub(crate) next_task: u64,
    outbox: VecDeque<Emission>,
    due: BinaryHeap<Reverse<(Duration, u64, Arrival)>>,
    next_arrival: u64,
    pub(crate) recorder: Recorder,
    /// What the journal costs.
    pub(crate) cost: Cost,
    /// What ends each fault, by its number from 1.
    pub(crate) remedies: Vec<Remedy>,
    /// Machines that went down in the middle of an operation of their own.
    pub(crate) dying: VecDeque<Dying>,
    /// What a program did that ends the run.
    pub(crate) broken: Option<Ended>,
    pub(crate) finished: bool,
    pub(crate) driver: Option<Waker>,
}

impl WorldState {
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
            recorder: Recorder::default(),
            cost: Cost::new(config.time_journal),
            remedies: Vec::new(),
            dying: VecDeque::new(),
            broken: None,
            finished: false,
            driver: None,
            config,
        }
    }

    /// Returns when the world began, on tokio's clock.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Returns the simulated time since the world began.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the index of the machine called `name`.
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

    /// Takes the earliest thing that is due by now.
    pub(crate) fn next_arrival(&mut self) -> Option<Arrival> {
        let now = self.now();
        let Reverse((at, ..)) = self.due.peek()?;
        if *at > now {
            return None;
        }
        self.due.pop().map(|Reverse((.., arrival))| arrival)
    }

    /// Returns when the next thing is due.
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

    /// Takes the connection out of the count of its listener's backlog.
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
        self.in_journal(|state| {
            let now = state.now();
            state.recorder.write(now, name, cause, event)
        })
    }

    /// Notes that the answers to the requests on this connection will not arrive.
    pub(crate) fn lose_outstanding(&mut self, connection: &mut Connection, why: Loss) {
        let client = self.machines[connection.end(Side::Client).machine].name.clone();
        let now = self.now();
        self.in_journal(|state| state.recorder.lose(now, &mut connection.exchanges, &client, why));
    }

    /// Ends the run because of what a machine's program did; the first to do so counts.
    pub(crate) fn breaks(&mut self, ended: Ended) {
        self.broken.get_or_insert(ended);
        self.wake_driver();
    }

    /// Ends the run because the program of machine number `machine` breaks the rules.
    pub(crate) fn misbehaves(&mut self, machine: usize, how: Misbehavior) {
        let machine = self.machines[machine].name.to_string();
        self.breaks(Ended::Misbehaved { machine, how });
    }

    /// Counts one thing that `fault` touched, and the requests that it concerned.
    pub(crate) fn hit(&mut self, fault: u64, requests: impl IntoIterator<Item = u64>) {
        self.recorder.hit(fault, requests);
    }
}
