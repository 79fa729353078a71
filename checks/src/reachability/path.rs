//! Whether there may have been a path through time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::outages::{Outage, Outages};

/// Whether something could get from one machine to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It may have been possible.
    Possible,
    /// It certainly was not.
    Cut {
        /// Machines whose disks were lost while they had it, and when.
        lost: Vec<(String, Duration)>,
        /// What kept it from going on until then, or until the end.
        by: Vec<String>,
    },
}

/// Returns whether what `origin` has from `from` on can have come to `target` by `until`, over any
/// of the machines `by`: each hands it on to any other as soon as the link that way and both of
/// them can be used, and has it until its disk is lost.
///
/// The answer errs on one side: latency is taken for zero, and what only may have been in the way
/// for none.
pub(crate) fn reach(
    outages: &Outages,
    (origin, from): (&str, Duration),
    target: &str,
    until: Duration,
    by: &[&str],
) -> Reach {
    if outages.keeps_segments {
        return Reach::Possible;
    }
    let machines: BTreeSet<&str> = by.iter().copied().chain([origin, target]).collect();
    let mut holders = BTreeSet::from([origin]);
    let mut lost: BTreeMap<String, Duration> = BTreeMap::new();
    let mut in_the_way: BTreeSet<&str> = BTreeSet::new();
    for (moment, is_change) in moments(outages, &machines, from, until) {
        spread(outages, &machines, &mut holders, moment, &mut in_the_way);
        if holders.contains(target) {
            return Reach::Possible;
        }
        let losses = outages.losses.iter().filter(|loss| is_change && loss.at == moment);
        for loss in losses.filter(|loss| loss.but_before.is_none_or(|kept| kept < from)) {
            if holders.remove(loss.machine.as_str()) {
                lost.insert(loss.machine.clone(), loss.at);
            }
        }
        lost.retain(|machine, _| !holders.contains(machine.as_str()));
        if holders.is_empty() {
            break;
        }
    }
    let by = in_the_way.into_iter().map(str::to_owned).collect();
    Reach::Cut { lost: lost.into_iter().collect(), by }
}

/// Returns the moments at which it matters who can reach whom, in order: whenever something
/// changes, which is said, and once in between.
fn moments(
    outages: &Outages,
    machines: &BTreeSet<&str>,
    from: Duration,
    until: Duration,
) -> Vec<(Duration, bool)> {
    let mut changes: BTreeSet<Duration> = outages.among(machines).changes().collect();
    changes.extend(outages.losses.iter().map(|loss| loss.at));
    changes.retain(|change| (from..=until).contains(change));
    changes.extend([from, until]);
    let changes: Vec<Duration> = changes.into_iter().collect();
    let mut moments = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        moments.push((*change, true));
        if let Some(next) = changes.get(place + 1) {
            moments.push((*change + (*next - *change) / 2, false));
        }
    }
    moments
}

/// Lets everybody who has it hand it on to whoever can be reached at this moment.
fn spread<'m, 'o>(
    outages: &'o Outages,
    machines: &BTreeSet<&'m str>,
    holders: &mut BTreeSet<&'m str>,
    moment: Duration,
    in_the_way: &mut BTreeSet<&'o str>,
) {
    let mut going = holders.clone();
    // Bounded: each round adds a machine, or is the last one.
    while let Some(from) = going.pop_first() {
        for to in machines {
            if holders.contains(to) {
                continue;
            }
            match obstacle(outages, from, to, moment) {
                None => {
                    holders.insert(to);
                    going.insert(to);
                }
                Some(outage) => {
                    in_the_way.insert(&outage.what);
                }
            }
        }
    }
}

