//! Which links a fault means.

use std::{collections::BTreeSet, fmt};

use super::names;

/// Which directed links a partition cuts, or a hold keeps.
///
/// Every segment over a cut link is lost until it is repaired, and its sender's kernel retransmits
/// it with back-off (200 ms doubling; SYN 1, 2, 4 s ..), until the user timeout resets the
/// connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ways between any machine of the first group and any of the second.
    Between(Vec<String>, Vec<String>),
    /// Only from the first group to the second.
    OneWay(Vec<String>, Vec<String>),
    /// Between any two machines of different groups. A machine in no group keeps all its links.
    Groups(Vec<Vec<String>>),
    /// Between any two of these machines that are not neighbors in the list; the last one and the
    /// first are.
    Ring(Vec<String>),
}

impl Cut {
    /// Returns the cut between two groups, or only from the first to the second.
    pub fn of_two(one: &[String], other: &[String], one_way: bool) -> Self {
        let cut = if one_way { Self::OneWay } else { Self::Between };
        cut(one.to_vec(), other.to_vec())
    }

    /// Returns the directed links that are meant, each from the first machine to the second.
    pub fn links(&self) -> BTreeSet<(&str, &str)> {
        match self {
            Self::Between(one, other) => {
                let mut links = links(one, other);
                links.extend(self::links(other, one));
                links
            }
            Self::OneWay(from, to) => links(from, to),
            Self::Groups(groups) => {
                let pairs = groups.iter().enumerate().flat_map(|(at, one)| {
                    let others = groups.iter().enumerate().filter(move |(other, _)| *other != at);
                    others.map(move |(_, other)| (one, other))
                });
                pairs.flat_map(|(one, other)| links(one, other)).collect()
            }
            Self::Ring(ring) => {
                let distant = |at: usize, other: usize| {
                    let steps = at.abs_diff(other);
                    steps > 1 && steps + 1 < ring.len()
                };
                let pairs = ring.iter().enumerate().flat_map(|(at, one)| {
                    let others = ring.iter().enumerate();
                    let others = others.filter(move |(other, _)| distant(at, *other));
                    others.map(move |(_, other)| (one.as_str(), other.as_str()))
                });
                pairs.collect()
            }
        }
    }
}

/// Every link from one of `from` to one of `to`.
fn links<'c>(from: &'c [String], to: &'c [String]) -> BTreeSet<(&'c str, &'c str)> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (a.as_str(), b.as_str())));
    pairs.filter(|(a, b)| a != b).collect()
}

/// As `a | b`.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(one, other) => write!(f, "{} | {}", names(one), names(other)),
            Self::OneWay(from, to) => write!(f, "{} -> {}", names(from), names(to)),
            Self::Groups(groups) => {
                let groups: Vec<_> = groups.iter().map(|group| names(group)).collect();
                f.write_str(&groups.join(" | "))
            }
            Self::Ring(machines) => write!(f, "ring {}", names(machines)),
        }
    }
}
