//! What a delivery policy gives and what it costs: how many messages are accepted, delivered,
//! refused, or stay partial, how long they take, and how much is sent and stored for them.

use std::collections::{BTreeMap, BTreeSet};

use journal::{Event, Recording};

use crate::{
    Record,
    record::{Message, OpOutcome, Presence, Verdict},
};

/// The figures of all runs under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Runs that came to an end.
    pub runs: u64,
    /// Runs whose verdict is unknown; what they counted is in the figures all the same.
    pub unknown: u64,
    /// Messages that clients sent.
    pub sent: u64,
    /// Sends that were answered with ok.
    pub accepted: u64,
    /// Sends that were certainly refused.
    pub refused: u64,
    /// Sends whose outcome their client never learned.
    pub unanswered: u64,
    /// Messages that every member's devices showed in the end.
    pub delivered: u64,
    /// Messages that the devices of some backends showed, and those of others never.
    pub partial: u64,
    /// Requests between servers.
    pub requests: u64,
    /// Bytes of the bodies of these requests and of their answers.
    pub bytes: u64,
    /// Bytes that servers made durable.
    pub durable_bytes: u64,
    /// Times from a send to its first sight on each other device, in nanoseconds, in order.
    delays: BTreeMap<u64, u64>,
}

impl Price {
    /// Takes in one run.
    pub fn add(&mut self, record: &Record, recording: &Recording) {
        self.runs += 1;
        self.unknown += u64::from(record.verdict == Verdict::Unknown);
        for message in &record.messages {
            self.add_message(message);
        }
        let servers: BTreeSet<&str> = record
            .nodes
            .iter()
            .filter(|node| node.kind != crate::record::MachineKind::Device)
            .map(|node| node.name.as_str())
            .collect();
        self.add_journal(&servers, recording);
    }

    fn add_message(&mut self, message: &Message) {
        self.sent += 1;
        match message.outcome {
            OpOutcome::Ok => self.accepted += 1,
            OpOutcome::Refused => self.refused += 1,
            OpOutcome::Indefinite => self.unanswered += 1,
        }
        let expected = || message.copies.iter().filter(|copy| copy.presence == Presence::Member);
        let others = || expected().filter(|copy| copy.device != message.from);
        self.delivered += u64::from(others().all(|copy| copy.seen_ns.is_some()));
        let of_backends = |seen: bool| -> BTreeSet<&str> {
            let copies = others().filter(|copy| copy.seen_ns.is_some() == seen);
            copies.map(|copy| copy.backend.as_str()).collect()
        };
        let (shown, missing) = (of_backends(true), of_backends(false));
        let some_never = missing.difference(&shown).next().is_some();
        self.partial += u64::from(!shown.is_empty() && some_never);
        for seen in others().filter_map(|copy| copy.seen_ns) {
            *self.delays.entry(seen.saturating_sub(message.sent_ns)).or_default() += 1;
        }
    }

    fn add_journal(&mut self, servers: &BTreeSet<&str>, recording: &Recording) {
        for entry in recording.journal.entries() {
            if !servers.contains(&*entry.machine) {
                continue;
            }
            match &entry.event {
                Event::RequestSent(request) if servers.contains(&*request.to) => {
                    self.requests += 1;
                    self.bytes += request.body.len() as u64;
                }
                Event::AnswerSent(answer) if servers.contains(&*answer.to) => {
                    self.bytes += answer.body.len() as u64;
                }
                Event::DiskSynced { bytes, .. } => self.durable_bytes += bytes,
                _ => {}
            }
        }
    }

    /// Takes in the figures of other runs.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.unknown += other.unknown;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.delivered += other.delivered;
        self.partial += other.partial;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.durable_bytes += other.durable_bytes;
        for (delay, times) in &other.delays {
            *self.delays.entry(*delay).or_default() += times;
        }
    }

    /// Returns the delay, in nanoseconds, that `percent` percent of all first sights did not
    /// exceed; none if nothing was seen.
    pub fn delay(&self, percent: u64) -> Option<u64> {
        let count: u64 = self.delays.values().sum();
        let wanted = (count * percent).div_ceil(100).max(1);
        let mut so_far = 0;
        self.delays.iter().find_map(|(delay, times)| {
            so_far += times;
            (so_far >= wanted).then_some(*delay)
        })
    }

    /// Returns every delay in nanoseconds with the number of first sights that took it, shortest
    /// first.
    pub fn delays(&self) -> impl Iterator<Item = (u64, u64)> {
        self.delays.iter().map(|(delay, times)| (*delay, *times))
    }
}

#[cfg(test)]
mod tests {
    use super::Price;
    use crate::record::{Copy, Message, OpOutcome, Presence};

    fn copy(device: &str, backend: &str, seen_ns: Option<u64>) -> Copy {
        let (device, backend) = (device.to_owned(), backend.to_owned());
        let times = u32::from(seen_ns.is_some());
        Copy { device, backend, seen_ns, times, presence: Presence::Member }
    }

    fn message(outcome: OpOutcome, copies: Vec<Copy>) -> Message {
        Message {
            id: "m1".to_owned(),
            from: "alice/1".to_owned(),
            backend: "a".to_owned(),
            conversation: "team".to_owned(),
            sent_ns: 10,
            answered_ns: None,
            outcome,
            unreachable: Vec::new(),
            failed_to_send: Vec::new(),
            copies,
        }
    }

    #[test]
    fn a_message_that_one_backend_never_shows_is_partial_and_not_delivered() {
        let mut price = Price::default();
        let copies = |carol| vec![copy("bob/1", "b", Some(30)), copy("carol/1", "c", carol)];
        price.add_message(&message(OpOutcome::Ok, copies(None)));
        assert_eq!((price.sent, price.accepted, price.delivered, price.partial), (1, 1, 0, 1));
        price.add_message(&message(OpOutcome::Refused, copies(Some(50))));
        assert_eq!((price.sent, price.refused, price.delivered, price.partial), (2, 1, 1, 1));
    }

    #[test]
    fn a_percentile_is_the_delay_that_so_many_do_not_exceed() {
        let mut price = Price::default();
        assert_eq!(price.delay(50), None);
        for seen in [20, 30, 40, 50] {
            price.add_message(&message(OpOutcome::Ok, vec![copy("bob/1", "b", Some(seen))]));
        }
        assert_eq!(
            [1, 50, 75, 100].map(|percent| price.delay(percent)),
            [Some(10), Some(20), Some(30), Some(40)]
        );
    }
}
