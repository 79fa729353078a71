//! Where a run can be broken: at each request and answer, each sync of a disk, and each boot.

use std::{collections::BTreeMap, fmt, time::Duration};

use checks::history::{Exchange, History};
use journal::{
    Event,
    fault::{Moment, Operation},
};
use scenarios::scenario::When;

/// A place of a run at which something can be broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// When it came, counted from the moment the cluster was ready.
    pub at: Duration,
    /// What it is.
    pub point: Point,
}

/// What happens at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// A moment of an exchange.
    Exchange {
        /// Which moment.
        moment: Moment,
        /// The endpoint's name.
        endpoint: &'static str,
        /// The machine that asks.
        from: String,
        /// The machine that answers.
        to: String,
        /// Which one, from 1, of those between the two.
        nth: u64,
    },
    /// A sync of a disk.
    Sync {
        /// The machine.
        node: String,
        /// Which one, from 1.
        nth: u64,
    },
    /// A boot of a machine.
    Boot {
        /// The machine.
        node: String,
    },
}

impl Place {
    /// Returns the trigger of a fault that begins here.
    pub fn when(&self) -> When {
        match &self.point {
            Point::Exchange { moment, endpoint, from, to, nth } => When::Exchange {
                moment: *moment,
                endpoints: vec![(*endpoint).to_owned()],
                from: Some(from.clone()),
                to: Some(to.clone()),
                nth: *nth,
            },
            Point::Sync { node, nth } => {
                When::Disk { operation: Operation::Synced, node: node.clone(), nth: *nth }
            }
            Point::Boot { .. } => When::At(self.at),
        }
    }

    /// Returns what it has in common with other places: the endpoint and the moment, without names
    /// and numbers.
    pub fn class(&self) -> Class {
        match &self.point {
            Point::Exchange { moment, endpoint, .. } => Class(endpoint, moment.word()),
            Point::Sync { .. } => Class("disk", Operation::Synced.word()),
            Point::Boot { .. } => Class("machine", "boots"),
        }
    }
}

/// What several places have in common: what happens there, and which moment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(&'static str, &'static str);

impl Class {
    /// Returns the endpoint's name, or what else it is that something happens at.
    pub fn endpoint(self) -> &'static str {
        self.0
    }

    /// Returns the word for which moment of it, or what happens there.
    pub fn moment(self) -> &'static str {
        self.1
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// Returns every place of a run, in the order in which they came. What the harness itself asks is
/// none, and neither is what comes before the cluster is ready or after everything is repaired:
/// no fault can begin there.
pub fn of(history: &History<'_>) -> Vec<Place> {
    let Some(ready) = history.ready else { return Vec::new() };
    let end = history.repaired.map_or(u64::MAX, |repaired| repaired.n);
    let mut found: Vec<(u64, Place)> = Vec::new();
    for moment in [Moment::Sent, Moment::Arrived, Moment::Answered] {
        found.extend(exchanges(history, moment, ready.n..end));
    }
    found.extend(of_machines(history, ready.n..end));
    found.sort_by_key(|(n, _)| *n);
    let since_ready =
        |(_, place): (u64, Place)| Place { at: place.at.saturating_sub(ready.at), ..place };
    found.into_iter().map(since_ready).collect()
}

/// Returns one moment of every exchange, numbered as triggers count them: by that moment.
fn exchanges(
    history: &History<'_>,
    moment: Moment,
    within: std::ops::Range<u64>,
) -> Vec<(u64, Place)> {
    let is_meant = |it: &&Exchange<'_>| {
        let machines = [it.from, it.to];
        !it.endpoint.is_empty() && machines.iter().all(|name| history.scenario.has_machine(name))
    };
    let reached = |exchange| Some((when_reached(exchange, moment)?, exchange));
    let mut reached: Vec<_> =
        history.exchanges.iter().filter(is_meant).filter_map(reached).collect();
    reached.retain(|(at, _)| within.contains(&at.n));
    reached.sort_by_key(|(at, _)| at.n);
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    let numbered = reached.into_iter().map(|(at, exchange)| {
        let Exchange { endpoint, from, to, .. } = *exchange;
        let nth = counts.entry((endpoint, from, to)).or_default();
        *nth += 1;
        let (from, to) = (from.to_owned(), to.to_owned());
        let point = Point::Exchange { moment, endpoint, from, to, nth: *nth };
        (at.n, Place { at: at.at, point })
    });
    numbered.collect()
}

fn when_reached(exchange: &Exchange<'_>, moment: Moment) -> Option<checks::history::Moment> {
    match moment {
        Moment::Sent => Some(exchange.sent),
        Moment::Arrived => exchange.arrived,
        Moment::Answered => exchange.answer.map(|answer| answer.sent),
    }
}

fn of_machines(history: &History<'_>, within: std::ops::Range<u64>) -> Vec<(u64, Place)> {
    let mut syncs: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in history.journal.entries() {
        if !within.contains(&entry.n) || !history.scenario.has_machine(&entry.machine) {
            continue;
        }
        let node = || entry.machine.to_string();
        let point = match &entry.event {
            Event::DiskSynced { .. } => {
                let nth = syncs.entry(&entry.machine).or_default();
                *nth += 1;
                Point::Sync { node: node(), nth: *nth }
            }
            Event::Booted { .. } => Point::Boot { node: node() },
            _ => continue,
        };
        found.push((entry.n, Place { at: entry.at, point }));
    }
    found
}
