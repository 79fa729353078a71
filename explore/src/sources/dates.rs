//! Whose clocks are so far ahead that nobody believes what they date. A server that is, is promised
//! nothing, and so there is nothing to find.

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

/// Returns whether some backend makes events with a clock that all faults on it together may set too
/// far ahead.
pub(crate) fn is_beyond_belief(scenario: &Scenario) -> bool {
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
            scenario.faults.push(Fault { when: When::At(Duration::ZERO), lasts: None, kind });
            is_beyond_belief(&scenario)
        };
        assert_eq!([sets_ahead("a"), sets_ahead("b"), sets_ahead("a")], [false, false, true]);
    }
}
