//! What a homeserver can be made to say that is not true. Relays tell the truth: a relay that does
//! not breaks the promises that are made of relays, and there would be nothing to find.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{Delivery, Misdeed, OpKind, PeerFault},
};

use crate::sources::mixed;

/// Returns what a homeserver can do that is against the rules. What somebody with power in a room
/// sends is allowed, though nobody asked for it, and so it breaks no rule.
pub(crate) fn misdeeds(scenario: &Scenario, node: &str) -> Vec<Misdeed> {
    let is_there = |user: &str| scenario.users.get(user).is_some_and(|it| it.backend == node);
    let has_power = scenario.conversations.values().any(|room| is_there(&room.creator))
        || scenario.ops.iter().any(
            |op| matches!(&op.kind, OpKind::Power { user, level: 50.., .. } if is_there(user)),
        );
    let all = Misdeed::PLAIN.into_iter().map(|(_, misdeed)| misdeed);
    let breaks_rules = |it: &Misdeed| !(has_power && *it == Misdeed::BreakAuthRules);
    let has_m1 = scenario.conversations.values().any(|room| room.delivery == Delivery::M1);
    let is_drawn = |it: &Misdeed| !it.is_of_relay() && (has_m1 || !it.is_about_m1());
    all.filter(is_drawn).filter(breaks_rules).collect()
}

/// Returns what `node` tells everybody from `at` on: another misdeed at each time; none if it is no
/// homeserver.
pub(super) fn told(scenario: &Scenario, node: &str, at: Duration) -> Option<PeerFault> {
    if !scenario.backends.contains_key(node) {
        return None;
    }
    let misdeeds = misdeeds(scenario, node);
    let drawn = mixed(0, u64::try_from(at.as_micros()).unwrap_or(0));
    let turn = usize::try_from(drawn % misdeeds.len() as u64).ok()?;
    let misdeed = misdeeds.into_iter().nth(turn)?;
    Some(PeerFault { node: node.to_owned(), to: Vec::new(), share: 1.0, misdeed })
}
