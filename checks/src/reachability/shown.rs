//! Whether a device cannot have been shown a message that was promised to it: the only one who could
//! tell its backend of it has lost its disk, or the device came when it had expired.
//!
//! Only what the lost disk makes impossible is excused: who was told, and who could read before the
//! disk was lost, has no excuse.

use std::time::Duration;

use scenarios::scenario::{Delivery, Reads};

use super::{
    expired::{in_words, mail_that_is_gone, notification_time_to_live},
    forgotten::{is_forgotten, is_led_back, leading_to},
    last_copies::{lost_on_its_way, was_on_its_way},
    outages::{DiskLoss, Outages},
};
use crate::{
    history::{Exchange, History, Membership, Message, user_of},
    record::OpOutcome,
};

/// Returns in words why a device that should have seen a message cannot have; none if it can.
pub(crate) fn excuse(history: &History<'_>, message: &Message, device: &str) -> Option<String> {
    lost_with_its_backend(history, message, device)
        .or_else(|| lost_decision(history, message, device))
        .or_else(|| lost_join(history, message, user_of(device)))
        .or_else(|| untold_join(history, message, user_of(device)))
        .or_else(|| lost_before_it_came(history, message, device))
        .or_else(|| expired_notification(history, message, device))
        .or_else(|| {
            let backend = history.backend_of(device);
            let is_there = came_to(history, message, backend).is_some();
            mail_that_is_gone(history, message, backend).filter(|_| !is_there)
        })
}

/// The device's own backend had the message, and lost its disk before the device read.
fn lost_with_its_backend(history: &History<'_>, message: &Message, device: &str) -> Option<String> {
    let backend = history.backend_of(device);
    let place = (backend, message.conversation.as_str());
    let event = event_of(history, message)?;
    let came = came_to(history, message, backend);
    let stays = stays_of(history, user_of(device), &message.conversation);
    let is_out = |loss: &DiskLoss| {
        let mut forgotten = stays.iter().filter_map(|stay| stay.forgotten_from);
        loss.machine == backend && forgotten.any(|from| history.time_of(from) == loss.at)
    };
    let mut losses = history.losses.iter().filter(|loss| loss.at >= message.began.at);
    let loss = losses.find(|loss| match came.filter(|came| *came <= loss.at) {
        Some(came) => {
            let is_lost = is_out(loss)
                || (loss.loses(backend, came) && is_forgotten(history, place, Some((came, event))));
            is_lost && !could_read(history, device, came, loss.at)
        }
        None => is_out(loss),
    })?;
    let (name, at) = (&message.name, history.since_ready(loss.at));
    Some(format!("{backend} lost its disk at {at}, before {device} had read {name}"))
}

/// The owner of the room decided, lost its decision, and had not yet told the device's backend.
fn lost_decision(history: &History<'_>, message: &Message, device: &str) -> Option<String> {
    let (owner, backend) = (history.owner_of(&message.conversation), history.backend_of(device));
    if backend != owner {
        return untold_decision(history, message, backend);
    }
    let (decided, loss) = forgotten_decision(history, message)?;
    let is_shown = could_read(history, device, decided, loss.at);
    (!is_shown).then(|| forgets(history, message, loss))
}

/// Returns in words why a backend other than the owner's cannot know that an `m1` message was decided
/// for: the owner lost its decision with its disk, and had not told it.
pub(crate) fn untold_decision(
    history: &History<'_>,
    message: &Message,
    backend: &str,
) -> Option<String> {
    let (_, loss) = forgotten_decision(history, message)?;
    let is_owner = backend == history.owner_of(&message.conversation);
    let is_excused = !is_owner && !is_told(history, message, backend);
    is_excused.then(|| forgets(history, message, loss))
}

fn forgets(history: &History<'_>, message: &Message, loss: &DiskLoss) -> String {
    let (owner, at) = (&loss.machine, history.since_ready(loss.at));
    format!("{owner} lost its disk at {at}, and forgot that it had decided for {}", message.name)
}

/// Returns when the owner of a message's room had decided for it, and the loss of its disk by which
/// it forgot that.
fn forgotten_decision<'h>(
    history: &'h History<'_>,
    message: &Message,
) -> Option<(Duration, &'h DiskLoss)> {
    if history.delivery(&message.conversation) != Delivery::M1 {
        return None;
    }
    let owner = history.owner_of(&message.conversation);
    let decided = decided(history, message)?;
    let loss = history.losses.iter().find(|loss| loss.loses(owner, decided))?;
    Some((decided, loss))
}

