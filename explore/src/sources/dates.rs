//! What wrong clocks make of a federation that no server can mend. What is dated too far ahead nobody
//! believes; and where branches of a room meet, state resolution (room versions 2 to 11) puts changes
//! of one membership into the order of their dates, so that who came back by a clock that was behind
//! has left again. A run in which that may be is promised nothing, and so there is nothing to find.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{FaultKind, NodeFault, OpKind},
};

/// How far ahead, in seconds, a clock is set at most whose server makes events.
pub(super) const DATED_AHEAD: u64 = 6 * 86_400;

/// How far ahead events may be dated: a key counts as valid for seven days, and nobody believes what
/// is dated after that (server-server API, "Publishing keys").
const BELIEVED: Duration = Duration::from_secs(7 * 86_400);

/// Returns whether a scenario is one in which wrong clocks may break what servers keep.
pub(crate) fn is_beyond_belief(scenario: &Scenario) -> bool {
    is_dated_too_far_ahead(scenario) || is_put_out_of_order(scenario)
}

/// Returns whether some backend makes events with a clock that is wrong, in a room of which somebody
/// leaves or is removed.
fn is_put_out_of_order(scenario: &Scenario) -> bool {
    let removes = scenario.ops.iter().any(|op| {
        matches!(op.kind, OpKind::Leave { .. } | OpKind::Kick { .. } | OpKind::Ban { .. })
    });
    let has_wrong_clock =
        |backend: &&String| scenario.faults.iter().any(|fault| is_of_clock(&fault.kind, backend));
    let mut wrong = scenario.backends.keys().filter(has_wrong_clock);
    removes && wrong.any(|backend| makes_events(scenario, backend))
}

/// Returns whether some backend makes events with a clock that all faults on it together may set too
/// far ahead.
fn is_dated_too_far_ahead(scenario: &Scenario) -> bool {
    let is_too_far = |backend: &String| {
        let faults = scenario.faults.iter();
        let ahead: Duration = faults.filter_map(|fault| ahead(&fault.kind, backend)).sum();
        ahead >= BELIEVED
    };
    scenario.backends.keys().any(|backend| is_too_far(backend) && makes_events(scenario, backend))
}

/// Returns the backends one of whose faults sets their clocks too far ahead.
pub(super) fn dating_wrongly(scenario: &Scenario) -> Vec<String> {
    let is_wrong = |backend: &&String| {
        let mut faults = scenario.faults.iter();
        faults.any(|fault| {
            ahead(&fault.kind, backend).is_some_and(|ahead| ahead.as_secs() > DATED_AHEAD)
        })
    };
    scenario.backends.keys().filter(is_wrong).cloned().collect()
}

/// Returns how far a fault sets a machine's clock ahead, if it does.
fn ahead(kind: &FaultKind, machine: &str) -> Option<Duration> {
    match kind {
        FaultKind::Node(
            NodeFault::ClockSkew { node, by, behind: false }
            | NodeFault::ClockJump { node, by, back: false },
        ) if node == machine => Some(*by),
        _ => None,
    }
}

/// Returns whether a fault makes a machine's clock wrong.
pub(super) fn is_of_clock(kind: &FaultKind, machine: &str) -> bool {
    matches!(
        kind,
        FaultKind::Node(
            NodeFault::ClockSkew { node, .. }
            | NodeFault::ClockJump { node, .. }
            | NodeFault::ClockDrift { node, .. }
        ) if node == machine
    )
}

/// Returns whether a backend's users do anything that makes an event: whoever created a room invites
/// those who join.
pub(super) fn makes_events(scenario: &Scenario, backend: &str) -> bool {
    let users = scenario.users.iter().filter(|(_, user)| user.backend == backend);
    let names: Vec<&String> = users.map(|(name, _)| name).collect();
    scenario.ops.iter().any(|op| {
        let creator = match &op.kind {
            OpKind::Join { conversation, .. } => {
                scenario.conversations.get(conversation).map(|room| &room.creator)
            }
            _ => None,
        };
        names.iter().any(|name| op.kind.is_about(name) || creator == Some(name))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::scenario::{Fault, NodeFault, When};

    use super::is_beyond_belief;
    use crate::hunt;

    #[test]
    fn two_clocks_that_are_believed_alone_are_not_believed_together() {
        let mut scenario = hunt::bases().swap_remove(0);
        let mut sets_ahead = |node: &str| {
            let by = Duration::from_secs(4 * 86_400);
            let kind = NodeFault::ClockSkew { node: node.to_owned(), by, behind: false }.into();
            scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, kind));
            is_beyond_belief(&scenario)
        };
        assert_eq!([sets_ahead("a"), sets_ahead("b"), sets_ahead("a")], [false, false, true]);
    }

    #[test]
    fn a_clock_that_is_wrong_puts_removals_out_of_order_and_messages_not() {
        let with_clock = |mut scenario: scenarios::Scenario| {
            let (node, by) = ("a".to_owned(), Duration::from_secs(3600));
            let kind = NodeFault::ClockSkew { node, by, behind: true }.into();
            scenario.faults.push(Fault::new(When::At(Duration::ZERO), None, kind));
            is_beyond_belief(&scenario)
        };
        let [messages, leave] = [0, 1].map(|index| hunt::bases().swap_remove(index));
        assert_eq!((with_clock(messages), with_clock(leave)), (false, true));
    }
}
