//! Shapes: partitions of several machines that have a name.

use std::{fmt, time::Duration};

use super::{Cut, Swizzle};

/// Which links are cut, by what remains. Only links between the machines that are listed are cut,
/// so name relays as well where their links are meant. Where no machine is listed, the scenario says
/// who is meant, in the order of their names: every backend, and for an isolation every relay too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One machine reaches none of the others.
    Isolate {
        /// The one.
        one: String,
        /// The others; every other backend and relay if empty.
        of: Vec<String>,
    },
    /// Two halves of a list do not reach each other; the first has one more of an odd number.
    Halves {
        /// The list.
        of: Vec<String>,
    },
    /// Each machine reaches the one before and the one behind it, the last one and the first each
    /// other, and nobody else.
    Ring {
        /// At least four.
        of: Vec<String>,
    },
    /// Two halves of a list do not reach each other; one more machine reaches both.
    Bridge {
        /// That one.
        over: String,
        /// The list; every other backend if empty.
        of: Vec<String>,
    },
    /// The machines are cut off from all the others one by one, and when all are, mended one by one
    /// in another order, drawn from the seed.
    Swizzle {
        /// In the order in which they are cut off.
        of: Vec<String>,
        /// The time between two steps.
        every: Duration,
    },
}

impl Shape {
    /// Returns the key of its kind in a scenario file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Isolate { .. } => "isolate",
            Self::Halves { .. } => "halves",
            Self::Ring { .. } => "ring",
            Self::Bridge { .. } => "bridge",
            Self::Swizzle { .. } => "swizzle",
        }
    }

    /// Returns the machines that it lists; those of an isolation and of a bridge without the one.
    pub fn listed(&self) -> &[String] {
        match self {
            Self::Isolate { of, .. }
            | Self::Halves { of }
            | Self::Ring { of }
            | Self::Bridge { of, .. }
            | Self::Swizzle { of, .. } => of,
        }
    }

    /// Returns the machine that it singles out.
    pub fn one(&self) -> Option<&str> {
        match self {
            Self::Isolate { one, .. } | Self::Bridge { over: one, .. } => Some(one),
            Self::Halves { .. } | Self::Ring { .. } | Self::Swizzle { .. } => None,
        }
    }

    /// The machines that are meant among all backends; those of an isolation and of a bridge
    /// without the one.
    pub fn members(&self, backends: &[String]) -> Vec<String> {
        if !self.listed().is_empty() {
            return self.listed().to_vec();
        }
        let others = backends.iter().filter(|name| Some(name.as_str()) != self.one());
        others.cloned().collect()
    }

    /// What it cuts among all backends; unset if it turns.
    pub(super) fn cut(&self, backends: &[String]) -> Option<Cut> {
        let members = self.members(backends);
        Some(match self {
            Self::Isolate { one, .. } => Cut::Between(vec![one.clone()], members),
            // What is listed in neither half keeps all its links, as the bridge does.
            Self::Halves { .. } | Self::Bridge { .. } => {
                let (one, other) = halves(&members);
                Cut::Between(one.to_vec(), other.to_vec())
            }
            Self::Ring { .. } => Cut::Ring(members),
            Self::Swizzle { .. } => return None,
        })
    }

    /// Returns what a world is asked for, if it is a swizzle.
    pub fn swizzle(&self) -> Option<Swizzle> {
        match self {
            Self::Swizzle { of, every } => Some(Swizzle { machines: of.clone(), every: *every }),
            Self::Isolate { .. }
            | Self::Halves { .. }
            | Self::Ring { .. }
            | Self::Bridge { .. } => None,
        }
    }

    /// Returns how long it takes by itself; unset for what lasts until it is repaired.
    pub fn lasts(&self) -> Option<Duration> {
        self.swizzle().map(|swizzle| swizzle.lasts())
    }
}

/// Returns a list cut in the middle: the first half has one more of an odd number.
pub fn halves(list: &[String]) -> (&[String], &[String]) {
    list.split_at(list.len().div_ceil(2))
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = |of: &[String]| match of {
            [] => "the others".to_owned(),
            of => of.join(", "),
        };
        match self {
            Self::Isolate { one, of } => write!(f, "partition {one} | {}", others(of)),
            Self::Halves { of } => {
                let (first, second) = halves(of);
                write!(f, "partition {} | {}", first.join(", "), second.join(", "))
            }
            Self::Ring { of } => write!(f, "partition ring {}", others(of)),
            Self::Bridge { over, of } => write!(f, "bridge {over} between {}", others(of)),
            Self::Swizzle { of, .. } => write!(f, "swizzle {}", others(of)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, Shape, halves};

    #[test]
    fn an_odd_list_has_the_larger_half_first() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(halves(&names), (&names[..2], &names[2..]));
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn whoever_lists_nobody_means_every_other_backend() {
        let backends = owned(&["a", "b", "c"]);
        let isolate = |of: &[&str]| Shape::Isolate { one: "b".to_owned(), of: owned(of) };
        assert_eq!(isolate(&[]).members(&backends), ["a", "c"]);
        assert_eq!(isolate(&["c"]).members(&backends), ["c"]);
    }

    #[test]
    fn every_shape_cuts_what_its_name_says() {
        let backends = owned(&["a", "b", "c", "d", "e"]);
        let cut = |shape: Shape| shape.cut(&backends).expect("it only cuts");
        let between = |one: &[&str], other: &[&str]| Cut::Between(owned(one), owned(other));
        let isolate = Shape::Isolate { one: "c".to_owned(), of: Vec::new() };
        assert_eq!(cut(isolate), between(&["c"], &["a", "b", "d", "e"]));
        let halves = Shape::Halves { of: owned(&["d", "a", "b"]) };
        assert_eq!(cut(halves), between(&["d", "a"], &["b"]));
        let bridge = Shape::Bridge { over: "b".to_owned(), of: Vec::new() };
        assert_eq!(cut(bridge), between(&["a", "c"], &["d", "e"]));
        let of = owned(&["a", "c", "b", "d"]);
        assert_eq!(cut(Shape::Ring { of: of.clone() }), Cut::Ring(of));
    }
}
