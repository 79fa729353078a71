//! Keeping: what arrives over a held link, or for or from a machine that hangs, is kept, and goes
//! on, in order, when the fault ends. No kernel notices: nothing is retransmitted, and nothing
//! times out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    connection::{Connection, Side},
    driver::Arrival,
    link::Path,
};
use crate::world::WorldState;

/// Which links and machines keep what arrives, and what they have kept.
#[derive(Default)]
pub(crate) struct Keeping {
    held: BTreeMap<Path, BTreeSet<u64>>,
    hung: BTreeMap<usize, BTreeSet<u64>>,
    /// In the order in which it arrived: at most one segment of each pipe, with those behind it in
    /// the pipe, and one handshake of each connection.
    kept: Vec<(Path, Arrival)>,
}

impl Keeping {
    /// Keeps everything that arrives over `path`.
    pub(crate) fn hold(&mut self, path: Path, fault: u64) {
        self.held.entry(path).or_default().insert(fault);
    }

    /// Keeps what arrives for the program of `machine`, or from it.
    pub(crate) fn hang(&mut self, machine: usize, fault: u64) {
        self.hung.entry(machine).or_default().insert(fault);
    }

    fn forget(&mut self, fault: u64) {
        for faults in self.held.values_mut().chain(self.hung.values_mut()) {
            faults.remove(&fault);
        }
        self.held.retain(|_, faults| !faults.is_empty());
        self.hung.retain(|_, faults| !faults.is_empty());
    }
}

impl WorldState {
    /// Returns the oldest fault that keeps what arrives over `path`. Handshakes are the business of
    /// the kernel, which does not hang; nor does a machine on which nothing runs.
    fn keeper(&self, path: Path, is_segment: bool) -> Option<u64> {
        let Keeping { held, hung, .. } = &self.keeping;
        if held.is_empty() && hung.is_empty() {
            return None;
        }
        let oldest = |faults: Option<&BTreeSet<u64>>| faults.and_then(|it| it.first().copied());
        oldest(held.get(&path)).or_else(|| {
            let ends = [path.0, path.1].into_iter().filter(|_| is_segment);
            let mut alive = ends.filter(|machine| self.machines[*machine].running);
            alive.find_map(|machine| oldest(hung.get(&machine)))
        })
    }

    /// Returns whether `arrival` is kept instead of arriving now.
    pub(crate) fn keeps(&mut self, arrival: Arrival, connection: &mut Connection) -> bool {
        let Some(path) = path(arrival, connection) else { return false };
        // What is lost on the way does not arrive to be kept.
        if self.links.cut_by(path).is_some() {
            return false;
        }
        let Some(fault) = self.keeper(path, is_segment(arrival)) else { return false };
        self.keeping.kept.push((path, arrival));
        connection.blocked = Some(fault);
        self.hit(fault, connection.exchanges.outstanding.iter().copied());
        true
    }

    /// Counts a segment that is being sent, if it would be kept on its arrival as things stand.
    pub(crate) fn count_kept(&mut self, path: Path, connection: &Connection) {
        if let Some(fault) = self.keeper(path, true) {
            self.hit(fault, connection.exchanges.outstanding.iter().copied());
        }
    }

    /// Lets go, in order, of what only `fault` kept.
    pub(crate) fn release(&mut self, fault: u64) {
        self.keeping.forget(fault);
        self.let_go();
    }

    /// Lets go, in order, of what nothing keeps any more.
    pub(crate) fn let_go(&mut self) {
        let now = self.now();
        for (path, arrival) in std::mem::take(&mut self.keeping.kept) {
            if self.keeper(path, is_segment(arrival)).is_some() {
                self.keeping.kept.push((path, arrival));
            } else {
                self.schedule(now, arrival);
            }
        }
    }
}

fn is_segment(arrival: Arrival) -> bool {
    matches!(arrival, Arrival::Segment(..))
}

/// Returns the link over which something arrives.
fn path(arrival: Arrival, connection: &Connection) -> Option<Path> {
    match arrival {
        Arrival::Syn(_) => Some(connection.path(Side::Client)),
        Arrival::SynAck(_) | Arrival::Refusal(_) => Some(connection.path(Side::Server)),
        Arrival::Segment(_, side, emptied) if connection.pipe(side).emptied != emptied => None,
        Arrival::Segment(_, side, _) => Some(connection.path(side)),
        Arrival::Replay(_) | Arrival::ReplayOver(_) | Arrival::Turn(_) => None,
    }
}
