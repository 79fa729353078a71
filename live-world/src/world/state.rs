//! What is behind the lock of a world.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use journal::{
    fault::{After, Change, Part, ProxyAnswer, Refusal},
    random,
    recorder::Recorder,
};
use rand_chacha::ChaCha12Rng;
use tokio::{sync::mpsc, time::Instant};
use transport::host::Stream;

use super::{
    links::{Obstruction, Path},
    logs::Logs,
    machine::Place,
};
use crate::gateway::Line;

/// Who takes the connections to a port of a client's machine.
pub(super) type Listener = mpsc::UnboundedSender<(Stream, String)>;

/// Everything behind the lock.
pub(crate) struct State {
    pub(super) recorder: Recorder,
    pub(super) places: BTreeMap<Arc<str>, Place>,
    pub(super) lines: BTreeMap<u64, Line>,
    pub(super) next_line: u64,
    pub(super) listeners: BTreeMap<(Arc<str>, u16), Listener>,
    /// What is in the way of each directed path, by fault.
    pub(super) obstructions: BTreeMap<Path, BTreeMap<u64, Obstruction>>,
    /// Machines that hang, and by which faults.
    pub(super) hangs: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// Changes of links, the newest last.
    pub(super) changes: Vec<(u64, BTreeSet<Path>, Change)>,
    pub(super) resets: Vec<ArmedReset>,
    pub(super) duplications: Vec<ArmedDuplication>,
    /// Requests that may change something and are to come again, or wait for the answer to that.
    pub(super) replays: usize,
    pub(super) proxies: Vec<(u64, ProxyAnswer)>,
    pub(super) refusals: Vec<(u64, Refusal)>,
    /// Until when each link with a bandwidth is busy.
    pub(super) busy: BTreeMap<Path, Instant>,
    /// What losses, delays and shares are drawn from.
    pub(super) random: ChaCha12Rng,
    /// Whether everybody has joined.
    pub(super) is_ready: bool,
    /// Why the run has to end early.
    pub(super) given_up: Option<String>,
    /// Whether the run is over.
    pub(super) is_closed: bool,
    /// How many backups there are.
    pub(super) backups: u64,
    /// What programs have printed.
    pub(super) logs: Logs,
}

/// A reset that waits for its message.
pub(super) struct ArmedReset {
    pub(super) fault: u64,
    pub(super) paths: BTreeSet<Path>,
    pub(super) part: Part,
    pub(super) after: After,
}

/// Requests that come again.
pub(super) struct ArmedDuplication {
    pub(super) fault: u64,
    pub(super) paths: BTreeSet<Path>,
    pub(super) probability: Option<f64>,
    pub(super) after: std::time::Duration,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            recorder: Recorder::default(),
            places: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_line: 1,
            listeners: BTreeMap::new(),
            obstructions: BTreeMap::new(),
            hangs: BTreeMap::new(),
            changes: Vec::new(),
            resets: Vec::new(),
            duplications: Vec::new(),
            replays: 0,
            proxies: Vec::new(),
            refusals: Vec::new(),
            busy: BTreeMap::new(),
            random: random::stream(seed, "links"),
            is_ready: false,
            given_up: None,
            is_closed: false,
            backups: 0,
            logs: Logs::default(),
        }
    }

    /// # Panics
    /// There is no such machine.
    pub(super) fn place_mut(&mut self, name: &str) -> &mut Place {
        match self.places.get_mut(name) {
            Some(place) => place,
            None => panic!("no machine is called `{name}`"),
        }
    }

    /// Returns the place of a machine; none once the run is over.
    pub(super) fn place(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }
}
