//! Swizzles: which links are cut when. The driver takes their steps between two steps of the
//! simulation.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sim::fault::{FaultId, Swizzle, SwizzleSteps};

use super::{
    TurmoilState, TurmoilWorld,
    faults::{NETWORK, Path, Remedy, hold},
};

/// A swizzle under way.
pub(crate) struct RunningSwizzle {
    machines: Vec<Arc<str>>,
    steps: SwizzleSteps,
    every: Duration,
    /// When the next step is due.
    due: Duration,
    cut: BTreeSet<Path>,
}

/// What became of the links that the steps touched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChangedLinks {
    pub(crate) held: Vec<Path>,
    pub(crate) released: Vec<Path>,
}

/// Takes the first step. Call it inside a turmoil host.
pub(super) fn begin(
    world: &TurmoilWorld,
    what: String,
    cause: Option<u64>,
    swizzle: &Swizzle,
) -> FaultId {
    let mut state = world.lock();
    let (fault, cut) = state.begin_swizzle(what, cause, swizzle);
    drop(state);
    hold(cut);
    FaultId::numbered(fault)
}

impl TurmoilState {
    /// Takes the first step; returns the number of the fault, and the links that are held now.
    fn begin_swizzle(
        &mut self,
        what: String,
        cause: Option<u64>,
        swizzle: &Swizzle,
    ) -> (u64, Vec<Path>) {
        let machines: Vec<Arc<str>> =
            swizzle.machines.iter().map(|name| name.as_str().into()).collect();
        let from_each = machines.iter().flat_map(|from| machines.iter().map(move |to| (from, to)));
        let paths = from_each.filter(|(from, to)| from != to);
        let paths = paths.map(|(from, to)| (Arc::clone(from), Arc::clone(to))).collect();
        let fault = self.begin(Remedy::Paths(paths), NETWORK, what, cause);
        let steps = swizzle.steps(self.config.seed, FaultId::numbered(fault));
        let (every, due) = (swizzle.every, self.now);
        let running = RunningSwizzle { machines, steps, every, due, cut: BTreeSet::new() };
        self.swizzles.insert(fault, running);
        (fault, self.turn(fault))
    }

    /// Takes the steps that are due.
    pub(crate) fn turn_all(&mut self) -> ChangedLinks {
        let mut touched = BTreeSet::new();
        while let Some(fault) = self.due() {
            touched.extend(self.turn(fault));
        }
        // By what they are in the end: one swizzle mends what another cuts.
        let (held, released) = touched.into_iter().partition(|(a, b)| self.is_held(a, b));
        ChangedLinks { held, released }
    }

    /// Returns a swizzle whose next step is due.
    fn due(&self) -> Option<u64> {
        let is_due = |swizzle: &RunningSwizzle| swizzle.due <= self.now;
        self.swizzles.iter().find(|(_, swizzle)| is_due(swizzle)).map(|(fault, _)| *fault)
    }

    /// Takes the next step of a swizzle; if there is none, the swizzle is over. Returns the links
    /// that are now held, or no longer held.
    fn turn(&mut self, fault: u64) -> Vec<Path> {
        let Some(swizzle) = self.swizzles.get_mut(&fault) else { return Vec::new() };
        let Some(links) = swizzle.steps.next() else {
            self.swizzles.remove(&fault);
            return Vec::new();
        };
        swizzle.due += swizzle.every;
        let machine = |place: usize| Arc::clone(&swizzle.machines[place]);
        let cut: BTreeSet<Path> =
            links.into_iter().map(|(from, to)| (machine(from), machine(to))).collect();
        let before = std::mem::replace(&mut swizzle.cut, cut.clone());
        // A link that stays cut is not touched: mended for a moment, it would let through what
        // waits.
        let mut touched = self.cut(fault, cut.difference(&before).cloned().collect());
        touched.extend(self.mend(fault, before.difference(&cut).cloned().collect()));
        touched
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use sim::{
        WorldConfig,
        fault::{FaultId, Swizzle},
    };

    use super::{ChangedLinks, Path, TurmoilState};

    const EVERY: Duration = Duration::from_secs(3);

    fn swizzle(machines: &[&str]) -> Swizzle {
        Swizzle { machines: machines.iter().map(|&it| it.to_owned()).collect(), every: EVERY }
    }

    fn begin(state: &mut TurmoilState, machines: &[&str]) -> (u64, Vec<Path>) {
        state.begin_swizzle("swizzle".to_owned(), None, &swizzle(machines))
    }

    /// Links, whichever way they are written.
    fn links(paths: Vec<Path>) -> BTreeSet<Path> {
        paths.into_iter().map(|(a, b)| if a < b { (a, b) } else { (b, a) }).collect()
    }

    #[test]
    fn what_turmoil_holds_after_each_step_is_what_the_step_cuts() {
        let mut state = TurmoilState::new(WorldConfig::default());
        let names = ["a", "b", "c", "d"];
        let (fault, cut) = begin(&mut state, &names);
        let mut holds = links(cut);
        for step in swizzle(&names).steps(state.config.seed, FaultId::numbered(fault)) {
            let cut = step.into_iter().map(|(a, b)| (names[a].into(), names[b].into())).collect();
            assert_eq!(holds, links(cut));
            state.now += EVERY;
            let ChangedLinks { held, released } = state.turn_all();
            holds.extend(links(held));
            holds.retain(|link| !links(released.clone()).contains(link));
        }
        assert!(holds.is_empty() && state.swizzles.is_empty(), "{holds:?} are held for ever");
    }

    #[test]
    fn a_link_that_one_swizzle_mends_and_another_cuts_at_once_stays_held() {
        let mut state = TurmoilState::new(WorldConfig::default());
        begin(&mut state, &["a", "b"]);
        for _ in 0..2 {
            state.now += EVERY;
            state.turn_all();
        }
        begin(&mut state, &["c", "a", "b"]);
        state.now += EVERY;
        // Here the first is over, and the second cuts `a` off.
        let ChangedLinks { released, .. } = state.turn_all();
        assert!(state.is_held(&"a".into(), &"b".into()));
        assert_eq!(links(released), BTreeSet::new());
    }
}
