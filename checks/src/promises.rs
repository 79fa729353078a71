//! The promises of a federation, one file each, judged on the [`History`] of a run.
//!
//! [`CHECKS`] is the closed set of them. A scenario that names checks is judged by exactly those.
//! One that names none is judged by all that apply; those that then find nothing to judge are left
//! out. (A check that is named and judges nothing is vacuous, and [`crate::Record::weaknesses`]
//! says so.)
//!
//! A dishonest backend promises nothing and is promised nothing: no check judges what it says to
//! its users and to others, what its users see, and what it is left with. What honest backends do
//! is always judged, including what they do with what a dishonest one sent them. A conversation
//! that a dishonest backend owns is not all or nothing, because `m1` trusts the owner. A dishonest
//! relay is judged: `relay-keeps` is what it breaks.

mod about;
mod acknowledged_survives;
mod all_or_nothing;
mod client_state;
mod delivered;
mod delivered_in_time;
mod durable_answer;
mod durable_vote;
mod exactly_once;
pub(crate) mod expected_message;
pub(crate) mod expected_operation;
mod forward_extremities;
mod honest_answer;
mod idempotent_transactions;
mod member_at_decision;
mod membership_holds;
mod no_early_sight;
mod no_forgery;
mod no_wrong_refusal;
mod no_zombie;
mod one_in_flight;
mod queue_order;
mod queues_drained;
mod redactions_hold;
mod relay_forwards;
mod relay_keeps;
mod relay_once;
mod relay_order;
mod relays_drained;
mod right_recipient;
mod same_state;
mod sender_order;
mod situations;
mod soft_failure;
mod within_limits;

pub use self::{about::about, within_limits::MAX_PDUS};
use scenarios::{
    Vocabulary,
    scenario::{Delivery, OpKind, Scenario},
    vocabulary::{self, CheckName, meaning},
};

use crate::{Judgment, history::History, record::CheckKind};

/// What a federation promises: what its scenarios can name, and who judges it.
#[derive(Debug)]
pub struct Promises {
    /// What scenarios on it can name.
    pub vocabulary: &'static Vocabulary,
    /// The judges of its promises, the most serious first; the vocabulary has their [`names`].
    pub checks: &'static [Check],
}

/// What fedsim's own homeservers and relays promise.
pub static HOMESERVERS: Promises =
    Promises { vocabulary: &vocabulary::HOMESERVERS, checks: CHECKS };

/// Returns the names of checks, for the vocabulary of a federation: `&names::<{ CHECKS.len()
/// }>(CHECKS)`.
pub const fn names<const N: usize>(checks: &[Check]) -> [CheckName; N] {
    assert!(checks.len() == N, "there are as many names as checks");
    let mut names = [CheckName { name: "", kind: CheckKind::Always, means: "" }; N];
    let mut at = 0;
    while at < N {
        let Check { name, kind, means, .. } = checks[at];
        names[at] = CheckName { name, kind, means };
        at += 1;
    }
    names
}

/// A judge of one promise.
#[derive(Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// When the promise must hold.
    pub kind: CheckKind,
    /// What it asks in a line, or for a situation what came about; without a period.
    pub means: &'static str,
    /// Whether it applies to a scenario that does not name it.
    pub applies: fn(&Scenario) -> bool,
    /// Judges a run.
    pub judge: fn(&History<'_>) -> Judgment,
}

