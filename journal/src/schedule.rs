//! In which order the tasks of a world run.

use std::fmt;

/// The most levels of [`Schedule::Priorities`].
pub const MOST_PRIORITIES: u32 = 64;

/// In which order the tasks of all machines run that are ready at the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// In the order in which they became ready, and a database job runs within the poll that asked
    /// for it.
    #[default]
    Fixed,
    /// At each step one of them is drawn from the seed. Tasks also give way before and after each
    /// job of a database, and now and then for a drawn time.
    Random,
    /// Each task draws a priority, and the first in rank runs; at this many steps less one, drawn
    /// from the length of a run, the task that runs falls behind all others (PCT: Burckhardt et al.,
    /// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010). Tasks give way
    /// around database jobs as well, those of low rank for longer.
    Priorities(u32),
}

impl Schedule {
    /// Returns whether this is the fixed order.
    pub fn is_fixed(self) -> bool {
        self == Self::Fixed
    }
}

/// As reports name it: `fixed`, `random`, `priorities 3`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("fixed"),
            Self::Random => f.write_str("random"),
            Self::Priorities(depth) => write!(f, "priorities {depth}"),
        }
    }
}
