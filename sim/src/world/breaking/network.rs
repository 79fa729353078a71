//! Faults of links: what is cut, changed, held, refused, broken off and sent twice.

use std::collections::BTreeSet;

use crate::{
    World,
    fault::{BodyReset, Cut, Duplication, FaultId, LinkChange, Part, Refusal, Swizzle},
    network::{body_reset, link::Path, replay},
    world::{FaultKind, State},
};

/// The name under which faults of links stand in the journal.
const NETWORK: &str = "network";

impl World {
    /// Cuts links. Ended by [`World::repair`].
    pub fn partition(&self, cut: &Cut, cause: Option<u64>) -> FaultId {
        let (paths, what) = self.chosen(cut);
        self.begin_links(format!("partition {what}"), cause, |state, fault| {
            for path in paths {
                state.links.cut(path, fault);
            }
        })
    }

    /// Holds links: what arrives over them, and what was on its way already, is kept at their far
    /// end, and delivered in order when the hold ends by [`World::repair`]. Nothing is lost, nothing
    /// is retransmitted, no connection times out; a deadline of a program may.
    pub fn hold(&self, links: &Cut, cause: Option<u64>) -> FaultId {
        let (paths, what) = self.chosen(links);
        self.begin_links(format!("hold {what}"), cause, |state, fault| {
            for path in paths {
                state.keeping.hold(path, fault);
            }
        })
    }

    /// Changes links; what a change leaves unset stays as it is, or as an older fault has it. Ended by [`World::repair`].
    pub fn change_links(&self, change: &LinkChange, cause: Option<u64>) -> FaultId {
        let mut paths = self.paths(&change.from, &change.to);
        if change.both_ways {
            paths.extend(self.paths(&change.to, &change.from));
        }
        let arrow = if change.both_ways { "<->" } else { "->" };
        let what = format!("link {} {arrow} {}", list(&change.from), list(&change.to));
        self.begin_links(what, cause, |state, fault| {
            for path in paths {
                state.links.change(path, fault, change.change);
            }
        })
    }

    /// Hangs a machine: its kernel takes connections and acknowledges what arrives, but nothing is
    /// handed to its program any more, no connection and no byte, and nothing that the program
    /// writes, or wrote a moment ago, arrives anywhere. The program itself runs on, with its timers
    /// and its disk (a pause stops those and lets answers on the wire arrive). When the fault ends by
    /// [`World::repair`], everything that was kept goes on, in order.
    pub fn hang(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let index = self.shared.lock().machine(machine);
        self.begin_links(format!("hang {machine}"), cause, |state, fault| {
            state.keeping.hang(index, fault);
        })
    }

    /// Has connection attempts refused. Ended by [`World::repair`].
    pub fn refuse(&self, refusal: &Refusal, cause: Option<u64>) -> FaultId {
        let Refusal { machine, port } = refusal;
        let index = self.shared.lock().machine(machine);
        let at = port.map(|port| format!(":{port}")).unwrap_or_default();
        self.begin_links(format!("refuse {machine}{at}"), cause, |state, fault| {
            state.refusals.add(fault, index, *port);
        })
    }

    /// Resets a connection in the middle of the next body. Disarmed by [`World::repair`].
    pub fn reset_body(&self, reset: &BodyReset, cause: Option<u64>) -> FaultId {
        let paths = self.paths(&reset.from, &reset.to);
        let part = match reset.part {
            Part::Request => "request",
            Part::Answer => "answer",
        };
        let what = format!("reset {part} {} -> {}", list(&reset.from), list(&reset.to));
        let (part, after) = (reset.part, reset.after);
        self.begin_links(what, cause, |state, fault| {
            state.body_resets.push(body_reset::Armed { fault, paths, part, after });
        })
    }

    /// Has requests delivered twice. Ended by [`World::repair`]; what is to be replayed by then
    /// still is.
    pub fn duplicate(&self, duplication: &Duplication, cause: Option<u64>) -> FaultId {
        let Duplication { from, to, probability, after } = duplication;
        let paths = self.paths(from, to);
        let what = format!("duplicate {} -> {}", list(from), list(to));
        self.begin_links(what, cause, |state, fault| {
            let (probability, after) = (*probability, *after);
            state.duplications.add(replay::Armed { fault, paths, probability, after });
        })
    }

    /// Cuts machines off one by one, and mends them one by one in another order; what is not mended
    /// by then is by [`World::repair`].
    pub fn swizzle(&self, swizzle: &Swizzle, cause: Option<u64>) -> FaultId {
        let what = format!("swizzle {}", list(&swizzle.machines));
        self.begin_links(what, cause, |state, fault| state.begin_swizzle(fault, swizzle))
    }

    fn begin_links(
        &self,
        what: String,
        cause: Option<u64>,
        set: impl FnOnce(&mut State, u64),
    ) -> FaultId {
        let fault = self.begin(FaultKind::Links, NETWORK.into(), what, cause);
        set(&mut self.shared.lock(), fault.number());
        fault
    }

    /// The links that are meant, and how a report shows them.
    fn chosen(&self, cut: &Cut) -> (BTreeSet<Path>, String) {
        let state = self.shared.lock();
        let indices = |(from, to)| (state.machine(from), state.machine(to));
        (cut.links().into_iter().map(indices).collect(), what_of(cut))
    }

    fn indices(&self, names: &[String]) -> BTreeSet<usize> {
        let state = self.shared.lock();
        names.iter().map(|name| state.machine(name)).collect()
    }

    fn paths(&self, from: &[String], to: &[String]) -> BTreeSet<Path> {
        let (from, to) = (self.indices(from), self.indices(to));
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
        pairs.filter(|(a, b)| a != b).collect()
    }
}

impl State {
    /// Takes back everything that a fault of links does.
    pub(super) fn mend_links(&mut self, fault: u64) {
        self.links.repair(fault);
        self.refusals.remove(fault);
        self.body_resets.retain(|armed| armed.fault != fault);
        self.duplications.remove(fault);
        self.swizzles.remove(&fault);
        self.release(fault);
    }
}

/// A cut as a report shows it.
fn what_of(cut: &Cut) -> String {
    match cut {
        Cut::Between(one, other) => format!("{} | {}", list(one), list(other)),
        Cut::OneWay(from, to) => format!("{} -> {}", list(from), list(to)),
        Cut::Groups(groups) => {
            let names: Vec<_> = groups.iter().map(|group| list(group)).collect();
            names.join(" | ")
        }
        Cut::Ring(machines) => format!("ring {}", list(machines)),
    }
}

/// Machine names as a report shows them: as many as leave room for the other side of a cut, and at
/// least one.
fn list(names: &[String]) -> String {
    const ROOM: usize = 22;
    let short = |shown: usize| match names.len() - shown {
        0 => names.join(", "),
        left => format!("{} and {left} more", names[..shown].join(", ")),
    };
    let fits = |shown: &usize| short(*shown).chars().count() <= ROOM;
    let shown = (1..=names.len()).rev().find(fits).unwrap_or(names.len().min(1));
    short(shown)
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn a_few_machines_are_named_and_many_are_counted_so_that_both_sides_fit() {
        let names = |n: usize| (1..=n).map(|n| format!("b{n:02}")).collect::<Vec<_>>();
        assert_eq!(list(&names(4)), "b01, b02, b03, b04");
        assert_eq!(list(&names(10)), "b01, b02 and 8 more");
        assert_eq!(list(&["a-name-that-leaves-no-room".to_owned()]), "a-name-that-leaves-no-room");
        assert_eq!(list(&[]), "");
    }
}
