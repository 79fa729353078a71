//! When machines and links could not be used, read from the faults in a journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use journal::{
    Event,
    fault::{Cut, OnLinks, network::NetworkFault},
};
use scenarios::scenario::{FaultKind, NodeFault, Scenario, When};

use crate::history::History;

/// How long after an outage its traces may last: a segment that was lost is repeated after at most
/// this, an attempt that it broke runs into its deadline of 10 seconds, a machine is booted.
const AFTERMATH: Duration = Duration::from_secs(20);

/// What was wrong, and when.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    /// What it is, such as `crash b`.
    pub(crate) what: String,
    /// When it began.
    pub(crate) from: Duration,
    /// When it ended; unset if it never did.
    pub(crate) until: Option<Duration>,
    /// Whether certainly nothing passed meanwhile. Otherwise something may have been delayed.
    pub(crate) is_certain: bool,
}

/// A machine lost what was on its disk.
#[derive(Clone, Debug)]
pub(crate) struct DiskLoss {
    /// The machine.
    pub(crate) machine: String,
    /// When.
    pub(crate) at: Duration,
    /// The time from which on nothing of what it had is there any more; unset if nothing at all is.
    pub(crate) but_before: Option<Duration>,
}

impl DiskLoss {
    /// Returns whether this took from a machine what it had come to have at a time.
    pub(crate) fn loses(&self, machine: &str, had: Duration) -> bool {
        self.machine == machine && self.at >= had && self.but_before.is_none_or(|kept| kept <= had)
    }
}

/// Every outage of a run.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    /// Those of whole machines.
    machines: BTreeMap<String, Vec<Outage>>,
    /// Those of links, each from the first machine to the second.
    links: BTreeMap<(String, String), Vec<Outage>>,
    /// Disks that were lost, in order of time.
    pub(crate) losses: Vec<DiskLoss>,
    /// Whether a fault may deliver something after its sender is gone.
    pub(crate) keeps_segments: bool,
}

impl Outages {
    /// Reads them from a journal.
    pub(crate) fn read(history: &History<'_>) -> Self {
        let mut outages = Self::default();
        let ends = ends(history);
        for (_, index, number) in &history.faults {
            let (Some(fault), Some((from, until))) =
                (history.scenario.faults.get(*index), ends.get(number))
            else {
                continue;
            };
            let outage = Outage {
                what: fault.kind.to_string(),
                from: *from,
                until: *until,
                is_certain: true,
            };
            outages.take(history, &fault.kind, &outage);
        }
        outages.take_exits(history);
        outages.losses.sort_by_key(|loss| loss.at);
        outages
    }

    /// Adds an outage of a whole machine.
    pub(crate) fn add_machine(&mut self, machine: &str, outage: Outage) {
        self.machines.entry(machine.to_owned()).or_default().push(outage);
    }

    /// Adds an outage of a directed link.
    pub(crate) fn add_link(&mut self, from: &str, to: &str, outage: Outage) {
        self.links.entry((from.to_owned(), to.to_owned())).or_default().push(outage);
    }

    fn take(&mut self, history: &History<'_>, kind: &FaultKind, outage: &Outage) {
        let in_doubt = Outage { is_certain: false, ..outage.clone() };
        match kind {
            FaultKind::Network(fault) => {
                self.take_network(history.scenario, fault, outage);
            }
            FaultKind::Node(fault) => self.take_node(history, fault, outage),
            // What a disk did wrong may show only later.
            FaultKind::Disk(fault) => {
                self.add_machine(&fault.node, Outage { until: None, ..in_doubt });
            }
            FaultKind::Peer(fault) => {
                self.add_machine(&fault.node, Outage { until: None, ..in_doubt });
            }
        }
    }