/// Returns in words why a message that was refused was seen all the same: its owner had decided for
/// it, and forgot that before it refused; or the sender's own backend had taken it, and forgot that
/// before the client asked again.
pub(crate) fn forgotten_before_refusal(history: &History<'_>, message: &Message) -> Option<String> {
    let owner = history.owner_of(&message.conversation);
    let refused = message.ended.as_ref().filter(|it| it.outcome == OpOutcome::Refused)?;
    let backend = history.backend_of(&message.device);
    let mut losses = history.losses.iter().filter(|loss| loss.at <= refused.at.at);
    let asked_after = |loss: &DiskLoss| {
        let mut carriers = history.carriers_of(&message.name);
        carriers
            .any(|it| it.endpoint == "send_message" && it.from == backend && it.sent.at > loss.at)
    };
    // What it handed to the owner once more was for the owner to know.
    let forgets = |loss: &&DiskLoss| loss.loses(backend, message.began.at) && !asked_after(loss);
    if let Some(loss) = losses.find(forgets) {
        let (name, at) = (&message.name, history.since_ready(loss.at));
        return Some(format!(
            "{backend} lost its disk at {at}, and refused {name} without knowing that it had taken it"
        ));
    }
    let (_, loss) =
        forgotten_decision(history, message).filter(|(_, loss)| loss.at <= refused.at.at)?;
    let (name, at) = (&message.name, history.since_ready(loss.at));
    Some(format!("{owner} lost its disk at {at}, and refused {name} without knowing its decision"))
}

/// Returns by when the owner of a message's room had certainly decided for it: somebody was told, or
/// shown it.
fn decided(history: &History<'_>, message: &Message) -> Option<Duration> {
    let owner = history.owner_of(&message.conversation);
    let told = history.carriers_of(&message.name);
    let told = told.filter(|it| it.from == owner && is_commit(it)).map(|it| it.sent.at).min();
    let seen = history.sightings_of(&message.name).map(|sighting| sighting.at.at).min();
    let ended = message.ended.as_ref().filter(|ended| ended.outcome == OpOutcome::Ok);
    [told, seen, ended.map(|ended| ended.at.at)].into_iter().flatten().min()
}

/// Returns whether a backend was told that the owner decided for a message.
fn is_told(history: &History<'_>, message: &Message, backend: &str) -> bool {
    history.carriers_of(&message.name).any(|exchange| {
        let is_answered_so = || {
            exchange.endpoint == "outcome"
                && exchange.answer_arrived.is_some()
                && exchange.answer_json().is_some_and(|body| body["decision"] == "commit")
        };
        (exchange.to == backend && is_commit(exchange) && exchange.is_accepted())
            || (exchange.from == backend && is_answered_so())
    })
}

fn is_commit(exchange: &Exchange<'_>) -> bool {
    exchange.endpoint == "decision"
        && exchange.request_json().is_some_and(|body| body["decision"] == "commit")
}

/// Returns in words why the owner of a message's room decided without a user: it was restored to
/// before the user joined, and nothing has led it back to that before the message was sent.
pub(crate) fn lost_join(history: &History<'_>, message: &Message, user: &str) -> Option<String> {
    let conversation = message.conversation.as_str();
    let owner = history.owner_of(conversation);
    if history.delivery(conversation) != Delivery::M1 || history.backend_of(user) == owner {
        return None;
    }
    let stays = stays_of(history, user, conversation);
    let stay = stays.into_iter().find(|stay| stay.certain_at(message.began.n))?;
    let began = history.time_of(stay.possible_from);
    let joined = history.time_of(stay.certain_from.filter(|from| *from > 0)?);
    let mut losses = history.losses.iter().filter(|loss| {
        loss.machine == owner
            && (began..=message.began.at).contains(&loss.at)
            && loss.but_before.is_none_or(|kept| kept < joined)
    });
    let place = (owner, conversation);
    let loss = losses.find(|loss| !is_led_back(history, place, loss.at, message.began))?;
    let at = history.since_ready(loss.at);
    Some(format!("{owner} lost its disk at {at}, and forgot that {user} is in {conversation}"))
}

/// The sender's backend was never told that the user is in, as the one to tell it lost its disk.
fn untold_join(history: &History<'_>, message: &Message, user: &str) -> Option<String> {
    let (origin, backend) = (history.backend_of(&message.device), history.backend_of(user));
    let key = format!("m.room.member|@{user}:{backend}");
    let states = history.finals.states.get(&message.conversation)?;
    let [join, theirs] = [backend, origin].map(|it| states.get(it).and_then(|it| it.get(&key)));
    let join = join.filter(|join| theirs != Some(*join))?;
    let what = format!("that {user} is in {}", message.conversation);
    lost_on_its_way(history, (origin, &message.conversation), (join, &what))
}

