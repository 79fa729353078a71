//! A machine: its kernel's sockets and its process's tasks, boot after boot.

pub(crate) mod current;
mod task;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
};

use journal::{Supervisor, fault::Holds};

pub(crate) use self::task::{Shell, Slot};
use crate::{
    disk::Disk,
    scheduler::Scheduler,
    world::{Clock, Node, Way},
};

/// One machine.
#[expect(
    clippy::struct_excessive_bools,
    reason = "power, process, doom and being wanted each change independently"
)]
pub(crate) struct Machine {
    /// Its name, which is also its host name.
    pub(crate) name: Arc<str>,
    /// What it runs; a client's seat runs nothing of its own.
    pub(crate) node: Option<Arc<dyn Node>>,
    /// Its disk, which outlives every incarnation.
    pub(crate) disk: Arc<Disk>,
    /// Its wall clock.
    pub(crate) clock: Arc<Clock>,
    /// Whether its kernel runs: off after a crash, on from the next boot.
    pub(crate) powered: bool,
    /// Whether its process runs.
    pub(crate) running: bool,
    /// Whether it went down in the middle of an operation of its own: not polled any more, until
    /// the driver ends its tasks.
    pub(crate) doomed: bool,
    /// Whether somebody has asked for it to run: it then runs whenever no fault holds it down.
    pub(crate) is_wanted: bool,
    /// Says when a program that has failed is started again.
    pub(crate) supervisor: Supervisor,
    /// The faults that keep its tasks from being polled.
    pub(crate) paused_by: Holds<()>,
    /// The faults that hold it down, and how. It boots when the last one ends.
    pub(crate) downed_by: Holds<Way>,
    /// Power losses in the middle of an operation of its disk, to be reported as ended when it has
    /// power again.
    pub(crate) deaths: Vec<u64>,
    /// Which boot this is, from 1; 0 before the first.
    pub(crate) incarnation: u64,
    /// Tasks of the running process, in the order in which they were spawned.
    pub(crate) tasks: BTreeMap<u64, Task>,
    /// Tasks that wanted to run while the machine was paused.
    pub(crate) waiting: Vec<Waker>,
    /// Bound ports.
    pub(crate) listeners: BTreeMap<u16, Backlog>,
    /// The next port that is given to a listener on port 0.
    pub(crate) next_port: u16,
    /// The number of the next listener.
    next_listener: u64,
}

/// A task as its machine knows it.
pub(crate) struct Task {
    pub(crate) slot: Arc<Slot>,
    pub(crate) carrier: Carrier,
}

/// What polls a task.
#[derive(Clone)]
pub(crate) enum Carrier {
    /// tokio does, in the fixed order.
    Runtime(tokio::task::AbortHandle),
    /// The scheduler does; the task has this number there.
    Scheduler(Arc<Scheduler>, u64),
}

impl Carrier {
    /// Ends the task's shell, once the slot is empty.
    pub(crate) fn abort(&self) {
        match self {
            Self::Runtime(handle) => handle.abort(),
            Self::Scheduler(scheduler, id) => scheduler.remove(*id),
        }
    }
}

/// Connections that a bound port has not accepted yet.
pub(crate) struct Backlog {
    /// Which of the machine's listeners this is: the next one on the same port is another.
    pub(crate) number: u64,
    /// Established ones, oldest first.
    pub(crate) ready: VecDeque<u64>,
    /// Half-open and ready ones together; at most [`MAX_BACKLOG`].
    pub(crate) waiting: usize,
    pub(crate) waker: Option<Waker>,
}

/// Connections that may wait at one listener, as Linux's `somaxconn` has it.
pub(crate) const MAX_BACKLOG: usize = 4096;

/// The first of the ports given to listeners on port 0 (RFC 6335, dynamic ports).
pub(crate) const FIRST_DYNAMIC_PORT: u16 = 49_152;

impl Machine {
    pub(crate) fn new(
        name: &str,
        node: Option<Arc<dyn Node>>,
        disk: Arc<Disk>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            name: name.into(),
            node,
            disk,
            clock,
            powered: false,
            running: false,
            doomed: false,
            is_wanted: false,
            supervisor: Supervisor::default(),
            paused_by: Holds::default(),
            downed_by: Holds::default(),
            deaths: Vec::new(),
            incarnation: 0,
            tasks: BTreeMap::new(),
            waiting: Vec::new(),
            listeners: BTreeMap::new(),
            next_port: FIRST_DYNAMIC_PORT,
            next_listener: 1,
        }
    }

    /// Returns a port that nothing is bound to.
    fn free_port(&mut self) -> std::io::Result<u16> {
        for _ in FIRST_DYNAMIC_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_DYNAMIC_PORT);
            if !self.listeners.contains_key(&port) {
                return Ok(port);
            }
        }
        Err(std::io::ErrorKind::AddrInUse.into())
    }

    /// Binds `port`, or a free one if that is 0, for a new listener; returns the port and the
    /// listener's number.
    pub(crate) fn bind(&mut self, port: u16) -> std::io::Result<(u16, u64)> {
        let port = if port == 0 { self.free_port()? } else { port };
        if self.listeners.contains_key(&port) {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        let number = self.next_listener;
        self.next_listener += 1;
        let backlog = Backlog { number, ready: VecDeque::new(), waiting: 0, waker: None };
        self.listeners.insert(port, backlog);
        Ok((port, number))
    }

    /// Returns the oldest fault that keeps its power off.
    pub(crate) fn unpowered_by(&self) -> Option<u64> {
        self.downed_by.oldest(|way| *way == Way::PowerLoss)
    }

    /// Returns whether the kernel knows sockets of the process of `incarnation`: until a power loss
    /// or the next boot, even while the process dies.
    pub(crate) fn keeps_sockets(&self, incarnation: u64) -> bool {
        self.powered && self.incarnation == incarnation
    }

    /// Returns whether the process of `incarnation` is this machine's running one.
    pub(crate) fn runs(&self, incarnation: u64) -> bool {
        self.powered && self.running && self.incarnation == incarnation
    }
}