/// Returns what certainly keeps one machine from handing something to another at a moment. At the
/// very moment at which something begins or ends, it may not be in the way.
fn obstacle<'o>(
    outages: &'o Outages,
    from: &str,
    to: &str,
    moment: Duration,
) -> Option<&'o Outage> {
    let all = [outages.of_machine(to), outages.of_machine(from), outages.of_link(from, to)];
    let is_in_force = |outage: &&Outage| {
        outage.is_certain && outage.from < moment && outage.until.is_none_or(|until| moment < until)
    };
    all.into_iter().flatten().find(is_in_force)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::outages::{DiskLoss, Outage, Outages},
        Reach, reach,
    };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn outage(what: &str, from: u64, until: u64) -> Outage {
        let (from, until) = (seconds(from), (until > 0).then(|| seconds(until)));
        Outage { what: what.to_owned(), from, until, is_certain: true }
    }

    fn crash(outages: &mut Outages, machine: &str, from: u64, until: u64) {
        outages.add_machine(machine, outage(&format!("crash {machine}"), from, until));
    }

    fn wipe(outages: &mut Outages, machine: &str, from: u64, until: u64) {
        outages.add_machine(machine, outage(&format!("wipe {machine}"), from, until));
        let (machine, at) = (machine.to_owned(), seconds(from));
        outages.losses.push(DiskLoss { machine, at, but_before: None });
    }

    /// Asks whether what `a` has from second 10 on can come to `b` by second 300, by way of `r1`.
    fn from_a_to_b(outages: &Outages) -> Reach {
        reach(outages, ("a", seconds(10)), "b", seconds(300), &["r1"])
    }

    #[test]
    fn a_relay_carries_it_from_one_that_is_gone_to_one_that_comes_later() {
        let mut outages = Outages::default();
        crash(&mut outages, "b", 5, 100);
        crash(&mut outages, "a", 50, 0);
        assert_eq!(from_a_to_b(&outages), Reach::Possible);
    }

    #[test]
    fn a_path_goes_forward_in_time_only() {
        let mut outages = Outages::default();
        outages.add_link("a", "b", outage("partition a | b", 5, 0));
        outages.add_link("r1", "b", outage("partition r1 | b", 50, 0));
        outages.add_link("a", "r1", outage("partition a | r1", 5, 60));
        let by = ["partition a | b", "partition a | r1", "partition r1 | b"];
        let by = by.map(str::to_owned).to_vec();
        assert_eq!(from_a_to_b(&outages), Reach::Cut { lost: Vec::new(), by });
    }

    #[test]
    fn a_relay_that_loses_the_only_copy_cuts_the_path_and_one_of_two_copies_does_not() {
        let with_origin_back = |back: u64| {
            let mut outages = Outages::default();
            crash(&mut outages, "b", 5, 100);
            wipe(&mut outages, "r1", 30, 35);
            crash(&mut outages, "a", 20, back);
            from_a_to_b(&outages)
        };
        let by = ["crash a", "crash b"].map(str::to_owned).to_vec();
        assert!(matches!(with_origin_back(0), Reach::Cut { lost, by: cut }
            if lost == [("r1".to_owned(), seconds(30))] && by.iter().all(|it| cut.contains(it))));
        assert_eq!(with_origin_back(200), Reach::Possible);
    }

    #[test]
    fn what_comes_to_a_wiped_machine_again_is_not_lost() {
        let mut outages = Outages::default();
        crash(&mut outages, "b", 5, 100);
        wipe(&mut outages, "r1", 30, 35);
        crash(&mut outages, "a", 60, 0);
        assert_eq!(from_a_to_b(&outages), Reach::Possible);
    }

    #[test]
    fn doubt_does_not_excuse() {
        let mut outages = Outages::default();
        let storm = Outage { is_certain: false, ..outage("restart storm b", 5, 0) };
        outages.add_machine("b", storm);
        assert_eq!(from_a_to_b(&outages), Reach::Possible);
        let mut outages = Outages::default();
        crash(&mut outages, "b", 5, 0);
        outages.keeps_segments = true;
        assert_eq!(from_a_to_b(&outages), Reach::Possible);
    }

    #[test]
    fn a_backup_from_before_it_is_as_good_as_none_and_a_later_one_has_it() {
        let restored = |taken: u64| {
            let mut outages = Outages::default();
            crash(&mut outages, "b", 5, 100);
            crash(&mut outages, "r1", 5, 0);
            outages.add_machine("a", outage("restore a", 30, 40));
            let but_before = Some(seconds(taken));
            outages.losses.push(DiskLoss { machine: "a".to_owned(), at: seconds(30), but_before });
            from_a_to_b(&outages)
        };
        assert_eq!(restored(20), Reach::Possible);
        assert!(matches!(restored(9), Reach::Cut { lost, .. } if lost.len() == 1));
    }
}
