//! What a homeserver can be made to say that is not true. Relays tell the truth: a relay that does
//! not breaks the promises that are made of relays, and there would be nothing to find.

use std::time::Duration;

use scenarios::{
    Scenario,
    scenario::{Misdeed, PeerFault},
};

use crate::sources::mixed;

/// Returns what `node` tells everybody from `at` on: another misdeed at each time; none if it is no
/// homeserver.
pub(super) fn told(scenario: &Scenario, node: &str, at: Duration) -> Option<PeerFault> {
    if !scenario.backends.contains_key(node) {
        return None;
    }
    let of_servers = |(_, misdeed): &(&str, Misdeed)| !misdeed.is_of_relay();
    let misdeeds: Vec<_> = Misdeed::PLAIN.into_iter().filter(of_servers).collect();
    let drawn = mixed(0, u64::try_from(at.as_micros()).unwrap_or(0));
    let turn = usize::try_from(drawn % misdeeds.len() as u64).ok()?;
    let (_, misdeed) = misdeeds.into_iter().nth(turn)?;
    Some(PeerFault { node: node.to_owned(), to: Vec::new(), share: 1.0, misdeed })
}