/// Every check, the most serious first: a failed run's sentence is that of the first one violated.
pub const CHECKS: &[Check] = &[
    always("all-or-nothing", is_all_or_nothing, all_or_nothing::judge),
    always("member-at-decision", has_m1, member_at_decision::judge),
    always("no-early-sight", is_all_or_nothing, no_early_sight::judge),
    always("honest-answer", is_sending, honest_answer::judge),
    always("exactly-once", is_sending, exactly_once::judge),
    always("no-zombie", is_sending, no_zombie::judge),
    always("sender-order", is_sending, sender_order::judge),
    always("right-recipient", is_sending, right_recipient::judge),
    always("no-forgery", has_forgers, no_forgery::judge),
    always("acknowledged-survives", any, acknowledged_survives::judge),
    always("soft-failure", is_sending, soft_failure::judge),
    always("no-wrong-refusal", is_sending, no_wrong_refusal::judge),
    always("durable-vote", has_m1, durable_vote::judge),
    always("durable-answer", any, durable_answer::judge),
    always("relay-keeps", has_relays, relay_keeps::judge),
    always("relay-once", has_relays, relay_once::judge),
    always("relay-order", has_relays, relay_order::judge),
    always("relay-forwards", relay_forwards::applies, relay_forwards::judge),
    always("queue-order", is_sending, queue_order::judge),
    always("forward-extremities", is_sending, forward_extremities::judge),
    always("one-in-flight", any, one_in_flight::judge),
    always("idempotent-transactions", any, idempotent_transactions::judge),
    always("within-limits", any, within_limits::judge),
    always("same-state", any, same_state::judge),
    always("client-state", any, client_state::judge),
    always("membership-holds", any, membership_holds::judge),
    always("delivered-in-time", is_timed, delivered_in_time::judge),
    eventually("delivered", is_sending, delivered::judge),
    eventually("redactions-hold", redacts, redactions_hold::judge),
    eventually("relays-drained", has_relays, relays_drained::judge),
    eventually("queues-drained", any, queues_drained::judge),
    sometimes("send-refused", situations::send_refused),
    sometimes("send-indefinite", situations::send_indefinite),
    sometimes("relayed", situations::relayed),
    sometimes("retrieved-from-relay", situations::retrieved_from_relay),
    sometimes("in-doubt-asked", situations::in_doubt_asked),
    sometimes("missing-events-fetched", situations::missing_events_fetched),
    sometimes("answer-lost", situations::answer_lost),
    sometimes("machine-restarted", situations::machine_restarted),
    sometimes("caught-up-by-notifications", situations::caught_up_by_notifications),
    sometimes("trespass-refused", situations::trespass_refused),
    sometimes("typing-seen", situations::typing_seen),
];

/// Returns the check called `name`.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

type Applies = fn(&Scenario) -> bool;
type Judge = fn(&History<'_>) -> Judgment;

const fn always(name: &'static str, applies: Applies, judge: Judge) -> Check {
    Check { name, kind: CheckKind::Always, means: meaning(name), applies, judge }
}

const fn eventually(name: &'static str, applies: Applies, judge: Judge) -> Check {
    Check { name, kind: CheckKind::Eventually, means: meaning(name), applies, judge }
}

/// Returns a situation, which is judged only if a scenario names it.
const fn sometimes(name: &'static str, judge: Judge) -> Check {
    Check { name, kind: CheckKind::Sometimes, means: meaning(name), applies: never, judge }
}

fn any(_: &Scenario) -> bool {
    true
}

fn never(_: &Scenario) -> bool {
    false
}

fn has_relays(scenario: &Scenario) -> bool {
    !scenario.relays.is_empty()
}

fn has_forgers(scenario: &Scenario) -> bool {
    scenario.backends.keys().any(|backend| scenario.is_byzantine(backend))
}

fn is_sending(scenario: &Scenario) -> bool {
    let or_trespassing =
        |kind: &OpKind| matches!(kind, OpKind::Send { .. } | OpKind::Trespass { .. });
    scenario.ops.iter().any(|op| or_trespassing(&op.kind))
}

fn is_all_or_nothing(scenario: &Scenario) -> bool {
    let mut conversations = scenario.conversations.values();
    is_sending(scenario) && conversations.any(|known| promises_all_or_nothing(known.delivery))
}

fn is_timed(scenario: &Scenario) -> bool {
    let mut conversations = scenario.conversations.values();
    is_sending(scenario)
        && delivered_in_time::has_sure_links(scenario)
        && delivered_in_time::has_usual_servers(scenario)
        && conversations.any(|known| known.delivery == Delivery::Eventual)
}

fn redacts(scenario: &Scenario) -> bool {
    scenario.ops.iter().any(|op| matches!(op.kind, OpKind::Redact { .. }))
}

fn has_m1(scenario: &Scenario) -> bool {
    scenario.conversations.values().any(|known| known.delivery == Delivery::M1)
}

/// Returns whether a conversation with this policy is meant to be all or nothing. That `m1-2021`
/// does not keep this promise is for the checks to find.
fn promises_all_or_nothing(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::M1 | Delivery::M1Of2021)
}

#[cfg(test)]
mod tests {
    use scenarios::vocabulary;

    use super::{CHECKS, names};

    #[test]
    fn the_language_knows_exactly_these_checks() {
        assert_eq!(names::<{ CHECKS.len() }>(CHECKS), vocabulary::CHECKS);
    }
}
