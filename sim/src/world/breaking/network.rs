//! Faults of links: partitions and changes.

use std::collections::BTreeSet;

use crate::{
    World,
    fault::{Cut, FaultId, LinkChange},
    network::link::Path,
    world::FaultKind,
};

/// The name under which faults of links stand in the journal.
const NETWORK: &str = "network";

impl World {
    /// Cuts links. Ended by [`World::repair`].
    pub fn partition(&self, cut: &Cut, cause: Option<u64>) -> FaultId {
        let (paths, what) = match cut {
            Cut::Between(one, other) => {
                let mut paths = self.paths(one, other);
                paths.extend(self.paths(other, one));
                (paths, format!("partition {} | {}", list(one), list(other)))
            }
            Cut::OneWay(from, to) => {
                (self.paths(from, to), format!("partition {} -> {}", list(from), list(to)))
            }
            Cut::Groups(groups) => (self.paths_between(groups), {
                let names: Vec<_> = groups.iter().map(|group| list(group)).collect();
                format!("partition {}", names.join(" | "))
            }),
        };
        let fault = self.begin(FaultKind::Links, NETWORK.into(), what, cause);
        let mut state = self.shared.lock();
        for path in paths {
            state.links.cut(path, fault.0);
        }
        fault
    }

    /// Changes links. Ended by [`World::repair`].
    pub fn change_links(&self, change: &LinkChange, cause: Option<u64>) -> FaultId {
        let mut paths = self.paths(&change.from, &change.to);
        if change.both_ways {
            paths.extend(self.paths(&change.to, &change.from));
        }
        let arrow = if change.both_ways { "<->" } else { "->" };
        let what = format!("link {} {arrow} {}", list(&change.from), list(&change.to));
        let fault = self.begin(FaultKind::Links, NETWORK.into(), what, cause);
        let mut state = self.shared.lock();
        for path in paths {
            state.links.change(path, fault.0, change.link);
        }
        fault
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

    fn paths_between(&self, groups: &[Vec<String>]) -> BTreeSet<Path> {
        let mut paths = BTreeSet::new();
        for (at, one) in groups.iter().enumerate() {
            for (other_at, other) in groups.iter().enumerate() {
                if at != other_at {
                    paths.extend(self.paths(one, other));
                }
            }
        }
        paths
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
