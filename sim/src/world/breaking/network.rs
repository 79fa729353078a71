//! Faults of links: what is cut, changed, held, refused, broken off and sent twice.

use std::collections::BTreeSet;

use crate::{
    World,
    fault::{
        BodyReset, Cut, Duplication, FaultId, LinkChange, NetworkFault, OnLinks, ProxyAnswer,
        Refusal, Swizzle,
    },
    network::{body_reset, link::Path, proxy, replay},
    world::{Remedy, WorldState},
};

/// The name under which faults of links appear in the journal.
const NETWORK: &str = "network";

impl World {
    /// Cuts links. Ended by [`World::repair`].
    pub fn partition(&self, cut: &Cut, cause: Option<u64>) -> FaultId {
        let paths = self.chosen(cut);
        self.begin_links(format!("partition {cut}"), cause, |state, fault| {
            for path in paths {
                state.links.cut(path, fault);
            }
        })
    }

    /// Holds links: what arrives over them, and what was on its way already, is kept at their far
    /// end, and delivered in order when the hold ends by [`World::repair`]. Nothing is lost,
    /// nothing is retransmitted, no connection times out; a deadline of a program may.
    pub fn hold(&self, links: &Cut, cause: Option<u64>) -> FaultId {
        let paths = self.chosen(links);
        self.begin_links(format!("hold {links}"), cause, |state, fault| {
            for path in paths {
                state.keeping.hold(path, fault);
            }
        })
    }

    /// Changes links; what a change leaves unset stays as it is, or as an older fault has made it.
    /// Ended by [`World::repair`].
    pub fn change_links(&self, change: &LinkChange, cause: Option<u64>) -> FaultId {
        let mut paths = self.paths(&change.from, &change.to);
        if change.both_ways {
            paths.extend(self.paths(&change.to, &change.from));
        }
        self.begin_links(change.to_string(), cause, |state, fault| {
            for path in paths {
                state.links.change(path, fault, change.change);
            }
        })
    }

    /// Hangs a machine: its kernel takes connections and acknowledges what arrives, but nothing is
    /// handed to its program any more, no connection and no byte, and nothing that the program
    /// writes, or wrote a moment ago, arrives anywhere. The program itself runs on, with its timers
    /// and its disk (a pause stops those and lets answers on the wire arrive). When the fault ends
    /// by [`World::repair`], everything that was kept goes on, in order.
    pub fn hang(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let index = self.shared.lock().machine(machine);
        self.begin_links(format!("hang {machine}"), cause, |state, fault| {
            state.keeping.hang(index, fault);
        })
    }

    /// Makes machines refuse connection attempts. Ended by [`World::repair`].
    pub fn refuse(&self, refusal: &Refusal, cause: Option<u64>) -> FaultId {
        let Refusal { machine, port } = refusal;
        let index = self.shared.lock().machine(machine);
        self.begin_links(refusal.to_string(), cause, |state, fault| {
            state.armed.refusals.add(fault, index, *port);
        })
    }

    /// Resets a connection in the middle of the next body. Disarmed by [`World::repair`].
    pub fn reset_body(&self, reset: &BodyReset, cause: Option<u64>) -> FaultId {
        let paths = self.paths(&reset.from, &reset.to);
        let (part, after) = (reset.part, reset.after);
        self.begin_links(reset.to_string(), cause, |state, fault| {
            state.armed.body_resets.push(body_reset::ArmedReset { fault, paths, part, after });
        })
    }

    /// Delivers requests twice. Ended by [`World::repair`]; a replay that is due by then still
    /// happens.
    pub fn duplicate(&self, duplication: &Duplication, cause: Option<u64>) -> FaultId {
        let Duplication { from, to, probability, after } = duplication;
        let paths = self.paths(from, to);
        self.begin_links(duplication.to_string(), cause, |state, fault| {
            let (probability, after) = (*probability, *after);
            state.armed.duplications.add(replay::ArmedDuplication {
                fault,
                paths,
                probability,
                after,
            });
        })
    }

    /// Cuts machines off one by one, and mends them one by one in another order. [`World::repair`]
    /// mends whatever is still cut off.
    pub fn swizzle(&self, swizzle: &Swizzle, cause: Option<u64>) -> FaultId {
        self.begin_links(swizzle.to_string(), cause, |state, fault| {
            state.begin_swizzle(fault, swizzle);
        })
    }

    /// Answers requests to a machine in its place, as a front proxy does. Ended by
    /// [`World::repair`].
    pub fn answer_for(&self, answer: &ProxyAnswer, cause: Option<u64>) -> FaultId {
        let machine = std::slice::from_ref(&answer.machine);
        let paths = if answer.to.is_empty() {
            self.paths_to(machine)
        } else {
            self.paths(&answer.to, machine)
        };
        let ProxyAnswer { status, retry_after, share, .. } = *answer;
        self.begin_links(answer.to_string(), cause, |state, fault| {
            state.armed.proxies.add(proxy::ArmedProxy { fault, paths, status, retry_after, share });
        })
    }

    /// Begins a fault of links. `backends` are the machines that a shape means if it lists none.
    pub fn break_network(
        &self,
        fault: &NetworkFault,
        backends: &[String],
        cause: Option<u64>,
    ) -> FaultId {
        match fault {
            NetworkFault::Link(change) => self.change_links(change, cause),
            NetworkFault::Reset(reset) => self.reset_body(reset, cause),
            NetworkFault::Duplicate(duplication) => self.duplicate(duplication, cause),
            NetworkFault::Answers(answer) => self.answer_for(answer, cause),
            NetworkFault::Refuse(refusal) => self.refuse(refusal, cause),
            NetworkFault::Hang { node } => self.hang(node, cause),
            NetworkFault::Partition { .. }
            | NetworkFault::Split { .. }
            | NetworkFault::Shape(_)
            | NetworkFault::Hold { .. } => match fault.on_links(backends) {
                Some(OnLinks::Cut(cut)) => self.partition(&cut, cause),
                Some(OnLinks::Hold(links)) => self.hold(&links, cause),
                Some(OnLinks::Turn(swizzle)) => self.swizzle(&swizzle, cause),
                None => unreachable!("these four do something to links"),
            },
        }
    }

    fn begin_links(
        &self,
        what: String,
        cause: Option<u64>,
        set: impl FnOnce(&mut WorldState, u64),
    ) -> FaultId {
        let fault = self.begin(Remedy::Links, NETWORK.into(), what, cause);
        set(&mut self.shared.lock(), fault.number());
        fault
    }

    /// Returns the links that `cut` means.
    fn chosen(&self, cut: &Cut) -> BTreeSet<Path> {
        let state = self.shared.lock();
        let indices = |(from, to)| (state.machine(from), state.machine(to));
        cut.links().into_iter().map(indices).collect()
    }

    /// Returns the paths from every machine to these.
    fn paths_to(&self, to: &[String]) -> BTreeSet<Path> {
        let names: Vec<String> = {
            let state = self.shared.lock();
            state.machines.iter().map(|machine| machine.name.to_string()).collect()
        };
        self.paths(&names, to)
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

impl WorldState {
    /// Undoes everything that a fault of links does.
    pub(super) fn mend_links(&mut self, fault: u64) {
        self.links.repair(fault);
        self.armed.disarm(fault);
        self.swizzles.remove(&fault);
        self.release(fault);
    }
}