    fn take_network(&mut self, scenario: &Scenario, fault: &NetworkFault, outage: &Outage) {
        let in_doubt = Outage { is_certain: false, ..outage.clone() };
        match fault.on_links(&scenario.meant_by_links(fault)) {
            Some(OnLinks::Cut(cut)) => self.take_cut(&cut, outage),
            Some(OnLinks::Hold(cut)) => {
                self.keeps_segments = true;
                self.take_cut(&cut, &in_doubt);
            }
            Some(OnLinks::Turn(swizzle)) => {
                for machine in &swizzle.machines {
                    self.add_machine(machine, in_doubt.clone());
                }
            }
            None => {
                let machines: Vec<String> = match fault {
                    NetworkFault::Duplicate(_) => {
                        self.keeps_segments = true;
                        return;
                    }
                    NetworkFault::Answers(answer) => vec![answer.machine.clone()],
                    NetworkFault::Refuse(refusal) => vec![refusal.machine.clone()],
                    NetworkFault::Hang { node } => vec![node.clone()],
                    NetworkFault::Link(change) => [&*change.from, &*change.to].concat(),
                    NetworkFault::Reset(reset) => [&*reset.from, &*reset.to].concat(),
                    _ => scenario.machines(),
                };
                for machine in machines {
                    self.add_machine(&machine, in_doubt.clone());
                }
            }
        }
    }

    fn take_cut(&mut self, cut: &Cut, outage: &Outage) {
        for (from, to) in cut.links() {
            self.add_link(from, to, outage.clone());
        }
    }

    fn take_node(&mut self, history: &History<'_>, fault: &NodeFault, outage: &Outage) {
        let for_ever = Outage { until: None, is_certain: false, ..outage.clone() };
        let machine = fault.node().to_owned();
        match fault {
            NodeFault::Crash { .. }
            | NodeFault::Kill { .. }
            | NodeFault::RotateKey { .. }
            | NodeFault::Pause { .. } => {
                self.add_machine(&machine, outage.clone());
            }
            NodeFault::Storm { .. } => {
                self.add_machine(&machine, Outage { is_certain: false, ..outage.clone() });
            }
            NodeFault::Wipe { .. } => {
                self.add_machine(&machine, outage.clone());
                self.add_machine(&machine, for_ever);
                self.losses.push(DiskLoss { machine, at: outage.from, but_before: None });
            }
            NodeFault::Restore { taken, .. } => {
                self.add_machine(&machine, outage.clone());
                self.add_machine(&machine, for_ever);
                // A backup whose time is not known may hold everything.
                let ready = history.ready.map_or(Duration::ZERO, |ready| ready.at);
                if let When::At(taken) = &*taken.0 {
                    let but_before = Some(ready.saturating_add(*taken));
                    self.losses.push(DiskLoss { machine, at: outage.from, but_before });
                }
            }
            NodeFault::ClockSkew { .. }
            | NodeFault::ClockJump { .. }
            | NodeFault::ClockDrift { .. } => self.add_machine(&machine, for_ever),
        }
    }

    /// Takes in the programs that ended by themselves, until they were started again.
    fn take_exits(&mut self, history: &History<'_>) {
        for entry in history.journal.entries() {
            if matches!(entry.event, Event::Exited { .. }) {
                let mut boots = history.boots();
                let boots = boots.find(|(machine, _)| **machine == *entry.machine);
                let until = boots.and_then(|(_, boots)| boots.iter().find(|it| it.n > entry.n));
                let what = format!("the end of the program on {}", entry.machine);
                let until = until.map(|boot| boot.at);
                let outage = Outage { what, from: entry.at, until, is_certain: true };
                self.add_machine(&entry.machine, outage);
            }
        }
    }

