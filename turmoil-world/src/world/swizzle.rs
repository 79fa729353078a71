//! Swizzles: which links are cut when. The driver takes the steps, between two of the simulation's.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sim::fault::{FaultId, Swizzle, SwizzleSteps};

use super::{
    Shared, State,
    faults::{Ends, NETWORK, Path, hold},
};

/// A swizzle under way.
pub(crate) struct Turning {
    machines: Vec<Arc<str>>,
    steps: SwizzleSteps,
    every: Duration,
    /// When the next step is due.
    due: Duration,
    cut: BTreeSet<Path>,
}

/// The links that a step changes, for turmoil.
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) held: Vec<Path>,
    pub(crate) released: Vec<Path>,
}

/// Takes the first step. To be called inside a turmoil host.
pub(super) fn begin(
    shared: &Shared,
    what: String,
    cause: Option<u64>,
    swizzle: &Swizzle,
) -> FaultId {
    let machines: Vec<Arc<str>> =
        swizzle.machines.iter().map(|name| name.as_str().into()).collect();
    let among = machines.iter().flat_map(|from| machines.iter().map(move |to| (from, to)));
    let paths = among.filter(|(from, to)| from != to).map(|(from, to)| (from.clone(), to.clone()));
    let mut state = shared.lock();
    let id = state.begin(Ends::Paths(paths.collect()), NETWORK, what, cause);
    let steps = swizzle.steps(state.config.seed, FaultId::numbered(id));
    let (every, due) = (swizzle.every, state.now);
    state.swizzles.insert(id, Turning { machines, steps, every, due, cut: BTreeSet::new() });
    let Changed { held, .. } = state.turn(id);
    drop(state);
    hold(held);
    FaultId::numbered(id)
}

impl State {
    /// Takes the steps that are due.
    pub(crate) fn turn_all(&mut self) -> Changed {
        let is_due = |turning: &Turning| turning.due <= self.now;
        let due = self.swizzles.iter().filter(|(_, turning)| is_due(turning));
        let due: Vec<u64> = due.map(|(fault, _)| *fault).collect();
        let mut changed = Changed::default();
        for fault in due {
            let Changed { held, released } = self.turn(fault);
            changed.held.extend(held);
            changed.released.extend(released);
        }
        changed
    }

    /// Takes the next step of a swizzle; without one, it is over.
    fn turn(&mut self, fault: u64) -> Changed {
        let Some(turning) = self.swizzles.get_mut(&fault) else { return Changed::default() };
        let Some(links) = turning.steps.next() else {
            self.swizzles.remove(&fault);
            return Changed::default();
        };
        turning.due += turning.every;
        let machine = |place: usize| Arc::clone(&turning.machines[place]);
        let cut: BTreeSet<Path> =
            links.into_iter().map(|(from, to)| (machine(from), machine(to))).collect();
        let before = std::mem::replace(&mut turning.cut, cut.clone());
        // A link that stays cut is not touched: released for a moment, it would let through what waits.
        let held = self.cut(fault, cut.difference(&before).cloned().collect());
        let released = self.mend(fault, before.difference(&cut).cloned().collect());
        Changed { held, released }
    }
}