/// The sender's backend lost the message with its disk, and the request with it that was to bring the
/// message to the device's backend. Whoever got it hands it on to nobody, but leads others to it with
/// what builds on it.
fn lost_before_it_came(history: &History<'_>, message: &Message, device: &str) -> Option<String> {
    let (origin, backend) = (history.backend_of(&message.device), history.backend_of(device));
    let conversation = message.conversation.as_str();
    if history.delivery(conversation) != Delivery::Eventual || origin == backend {
        return None;
    }
    let event = event_of(history, message)?;
    let loss = history.losses.iter().find(|loss| loss.loses(origin, message.began.at))?;
    let carriers = || history.carriers_of(&message.name).filter(|it| it.from == origin);
    let is_at_a_relay = carriers().any(|it| it.endpoint == "send_relay" && it.is_accepted());
    let is_attempt =
        |it: &&Exchange<'_>| it.endpoint == "send" && it.to == backend && it.sent.at <= loss.at;
    let attempts: Vec<_> = carriers().filter(is_attempt).collect();
    let outages = Outages::read(history);
    let way = (origin, message.began.at, backend);
    let was_on_its_way = was_on_its_way(&outages, &attempts, way, loss.at);
    let is_led_to_it =
        leading_to(history, (backend, conversation), message.began.at, event).any(|leading| {
            let place = (history.backend_of(&leading.device).to_owned(), conversation.to_owned());
            history.finals.timelines.get(&place).is_some_and(|events| events.contains(event))
        });
    let has_come = came_to(history, message, backend).is_some() || is_at_a_relay;
    if has_come || is_led_to_it || !was_on_its_way {
        return None;
    }
    let (name, at) = (&message.name, history.since_ready(loss.at));
    Some(format!("{origin} lost its disk at {at}, before {name} had come to {backend}"))
}

/// The device reads notifications, and came when this one had expired.
fn expired_notification(history: &History<'_>, message: &Message, device: &str) -> Option<String> {
    let user = history.scenario.users.get(user_of(device))?;
    let made = came_to(history, message, &user.backend)?;
    let kept = notification_time_to_live(history, &user.backend);
    let expired = made.saturating_add(kept);
    let end = history.journal.entries().last().map_or(Duration::ZERO, |entry| entry.at);
    if user.reads == Reads::Sync || end < expired || could_read(history, device, made, expired) {
        return None;
    }
    let kept = in_words(kept);
    Some(format!("{device} did not read {} in the {kept} for which it is kept", message.name))
}

/// Returns whether a device was answered between two moments, by its backend, a request for news that
/// it had made in that time.
fn could_read(history: &History<'_>, device: &str, from: Duration, to: Duration) -> bool {
    history.exchanges.iter().any(|exchange| {
        exchange.from == device
            && matches!(exchange.endpoint, "sync" | "notifications")
            && exchange.sent.at > from
            && exchange.answer_arrived.is_some_and(|arrived| arrived.at < to)
            && exchange.answer.is_some_and(|answer| matches!(answer.status, 200 | 404))
    })
}

/// Returns by when a message was certainly at a backend, for its devices to read.
fn came_to(history: &History<'_>, message: &Message, backend: &str) -> Option<Duration> {
    let ended = message.ended.as_ref().filter(|it| it.outcome == OpOutcome::Ok);
    let own = ended.filter(|_| history.backend_of(&message.device) == backend);
    let is_m1 = history.delivery(&message.conversation) == Delivery::M1;
    let carried = history.carriers_of(&message.name).filter(|exchange| match exchange.endpoint {
        "decision" | "on_message_sent" => exchange.is_accepted() && exchange.to == backend,
        // Who passes it on has it.
        "send" if exchange.from == backend => !is_m1,
        "client_send" | "send" => exchange.is_accepted() && exchange.to == backend && !is_m1,
        "relay_txn" | "get_missing_events" | "event" => exchange.from == backend && !is_m1,
        _ => false,
    });
    let carried = carried.filter_map(|exchange| {
        if exchange.endpoint == "send" && exchange.from == backend {
            Some(exchange.sent.at)
        } else if exchange.to == backend {
            Some(exchange.answer?.sent.at)
        } else {
            Some(exchange.answer_arrived?.at)
        }
    });
    own.map(|ended| ended.at.at).into_iter().chain(carried).min()
}

fn event_of<'h>(history: &'h History<'_>, message: &'h Message) -> Option<&'h str> {
    let ended = message.ended.as_ref().and_then(|ended| ended.event.as_deref());
    let seen = || history.sightings_of(&message.name).next().map(|seen| seen.event.as_str());
    ended.or_else(seen)
}

fn stays_of<'h>(history: &'h History<'_>, user: &str, conversation: &str) -> Vec<&'h Membership> {
    let stays = history.memberships.iter();
    stays.filter(|stay| stay.user == user && stay.conversation == conversation).collect()
}
