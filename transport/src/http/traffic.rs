//! What a server has done since it began, for whoever watches it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;

/// The bounds, in milliseconds, by which answers are counted by how long they took.
pub const BOUNDS_MS: [u64; 10] = [5, 10, 25, 100, 250, 500, 1000, 2500, 10_000, 60_000];

/// The classes of statuses: 1xx to 5xx.
pub const CLASSES: usize = 5;

/// Counts. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    by_class: [AtomicU64; CLASSES],
    by_duration: [AtomicU64; BOUNDS_MS.len() + 1],
    duration_ms: AtomicU64,
    open: AtomicU64,
    accepted: AtomicU64,
    gave_way: AtomicU64,
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answers by the class of their status: 1xx first.
    pub by_class: [u64; CLASSES],
    /// Answers that took up to each of [`BOUNDS_MS`], and last those that took longer; each is in one
    /// of these.
    pub by_duration: [u64; BOUNDS_MS.len() + 1],
    /// How long all answers took together, in milliseconds.
    pub duration_ms: u64,
    /// Connections that are open.
    pub open: u64,
    /// Connections that were taken.
    pub accepted: u64,
    /// Connections that were closed for others, or for being too many of one address.
    pub gave_way: u64,
}

/// A connection, counted as open until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Counters>);

impl Traffic {
    /// Returns what was counted so far.
    pub fn counted(&self) -> Counted {
        let Counters { by_class, by_duration, duration_ms, open, accepted, gave_way } = &*self.0;
        Counted {
            by_class: by_class.each_ref().map(|count| count.load(Relaxed)),
            by_duration: by_duration.each_ref().map(|count| count.load(Relaxed)),
            duration_ms: duration_ms.load(Relaxed),
            open: open.load(Relaxed),
            accepted: accepted.load(Relaxed),
            gave_way: gave_way.load(Relaxed),
        }
    }

    pub(super) fn opened(&self) -> Open {
        self.0.open.fetch_add(1, Relaxed);
        self.0.accepted.fetch_add(1, Relaxed);
        Open(Arc::clone(&self.0))
    }

    pub(super) fn gave_way(&self) {
        self.0.gave_way.fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bound = BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BOUNDS_MS.len());
        self.0.by_class[class].fetch_add(1, Relaxed);
        self.0.by_duration[bound].fetch_add(1, Relaxed);
        self.0.duration_ms.fetch_add(ms, Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_counts_once_by_status_and_once_by_duration() {
        let traffic = Traffic::default();
        for (status, ms) in [(200, 5), (204, 6), (404, 70_000), (533, 1)] {
            let status = StatusCode::from_u16(status).unwrap();
            traffic.answered(status, Duration::from_millis(ms));
        }
        let counted = traffic.counted();
        assert_eq!(counted.by_class, [0, 2, 0, 1, 1]);
        assert_eq!((counted.by_duration[0], counted.by_duration[1]), (2, 1));
        assert_eq!((counted.by_duration[BOUNDS_MS.len()], counted.duration_ms), (1, 70_012));
    }

    #[test]
    fn a_connection_is_open_until_it_is_not() {
        let traffic = Traffic::default();
        let open = traffic.opened();
        assert_eq!(traffic.counted().open, 1);
        drop(open);
        assert_eq!((traffic.counted().open, traffic.counted().accepted), (0, 1));
    }
}
