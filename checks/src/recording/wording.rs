//! When faults begin, in words.

use scenarios::{
    Scenario, duration,
    scenario::{Fault, Moment, Operation, When},
};

/// Says when a fault of `scenario` is to begin, as `at 25s` or `when a sent prepare to b (1st)`, and
/// after which other one.
pub(super) fn when(scenario: &Scenario, fault: &Fault) -> String {
    let beginning = beginning(&fault.when);
    let is_before = |it: &&Fault| it.id.is_some() && it.id == fault.after;
    match scenario.faults.iter().find(is_before) {
        Some(before) => match fault.when {
            When::At(after) if after.is_zero() => format!("at once after {}", before.kind),
            When::At(after) => format!("{} after {}", duration::text(after), before.kind),
            _ => format!("{beginning}, after {}", before.kind),
        },
        None => beginning,
    }
}

fn beginning(when: &When) -> String {
    match when {
        When::At(at) if at.is_zero() => "at once".to_owned(),
        When::At(at) => format!("at {}", duration::text(*at)),
        When::Exchange { moment, endpoints, from, to, nth } => {
            let (from, to) = (from.as_deref(), to.as_deref());
            let endpoints = endpoints.join(" or ");
            let what = match moment {
                Moment::Sent => {
                    let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
                    format!("{} sent {endpoints}{to}", from.unwrap_or("anyone"))
                }
                Moment::Arrived => {
                    let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
                    format!("{endpoints}{from} arrived at {}", to.unwrap_or("anyone"))
                }
                Moment::Answered => {
                    let from = from.map(|from| format!(" of {from}")).unwrap_or_default();
                    format!("{} answered {endpoints}{from}", to.unwrap_or("anyone"))
                }
            };
            format!("when {what} ({})", ordinal(*nth))
        }
        When::Disk { operation, node, nth } => {
            let what = match operation {
                Operation::Written => "wrote",
                Operation::Synced => "synced",
            };
            format!("when {node} {what} ({})", ordinal(*nth))
        }
    }
}

fn ordinal(n: u64) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::{
        Scenario,
        scenario::{Fault, Moment, NodeFault, When},
    };

    use super::{beginning, ordinal, when};

    #[test]
    fn triggers_read_as_sentences() {
        let at = |moment| When::Exchange {
            moment,
            endpoints: vec!["prepare".to_owned()],
            from: Some("a".to_owned()),
            to: Some("b".to_owned()),
            nth: 1,
        };
        assert_eq!(beginning(&at(Moment::Sent)), "when a sent prepare to b (1st)");
        assert_eq!(beginning(&at(Moment::Arrived)), "when prepare from a arrived at b (1st)");
        assert_eq!(beginning(&at(Moment::Answered)), "when b answered prepare of a (1st)");
    }

    #[test]
    fn what_comes_after_another_fault_names_it() {
        let kill = NodeFault::Kill { node: "b".to_owned() };
        let begins = |when| Fault {
            after: Some("cut".to_owned()),
            ..Fault::new(when, None, kill.clone().into())
        };
        let cut = scenarios::builder::partition(["a"], ["b"]);
        let scenario = Scenario::build("order").backends(["a", "b"]);
        let scenario = scenario.fault(Duration::ZERO, cut).called("cut").finish();
        let later = begins(When::At(Duration::from_secs(2)));
        assert_eq!(when(&scenario, &later), "2s after partition a | b");
        let next = begins(When::At(Duration::ZERO));
        assert_eq!(when(&scenario, &next), "at once after partition a | b");
        assert_eq!(when(&scenario, &scenario.faults[0]), "at once");
        let next = scenarios::builder::synced("b");
        let scenario = Scenario::build("order").backends(["a", "b"]);
        let cut = scenarios::builder::partition(["a"], ["b"]);
        let scenario = scenario
            .fault(Duration::ZERO, cut)
            .called("cut")
            .fault(next, kill)
            .after("cut")
            .finish();
        assert_eq!(
            when(&scenario, &scenario.faults[1]),
            "when b synced (1st), after partition a | b"
        );
    }

    #[test]
    fn ordinals_have_their_endings() {
        let ordinals: Vec<_> = [1, 2, 3, 4, 11, 12, 21, 112].map(ordinal).into();
        assert_eq!(ordinals, ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "112th"]);
    }
}
