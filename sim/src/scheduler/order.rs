//! Which of the tasks that are ready is next, and how long one gives way.
//!
//! Everything is drawn from a stream of its own, so that nothing else of a run shifts.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use journal::{Schedule, random};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

/// One in this many times that a task gives way, it does so for a while: computing takes no time in
/// this world, so that otherwise only what is due at the same instant could run in between.
const PAUSES_ONE_IN: u32 = 4;

/// For how many milliseconds it then does: about as long as a few messages travel.
const PAUSE: RangeInclusive<u64> = 1..=10;

/// The same for a task that fell behind all others.
const LONG_PAUSE: RangeInclusive<u64> = 1..=100;

/// The steps among which the moments are drawn at which a task falls behind: an estimate of the
/// length of a run of three backends over a minute, not measured yet.
const RUN_STEPS: u64 = 20_000;

/// The lowest rank that is drawn; below are those of tasks that fell behind.
const LOWEST_RANK: u64 = 1 << 32;

/// Tasks below this rank, about a quarter of them, are slow.
const SLOW_RANK: u64 = u64::MAX / 4;

/// How the next task is picked.
pub(super) struct Order {
    stream: ChaCha12Rng,
    /// Unset if it is drawn at each step.
    priorities: Option<Priorities>,
}

/// Ranks of tasks, and when the first in rank falls behind.
struct Priorities {
    /// By task; the highest runs.
    ranks: BTreeMap<u64, u64>,
    steps: u64,
    /// Steps at which a task falls behind, the next one last.
    changes: Vec<u64>,
}

impl Order {
    pub(super) fn new(schedule: Schedule, seed: u64) -> Option<Self> {
        let mut stream = random::stream(seed, "schedule");
        let priorities = match schedule {
            Schedule::Fixed => return None,
            Schedule::Random => None,
            Schedule::Priorities(depth) => Some(Priorities::new(depth, &mut stream)),
        };
        Some(Self { stream, priorities })
    }

    /// Takes notice of a new task.
    pub(super) fn add(&mut self, id: u64) {
        if let Some(priorities) = &mut self.priorities {
            let rank = self.stream.random_range(LOWEST_RANK..=u64::MAX);
            priorities.ranks.insert(id, rank);
        }
    }

    /// Takes notice of a task's end.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(priorities) = &mut self.priorities {
            priorities.ranks.remove(&id);
        }
    }

    /// Returns the place of the next task in `ready`, which is not empty.
    pub(super) fn pick(&mut self, ready: &[u64]) -> usize {
        match &mut self.priorities {
            None => self.stream.random_range(0..ready.len()),
            Some(priorities) => priorities.pick(ready),
        }
    }

    /// Returns how long a task gives way; none for as long as others are ready.
    pub(super) fn pause(&mut self, id: u64) -> Option<Duration> {
        let range = match &self.priorities {
            None => self.stream.random_ratio(1, PAUSES_ONE_IN).then_some(PAUSE),
            Some(priorities) => match priorities.rank(id) {
                ..LOWEST_RANK => Some(LONG_PAUSE),
                LOWEST_RANK..SLOW_RANK => Some(PAUSE),
                _ => None,
            },
        };
        range.map(|range| Duration::from_millis(self.stream.random_range(range)))
    }
}

impl Priorities {
    fn new(depth: u32, stream: &mut ChaCha12Rng) -> Self {
        let changes = (1..depth).map(|_| stream.random_range(1..=RUN_STEPS));
        let mut changes: Vec<u64> = changes.collect();
        changes.sort_unstable_by(|one, other| other.cmp(one));
        Self { ranks: BTreeMap::new(), steps: 0, changes }
    }

    fn rank(&self, id: u64) -> u64 {
        self.ranks.get(&id).copied().unwrap_or(LOWEST_RANK)
    }

    fn pick(&mut self, ready: &[u64]) -> usize {
        self.steps += 1;
        while self.changes.last().is_some_and(|step| *step <= self.steps) {
            self.changes.pop();
            // The later it falls behind, the further.
            let behind = self.changes.len() as u64;
            self.ranks.insert(ready[self.first(ready)], behind);
        }
        self.first(ready)
    }

    /// Returns the place of the first in rank.
    fn first(&self, ready: &[u64]) -> usize {
        let places = 0..ready.len();
        places.max_by_key(|place| (self.rank(ready[*place]), ready[*place])).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(schedule: Schedule, seed: u64) -> Order {
        let mut order = Order::new(schedule, seed).expect("it is not fixed");
        (1..=5).for_each(|id| order.add(id));
        order
    }

    fn picks(schedule: Schedule, seed: u64, count: usize) -> Vec<usize> {
        let mut order = order(schedule, seed);
        (0..count).map(|_| order.pick(&[1, 2, 3, 4, 5])).collect()
    }

    #[test]
    fn a_random_order_picks_every_task_and_is_the_same_for_the_same_seed() {
        let picked = picks(Schedule::Random, 1, 100);
        assert!((0..5).all(|place| picked.contains(&place)));
        assert_eq!(picked, picks(Schedule::Random, 1, 100));
        assert_ne!(picked, picks(Schedule::Random, 2, 100));
    }

    #[test]
    fn one_priority_picks_the_same_task_for_ever_and_three_change_twice() {
        let steps = usize::try_from(RUN_STEPS).expect("it is small");
        let changes = |depth, seed| {
            let picked = picks(Schedule::Priorities(depth), seed, steps);
            picked.windows(2).filter(|pair| pair[0] != pair[1]).count()
        };
        assert_eq!((1..=9).map(|seed| changes(1, seed)).max(), Some(0));
        // The first step may be one of the two.
        assert_eq!((1..=9).map(|seed| changes(3, seed)).max(), Some(2));
    }

    #[test]
    fn the_first_task_differs_by_seed() {
        let first: Vec<usize> =
            (1..=20).map(|seed| picks(Schedule::Priorities(1), seed, 1)[0]).collect();
        assert!((0..5).all(|place| first.contains(&place)), "{first:?}");
    }
}
