//! The meaning of the operations.

use std::{collections::BTreeMap, time::Duration};

use super::{Meaning, Sort, known};
use crate::{
    duration,
    language::{
        mistake::{Code, Mistake},
        names::closest,
    },
    scenario::{MOST_TIMES, Op, OpKind, Repeat},
};

/// Returns the names of the messages that an operation sends.
pub(super) fn messages(op: &Op) -> impl Iterator<Item = String> {
    // More than may be is a mistake, and not to be counted.
    let few =
        Op { repeat: Repeat { times: op.repeat.times.min(MOST_TIMES), ..op.repeat }, ..op.clone() };
    let ids: Vec<String> = few
        .occurrences()
        .filter_map(|op| match op.kind {
            OpKind::Send { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    ids.into_iter()
}

impl Meaning<'_> {
    pub(super) fn ops(&mut self) {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        let sent: Vec<String> = self.scenario.ops.iter().flat_map(messages).collect();
        for (n, op) in self.scenario.ops.iter().enumerate() {
            let at = format!("ops[{n}]");
            self.in_time(&format!("{at}.at"), "operation", op.at);
            self.repeated(&at, op);
            self.outcome(&at, op);
            match &op.kind {
                OpKind::Send { id, from, to, .. } => {
                    self.refers(&format!("{at}.send.from"), from, Sort::User);
                    self.refers(&format!("{at}.send.to"), to, Sort::Conversation);
                    self.sent(&format!("{at}.send.id"), id, op, &mut ids);
                }
                OpKind::Redact { message, by } => {
                    self.message(&format!("{at}.redact.message"), message, &sent);
                    self.refers(&format!("{at}.redact.by"), by, Sort::User);
                }
                OpKind::Typing { user, conversation } => {
                    self.member(&at, "typing", user, conversation);
                }
                OpKind::Logout { device } => self.device(&format!("{at}.logout.device"), device),
                OpKind::Fetch { user } => {
                    self.refers(&format!("{at}.fetch.user"), user, Sort::User);
                }
                OpKind::Join { user, conversation } => self.member(&at, "join", user, conversation),
                OpKind::Leave { user, conversation } => {
                    self.member(&at, "leave", user, conversation);
                }
                OpKind::Kick { user, by, conversation } => {
                    self.member_by(&at, "kick", (user, by), conversation);
                }
                OpKind::Ban { user, by, conversation } => {
                    self.member_by(&at, "ban", (user, by), conversation);
                }
                OpKind::Power { user, by, conversation, .. } => {
                    self.member_by(&at, "power", (user, by), conversation);
                }
                OpKind::State { kind, by, conversation, .. } => {
                    self.refers(&format!("{at}.state.by"), by, Sort::User);
                    self.refers(
                        &format!("{at}.state.conversation"),
                        conversation,
                        Sort::Conversation,
                    );
                    self.state_type(&format!("{at}.state.type"), kind);
                }
                OpKind::Invite { user, by, conversation } => {
                    self.member_by(&at, "invite", (user, by), conversation);
                }
                OpKind::Trespass { relay, victim } => {
                    self.refers(&format!("{at}.trespass.relay"), relay, Sort::Relay);
                    self.refers(&format!("{at}.trespass.victim"), victim, Sort::Backend);
                }
            }
        }
    }

    /// Checks the names of the messages that an operation sends, and keeps where they are used.
    fn sent(&mut self, at: &str, id: &str, op: &Op, ids: &mut BTreeMap<String, String>) {
        self.name(at, id);
        let twice = messages(op).find_map(|id| Some((ids.get(&id)?.clone(), id)));
        if let Some((first, id)) = twice {
            self.sent_twice(at, &id, &first);
        }
        for id in messages(op) {
            ids.entry(id).or_insert_with(|| at.to_owned());
        }
    }

    /// Notes a mistake if an operation is to end in some way, and nobody is told how it does.
    fn outcome(&mut self, at: &str, op: &Op) {
        if op.outcome.is_some() && matches!(op.kind, OpKind::Fetch { .. } | OpKind::Trespass { .. })
        {
            let mistake = Mistake::new(Code::BadValue, "this operation has no outcome")
                .label("how it must end")
                .help("leave it out: what a fetch or a trespass comes to is for checks to judge");
            self.report(&format!("{at}.outcome"), mistake);
        }
    }

    /// Checks that an operation sends this message.
    pub(super) fn message(&mut self, at: &str, id: &str, sent: &[String]) {
        if sent.iter().any(|sent| sent == id) || self.places.is_broken("ops") {
            return;
        }
        let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
        let help = match closest(id, sent.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if sent.is_empty() => {
                format!("add an operation such as send = {{ id = \"{id}\", .. }}")
            }
            None => known("message", "messages", &sent),
        };
        let mistake = Mistake::new(Code::UnknownMessage, format!("no operation sends `{id}`"))
            .label("not a message")
            .help(help);
        // Whatever else is wrong with the message, nobody sends it.
        self.report_anyway(at, mistake);
    }

    /// Checks that there is such a device.
    fn device(&mut self, at: &str, device: &str) {
        if device.contains('/') && self.scenario.has_machine(device)
            || self.places.is_broken("users")
            || self.is_full()
        {
            return;
        }
        let machines = self.scenario.machines();
        let devices = machines.iter().map(String::as_str).filter(|it| it.contains('/'));
        let devices: Vec<&str> = devices.collect();
        let help = match closest(device, devices.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => known("device", "devices", &devices),
        };
        let mistake = Mistake::new(Code::UnknownNode, format!("there is no device `{device}`"))
            .label("not a device")
            .help(help);
        self.report(at, mistake);
    }

    /// Notes a mistake if an operation is repeated that cannot be, or not so often, or for too long.
    fn repeated(&mut self, at: &str, op: &Op) {
        let Repeat { times, every } = op.repeat;
        if !(1..=MOST_TIMES).contains(&times) {
            let mistake =
                Mistake::new(Code::BadValue, format!("nothing can be done {times} times"))
                    .label("how often it is done")
                    .help(format!("write a whole number from 1 to {MOST_TIMES}"));
            self.report(&format!("{at}.times"), mistake);
        } else if times > 1 && matches!(op.kind, OpKind::Logout { .. }) {
            let mistake = Mistake::new(Code::BadValue, "a device logs out once")
                .label("how often it is done")
                .help("leave it out: every other operation can be repeated");
            self.report(&format!("{at}.times"), mistake);
        } else if times > 1 {
            self.in_time(&format!("{at}.every"), "last repetition", op.last());
        } else if times == 1 && !op.jitter.is_zero() {
            self.in_time(&format!("{at}.jitter"), "operation", op.last());
        } else if !every.is_zero() {
            let mistake = Mistake::new(Code::BadValue, "this is said of what is not repeated")
                .label("how long after each other it is done")
                .help("add `times`, or leave it out");
            self.report(&format!("{at}.every"), mistake);
        }
    }

    /// Checks that a type of state has no operation of its own, which says what it means.
    fn state_type(&mut self, at: &str, kind: &str) {
        const OWN: [(&str, &str); 3] = [
            ("m.room.create", "a conversation is created with the world: see [conversations]"),
            ("m.room.member", "write `join`, `invite`, `leave`, `kick` or `ban`"),
            ("m.room.power_levels", "write `power`"),
        ];
        if kind.is_empty() {
            let mistake = Mistake::new(Code::BadValue, "this state has no type")
                .label("the type is empty")
                .help("write, for example, type = \"m.room.topic\"");
            self.report(at, mistake);
        }
        if let Some((_, help)) = OWN.iter().find(|(own, _)| *own == kind) {
            let mistake =
                Mistake::new(Code::BadValue, format!("`{kind}` cannot be set by `state`"))
                    .label("this type has an operation of its own")
                    .help(*help);
            self.report(at, mistake);
        }
    }

    fn member(&mut self, at: &str, kind: &str, user: &str, conversation: &str) {
        self.refers(&format!("{at}.{kind}.user"), user, Sort::User);
        self.refers(&format!("{at}.{kind}.conversation"), conversation, Sort::Conversation);
    }

    /// Checks what one user does to another, or with a power level to himself.
    fn member_by(&mut self, at: &str, kind: &str, (user, by): (&str, &str), conversation: &str) {
        self.member(at, kind, user, conversation);
        self.refers(&format!("{at}.{kind}.by"), by, Sort::User);
        if user == by && kind != "power" && !user.is_empty() {
            let mistake =
                Mistake::new(Code::BadValue, format!("`{user}` cannot {kind} themselves"))
                    .label("the same user")
                    .help("write `leave`, or name somebody else");
            self.report(&format!("{at}.{kind}.by"), mistake);
        }
    }

    fn sent_twice(&mut self, at: &str, id: &str, first: &str) {
        let mut mistake =
            Mistake::new(Code::DuplicateName, format!("two messages are called `{id}`"))
                .label("used again")
                .help("give each message an id of its own");
        self.context(&mut mistake, first, "used first here".to_owned());
        self.report(at, mistake);
    }

    /// Notes a mistake if an operation or a fault begins after the limit.
    pub(super) fn in_time(&mut self, at: &str, what: &str, begins: Duration) {
        let limit = self.scenario.limit;
        // If the limit could not be read, this one is not the limit that was meant.
        if begins <= limit || self.places.is_broken("limit") {
            return;
        }
        let mut mistake =
            Mistake::new(Code::AfterLimit, format!("this {what} comes after the limit"))
                .label(format!("later than {}", duration::text(limit)))
                .help(format!(
                    "move it earlier, or write limit = \"{}\" or more",
                    duration::text(begins)
                ));
        self.context(&mut mistake, "limit", "the limit".to_owned());
        self.report(at, mistake);
    }
}
