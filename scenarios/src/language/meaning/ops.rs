//! The meaning of the operations.

use std::{collections::BTreeMap, time::Duration};

use super::{Meaning, Sort};
use crate::{
    duration,
    language::mistake::{Code, Mistake},
    scenario::OpKind,
};

impl Meaning<'_> {
    pub(super) fn ops(&mut self) {
        let mut ids: BTreeMap<&str, String> = BTreeMap::new();
        for (n, op) in self.scenario.ops.iter().enumerate() {
            let at = format!("ops[{n}]");
            self.in_time(&format!("{at}.at"), "operation", op.at);
            match &op.kind {
                OpKind::Send { id, from, to, .. } => {
                    self.refers(&format!("{at}.send.from"), from, Sort::User);
                    self.refers(&format!("{at}.send.to"), to, Sort::Conversation);
                    let at = format!("{at}.send.id");
                    self.name(&at, id);
                    if let Some(first) = ids.get(id.as_str()) {
                        self.sent_twice(&at, id, first);
                    } else {
                        ids.insert(id, at);
                    }
                }
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
                OpKind::Trespass { relay, victim } => {
                    self.refers(&format!("{at}.trespass.relay"), relay, Sort::Relay);
                    self.refers(&format!("{at}.trespass.victim"), victim, Sort::Backend);
                }
            }
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
