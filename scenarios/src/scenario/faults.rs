//! What breaks, and when. There is a file for each family of faults.

mod disk;
mod node;
mod peer;

use std::{fmt, time::Duration};

pub use journal::fault::{Moment, Operation, Shape, network::*};

pub(crate) use self::node::{MOST_RESTARTS, RATES};
pub use self::{
    disk::DiskFault,
    node::{AfterCrash, NodeFault, Taken},
    peer::{Misdeed, PeerFault},
};

/// One injected fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What other faults call it, if one of them begins after it.
    pub id: Option<String>,
    /// The fault, by its id, from whose beginning the beginning of this one is counted: the time, or
    /// the requests and operations. If unset, from the moment the cluster is ready.
    pub after: Option<String>,
    /// When it begins.
    pub when: When,
    /// How long it lasts; if unset, until everything is repaired.
    pub lasts: Option<Duration>,
    /// What it is.
    pub kind: FaultKind,
}

impl Fault {
    /// Returns a fault that begins independently of others.
    pub fn new(when: When, lasts: Option<Duration>, kind: FaultKind) -> Self {
        Self { id: None, after: None, when, lasts, kind }
    }

    /// Returns how long it lasts: what it says itself, or else the time that its kind takes. If
    /// unset, it lasts until everything is repaired.
    pub fn lasts(&self) -> Option<Duration> {
        let by_itself = || match &self.kind {
            FaultKind::Network(NetworkFault::Shape(shape)) => shape.lasts(),
            FaultKind::Node(fault) => fault.lasts(),
            _ => None,
        };
        self.lasts.or_else(by_itself)
    }
}

/// When a fault begins.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At a time, counted from the moment the cluster is ready, or [`Fault::after`] begins.
    At(Duration),
    /// At the n-th request of a kind, or of several kinds counted together.
    Exchange {
        /// At which moment of the exchange.
        moment: Moment,
        /// The names of endpoints, as [`crate::vocabulary::ENDPOINTS`] lists them. A request to any
        /// of them counts. There can be several, so that one trigger fits several designs.
        endpoints: Vec<String>,
        /// The machine that sends the request; any if unset.
        from: Option<String>,
        /// The machine that answers it; any if unset.
        to: Option<String>,
        /// Which one, from 1, counted from the moment the cluster is ready, or [`Fault::after`] begins.
        nth: u64,
    },
    /// At the n-th operation of a machine's disk: right after it takes effect, and before the
    /// machine or anything else goes on.
    Disk {
        /// Which operations count.
        operation: Operation,
        /// The machine.
        node: String,
        /// Which one, from 1, counted from the moment the cluster is ready, or [`Fault::after`] begins.
        nth: u64,
    },
}

/// What breaks. Machines are backends, relays and devices (`alice/1`). It is displayed as reports
/// show it, such as `partition a | b`.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// The links between machines.
    Network(NetworkFault),
    /// A machine and its process.
    Node(NodeFault),
    /// A machine's disk.
    Disk(DiskFault),
    /// The messages of an honest machine, so that it seems dishonest to all others.
    Peer(PeerFault),
}

impl From<NetworkFault> for FaultKind {
    fn from(fault: NetworkFault) -> Self {
        Self::Network(fault)
    }
}

impl From<NodeFault> for FaultKind {
    fn from(fault: NodeFault) -> Self {
        Self::Node(fault)
    }
}

impl From<DiskFault> for FaultKind {
    fn from(fault: DiskFault) -> Self {
        Self::Disk(fault)
    }
}

impl From<PeerFault> for FaultKind {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl FaultKind {
    /// Returns its key in a scenario file.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Network(fault) => fault.key(),
            Self::Node(fault) => fault.key(),
            Self::Disk(fault) => fault.key(),
            Self::Peer(fault) => fault.key(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(fault) => fault.fmt(f),
            Self::Node(fault) => fault.fmt(f),
            Self::Disk(fault) => fault.fmt(f),
            Self::Peer(fault) => fault.fmt(f),
        }
    }
}
