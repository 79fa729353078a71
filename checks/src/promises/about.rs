//! What each check asks precisely: the words at the head of its file, which are written for people who
//! read a violation as much as for those who change the check.

/// Returns the precise meaning of the check called `name`, in paragraphs; none for a situation, which
/// its line in the vocabulary says all about.
pub fn about(name: &str) -> Option<String> {
    let (_, source) = SOURCES.iter().find(|(known, _)| *known == name)?;
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut paragraphs = vec![String::new()];
    for line in lines.map(str::trim) {
        let last = paragraphs.len() - 1;
        match line {
            "" => paragraphs.push(String::new()),
            _ if paragraphs[last].is_empty() => paragraphs[last].push_str(line),
            _ => paragraphs[last].extend([" ", line]),
        }
    }
    let text = paragraphs.join("\n\n");
    Some(text.strip_prefix(&format!("`{name}`: ")).unwrap_or(&text).to_owned())
}

const SOURCES: &[(&str, &str)] = &[
    ("all-or-nothing", include_str!("all_or_nothing.rs")),
    ("member-at-decision", include_str!("member_at_decision.rs")),
    ("no-early-sight", include_str!("no_early_sight.rs")),
    ("honest-answer", include_str!("honest_answer.rs")),
    ("exactly-once", include_str!("exactly_once.rs")),
    ("no-zombie", include_str!("no_zombie.rs")),
    ("sender-order", include_str!("sender_order.rs")),
    ("right-recipient", include_str!("right_recipient.rs")),
    ("no-forgery", include_str!("no_forgery.rs")),
    ("acknowledged-survives", include_str!("acknowledged_survives.rs")),
    ("soft-failure", include_str!("soft_failure.rs")),
    ("no-wrong-refusal", include_str!("no_wrong_refusal.rs")),
    ("durable-vote", include_str!("durable_vote.rs")),
    ("durable-answer", include_str!("durable_answer.rs")),
    ("relay-keeps", include_str!("relay_keeps.rs")),
    ("relay-once", include_str!("relay_once.rs")),
    ("relay-order", include_str!("relay_order.rs")),
    ("relay-forwards", include_str!("relay_forwards.rs")),
    ("queue-order", include_str!("queue_order.rs")),
    ("forward-extremities", include_str!("forward_extremities.rs")),
    ("one-in-flight", include_str!("one_in_flight.rs")),
    ("idempotent-transactions", include_str!("idempotent_transactions.rs")),
    ("within-limits", include_str!("within_limits.rs")),
    ("same-state", include_str!("same_state.rs")),
    ("client-state", include_str!("client_state.rs")),
    ("membership-holds", include_str!("membership_holds.rs")),
    ("delivered-in-time", include_str!("delivered_in_time.rs")),
    ("delivered", include_str!("delivered.rs")),
    ("redactions-hold", include_str!("redactions_hold.rs")),
    ("relays-drained", include_str!("relays_drained.rs")),
    ("queues-drained", include_str!("queues_drained.rs")),
];

#[cfg(test)]
mod tests {
    use super::about;
    use crate::{CHECKS, record::CheckKind};

    #[test]
    fn every_check_that_is_no_situation_says_what_it_asks() {
        for check in CHECKS.iter().filter(|check| check.kind != CheckKind::Sometimes) {
            let about = about(check.name).unwrap_or_else(|| panic!("{}", check.name));
            assert!(about.len() > 40 && !about.starts_with('`'), "{about}");
        }
    }
}
