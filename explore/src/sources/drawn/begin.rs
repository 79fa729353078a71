//! When something breaks: at a time, at a moment of an exchange, or at an operation of a disk.

use scenarios::{
    Scenario,
    scenario::{Delivery, Moment, Operation, When},
};

use super::{BUSY, dice::Dice};

/// The requests of each part of the protocol, at which faults begin.
const JOINING: &[&str] = &["make_join", "send_join", "invite", "make_leave", "send_leave"];
const ASKING: &[&str] = &["get_missing_events", "backfill", "state", "state_ids", "event", "keys"];
const M1: &[&str] = &["prepare", "decision", "send_message", "outcome"];
const M1_OF_2021: &[&str] = &["get_user_clients", "on_message_sent", "send_message"];
const RELAYING: &[&str] = &["send_relay", "relay_txn", "send_relay", "relay_txn", "send"];
const READING: &[&str] = &["sync", "await", "notifications"];

/// The moments of an exchange.
const MOMENTS: [Moment; 3] = [Moment::Sent, Moment::Arrived, Moment::Answered];

/// The highest number of an exchange that a trigger waits for.
const MOST_NTH: u64 = 6;

/// The highest number of an operation of a disk that a trigger waits for.
const MOST_SYNCS: u64 = 60;

/// Draws when a fault begins, at `node` if it begins at a machine.
pub(super) fn drawn(scenario: &Scenario, node: &str, dice: &mut Dice) -> When {
    match dice.below(100) {
        0..35 => When::At(dice.time(0, u64::try_from(BUSY.as_millis()).unwrap_or(u64::MAX))),
        35..85 => exchange(scenario, node, dice),
        _ => {
            let operation = dice.one(&[Operation::Synced, Operation::Synced, Operation::Written]);
            let (node, nth) = (node.to_owned(), below(MOST_SYNCS, dice));
            When::Disk { operation, node, nth }
        }
    }
}

/// Draws a beginning soon after another one: a later moment or request of the same kind, a later
/// operation of the same disk, or a time soon after.
pub(super) fn soon_after(before: &When, dice: &mut Dice) -> When {
    let mut when = before.clone();
    match &mut when {
        When::At(at) => *at = (*at + dice.scale(1, 20_000)).min(BUSY),
        When::Exchange { moment, nth, .. } => {
            *moment = dice.one(&MOMENTS);
            *nth += dice.number(0, 2);
        }
        When::Disk { nth, .. } => *nth += dice.number(0, 6),
    }
    when
}

fn exchange(scenario: &Scenario, node: &str, dice: &mut Dice) -> When {
    let endpoints = endpoints(scenario, dice);
    let endpoint = dice.one(endpoints);
    let is_federation = !["client_send", "sync", "await", "notifications"].contains(&endpoint);
    // Servers answer; who asks is a server or a device.
    let (from, to) = match dice.below(10) {
        0..3 => (None, Some(node.to_owned())),
        3..5 if is_federation => (Some(node.to_owned()), None),
        _ => (None, None),
    };
    let (moment, nth) = (dice.one(&MOMENTS), below(MOST_NTH, dice));
    When::Exchange { moment, endpoints: vec![endpoint.to_owned()], from, to, nth }
}

fn endpoints(scenario: &Scenario, dice: &mut Dice) -> &'static [&'static str] {
    let policies: Vec<Delivery> =
        scenario.conversations.values().map(|room| room.delivery).collect();
    let policy: &[&str] = match dice.any(&policies) {
        Some(Delivery::M1) => M1,
        Some(Delivery::M1Of2021) => M1_OF_2021,
        _ => &["send"],
    };
    match dice.below(10) {
        0..4 => policy,
        4..6 if !scenario.relays.is_empty() => RELAYING,
        4..6 => &["send"],
        6 => JOINING,
        7 => ASKING,
        8 => &["client_send"],
        _ => READING,
    }
}

/// Draws a number from 1 to `most`; the lower ones are likelier.
fn below(most: u64, dice: &mut Dice) -> u64 {
    let drawn = dice.number(1, most);
    dice.number(1, drawn)
}
