//! What a homeserver can be made to say that is not true. Relays tell the truth: a relay that does
//! not breaks the promises that are made of relays, and there would be nothing to find.

use scenarios::{
    Scenario,
    scenario::{Misdeed, PeerFault},
};

/// Returns what `node` tells everybody in its `nth` request of a kind: another misdeed each time; none
/// if it is no homeserver.
pub(super) fn told(scenario: &Scenario, node: &str, nth: u64) -> Option<PeerFault> {
    if !scenario.backends.contains_key(node) {
        return None;
    }
    let of_servers = |(_, misdeed): &(&str, Misdeed)| !misdeed.is_of_relay();
    let misdeeds: Vec<_> = Misdeed::PLAIN.into_iter().filter(of_servers).collect();
    let turn = usize::try_from(nth).unwrap_or(0).checked_rem(misdeeds.len())?;
    let (_, misdeed) = misdeeds.into_iter().nth(turn)?;
    Some(PeerFault { node: node.to_owned(), to: Vec::new(), share: 1.0, misdeed })
}