    /// Returns every outage of a machine.
    pub(crate) fn of_machine(&self, machine: &str) -> &[Outage] {
        self.machines.get(machine).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns every outage of the link from one machine to another, not counting theirs.
    pub(crate) fn of_link(&self, from: &str, to: &str) -> &[Outage] {
        // Without an allocation this would need a map of maps.
        let link = (from.to_owned(), to.to_owned());
        self.links.get(&link).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns when anything was out that could delay what these machines say to each other.
    pub(crate) fn among(&self, machines: &BTreeSet<&str>) -> Troubles {
        let of_machines = machines.iter().flat_map(|machine| self.of_machine(machine));
        let between = self.links.iter().filter(|((from, to), _)| {
            machines.contains(from.as_str()) && machines.contains(to.as_str())
        });
        let of_links = between.flat_map(|(_, outages)| outages);
        // Many links are cut by one fault.
        Troubles(of_machines.chain(of_links).map(|outage| (outage.from, outage.until)).collect())
    }
}

/// When some machines could not be sure to talk to each other: from when until when, which is unset
/// for what never ended.
#[derive(Debug)]
pub(crate) struct Troubles(BTreeSet<(Duration, Option<Duration>)>);

impl Troubles {
    /// Returns the moments at which any of them begins or ends.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Duration> {
        self.0.iter().flat_map(|(from, until)| [Some(*from), *until]).flatten()
    }

    /// Returns when the first of them began that was not over by `since`, if that was before
    /// `moment`.
    pub(crate) fn first_between(&self, since: Duration, moment: Duration) -> Option<Duration> {
        let mut troubles = self.0.iter();
        let first = troubles.find(|(_, until)| until.is_none_or(|until| until > since));
        first.map(|(from, _)| *from).filter(|from| *from < moment)
    }

    /// Returns whether nothing was out for all of that time from `from` on.
    pub(crate) fn is_quiet(&self, from: Duration, lasting: Duration) -> bool {
        let is_over = |until: &Option<Duration>| until.is_some_and(|until| until <= from);
        self.0.iter().all(|(begin, until)| is_over(until) || *begin >= from + lasting)
    }

    /// Returns the first time from `from` on at which these machines can be blamed for not having
    /// talked: nothing was out, or had just been, for all of the time that `lasting` says for a
    /// stretch that begins then. Returns the stretch.
    pub(crate) fn calm(
        &self,
        from: Duration,
        lasting: impl Fn(Duration) -> Duration,
    ) -> Option<(Duration, Duration)> {
        let over = self.0.iter().filter_map(|(_, until)| Some((*until)? + AFTERMATH));
        let mut begins: Vec<Duration> =
            std::iter::once(from).chain(over.filter(|over| *over > from)).collect();
        begins.sort_unstable();
        let mut stretches = begins.into_iter().map(|begin| (begin, begin + lasting(begin)));
        stretches.find(|(begin, end)| {
            self.0.iter().all(|(from, until)| {
                until.is_some_and(|until| until + AFTERMATH <= *begin) || from >= end
            })
        })
    }
}

/// Returns from when until when each fault was in force, by its number.
fn ends(history: &History<'_>) -> BTreeMap<u64, (Duration, Option<Duration>)> {
    let mut ends = BTreeMap::new();
    for entry in history.journal.entries() {
        match &entry.event {
            Event::FaultBegan { fault, .. } => {
                ends.insert(*fault, (entry.at, None));
            }
            Event::FaultEnded { fault, .. } => {
                if let Some((_, until)) = ends.get_mut(fault) {
                    *until = Some(entry.at);
                }
            }
            _ => {}
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::{Outage, Outages};

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn cut(from: u64, until: Option<u64>) -> Outages {
        let mut outages = Outages::default();
        let until = until.map(seconds);
        let what = "partition a | b".to_owned();
        let outage = Outage { what, from: seconds(from), until, is_certain: true };
        outages.add_link("a", "b", outage);
        outages
    }

    #[test]
    fn a_stretch_is_calm_before_an_outage_or_once_its_traces_are_gone() {
        let calm = |outages: &Outages, from, lasting| {
            let among = outages.among(&BTreeSet::from(["a", "b"]));
            let found = among.calm(seconds(from), |_| seconds(lasting));
            found.map(|(begin, end)| (begin.as_secs(), end.as_secs()))
        };
        assert_eq!(calm(&cut(100, Some(200)), 10, 60), Some((10, 70)));
        assert_eq!(calm(&cut(100, Some(200)), 10, 100), Some((220, 320)));
        assert_eq!(calm(&cut(100, Some(200)), 300, 100), Some((300, 400)));
        assert_eq!(calm(&cut(100, None), 10, 100), None);
    }

    #[test]
    fn outages_of_others_do_not_matter() {
        let elsewhere = cut(0, None).among(&BTreeSet::from(["a", "c"]));
        let calm = elsewhere.calm(seconds(1), |_| seconds(9));
        assert_eq!(calm, Some((seconds(1), seconds(10))));
    }
}
