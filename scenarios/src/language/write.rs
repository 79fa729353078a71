//! The canonical text of a scenario: what [`super::parse`] reads back as the same scenario.

use std::fmt::{Display, Write as _};

use settings::{Choices, HOMESERVER, RELAY, Settings};

use super::{
    faults,
    read::{DELIVERIES, READS},
};
use crate::{
    duration,
    scenario::{
        Backend, Conversation, Expect, Fault, Latency, MessageExpectation, Op, OpKind, Reads,
        Relay, Repeat, Scenario, Schedule, User, When,
    },
};

/// Writes everything out, except that inline tables leave out what has its default.
pub(super) fn scenario(scenario: &Scenario) -> String {
    let mut text = Text::default();
    text.line("name", quoted(&scenario.name));
    text.line("about", quoted(&scenario.about));
    if !scenario.tags.is_empty() {
        text.line("tags", list(&scenario.tags));
    }
    text.line("seed", scenario.seed);
    text.line("limit", quoted(&duration::text(scenario.limit)));
    text.line("settle", quoted(&duration::text(scenario.settle)));
    if !scenario.schedule.is_fixed() {
        text.line("schedule", schedule(scenario.schedule));
    }
    text.header("[network]");
    text.line("latency", latency(scenario.network.latency));
    text.line("loss", number(scenario.network.loss));
    text.section("[backends]", &scenario.backends, backend);
    text.section("[relays]", &scenario.relays, relay);
    text.section("[users]", &scenario.users, user);
    text.section("[conversations]", &scenario.conversations, conversation);
    for op in &scenario.ops {
        text.op(op);
    }
    for fault in &scenario.faults {
        text.fault(fault);
    }
    text.expect(&scenario.expect);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, key: &str, value: impl Display) {
        writeln!(self.0, "{} = {value}", bare(key)).expect("a String takes all text");
    }

    fn header(&mut self, header: &str) {
        writeln!(self.0, "\n{header}").expect("a String takes all text");
    }

    fn section<'s, T: 's>(
        &mut self,
        header: &str,
        entries: impl IntoIterator<Item = (&'s String, &'s T)>,
        one: fn(&T) -> Inline,
    ) {
        for (n, (name, value)) in entries.into_iter().enumerate() {
            if n == 0 {
                self.header(header);
            }
            self.line(name, one(value).text());
        }
    }

    fn op(&mut self, op: &Op) {
        self.header("[[ops]]");
        self.line("at", quoted(&duration::text(op.at)));
        if op.repeat != Repeat::default() {
            self.line("times", op.repeat.times);
            if !op.repeat.every.is_zero() {
                self.line("every", quoted(&duration::text(op.repeat.every)));
            }
        }
        if !op.jitter.is_zero() {
            self.line("jitter", quoted(&duration::text(op.jitter)));
        }
        if let Some(outcome) = &op.outcome {
            self.line("outcome", quoted(outcome.word()));
        }
        let (kind, body) = op_kind(&op.kind);
        self.line(kind, body.text());
    }

    fn fault(&mut self, fault: &Fault) {
        self.header("[[faults]]");
        for (key, name) in [("id", &fault.id), ("after", &fault.after)] {
            if let Some(name) = name {
                self.line(key, quoted(name));
            }
        }
        match &fault.when {
            When::At(at) => self.line("at", quoted(&duration::text(*at))),
            trigger @ (When::Exchange { .. } | When::Disk { .. }) => {
                self.line("when", when(trigger).text());
            }
        }
        if let Some(lasts) = fault.lasts {
            self.line("for", quoted(&duration::text(lasts)));
        }
        self.line(fault.kind.key(), faults::write(&fault.kind).text());
    }

    fn expect(&mut self, expect: &Expect) {
        let lists = [
            ("only", &expect.only),
            ("always", &expect.always),
            ("eventually", &expect.eventually),
            ("sometimes", &expect.sometimes),
            ("violates", &expect.violates),
        ];
        if lists.iter().any(|(_, checks)| !checks.is_empty()) {
            self.header("[expect]");
        }
        for (key, checks) in lists {
            if !checks.is_empty() {
                self.line(key, list(checks));
            }
        }
        self.section("[expect.messages]", &expect.messages, message);
    }
}

/// A table on one line.
#[derive(Default)]
pub(super) struct Inline(Vec<String>);

impl Inline {
    pub(super) fn put(mut self, key: &str, value: impl Display) -> Self {
        self.0.push(format!("{} = {value}", bare(key)));
        self
    }

    pub(super) fn text_at(self, key: &str, text: &str) -> Self {
        self.put(key, quoted(text))
    }

    /// Adds a key only if its value is not the default.
    pub(super) fn put_if(self, differs: bool, key: &str, value: impl Display) -> Self {
        if differs { self.put(key, value) } else { self }
    }

    pub(super) fn put_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    /// Adds what is set of a server, in the order of its configuration.
    fn settings(self, known: &Settings, chosen: &Choices) -> Self {
        known.settings.iter().fold(self, |inline, setting| {
            inline.put_some(setting.key, chosen.get(setting.key).map(|it| setting.text(it)))
        })
    }

    pub(super) fn text(&self) -> String {
        if self.0.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", self.0.join(", ")) }
    }
}

fn backend(backend: &Backend) -> Inline {
    Inline::default()
        .put_if(!backend.relays.is_empty(), "relays", list(&backend.relays))
        .put_if(backend.relays_learned, "relays-learned", true)
        .settings(&HOMESERVER, &backend.settings)
}

fn relay(relay: &Relay) -> Inline {
    Inline::default().settings(&RELAY, &relay.settings)
}

fn user(user: &User) -> Inline {
    Inline::default()
        .text_at("backend", &user.backend)
        .put_if(user.devices != 1, "devices", user.devices)
        .put_if(user.reads != Reads::default(), "reads", word(READS, user.reads))
}

fn conversation(conversation: &Conversation) -> Inline {
    Inline::default()
        .text_at("creator", &conversation.creator)
        .put_if(!conversation.members.is_empty(), "members", list(&conversation.members))
        .put("delivery", word(DELIVERIES, conversation.delivery))
}

fn op_kind(kind: &OpKind) -> (&'static str, Inline) {
    let body = Inline::default();
    match kind {
        OpKind::Send { id, from, to, text, content, retries } => {
            let body = body.text_at("id", id).text_at("from", from).text_at("to", to);
            let body = body.put_if(text != id, "text", quoted(text));
            let content = (!content.is_empty()).then(|| toml::Value::Table(content.clone()));
            let body = body.put_some("content", content.map(|content| value(&content)));
            ("send", body.put_if(*retries != 0, "retries", retries))
        }
        OpKind::Redact { message, by } => {
            ("redact", body.text_at("message", message).text_at("by", by))
        }
        OpKind::Typing { user, conversation } => {
            ("typing", body.text_at("user", user).text_at("conversation", conversation))
        }
        OpKind::Logout { device } => ("logout", body.text_at("device", device)),
        OpKind::Fetch { user } => ("fetch", body.text_at("user", user)),
        OpKind::Join { user, conversation } => {
            ("join", body.text_at("user", user).text_at("conversation", conversation))
        }
        OpKind::Leave { user, conversation } => {
            ("leave", body.text_at("user", user).text_at("conversation", conversation))
        }
        OpKind::Kick { user, by, conversation } => (
            "kick",
            body.text_at("user", user).text_at("by", by).text_at("conversation", conversation),
        ),
        OpKind::Ban { user, by, conversation } => (
            "ban",
            body.text_at("user", user).text_at("by", by).text_at("conversation", conversation),
        ),
        OpKind::Power { user, level, by, conversation } => {
            let body = body.text_at("user", user).put("level", level);
            ("power", body.text_at("by", by).text_at("conversation", conversation))
        }
        OpKind::State { kind, key, content, by, conversation } => {
            let body = body.text_at("by", by).text_at("conversation", conversation);
            let body = body.text_at("type", kind).put_if(!key.is_empty(), "key", quoted(key));
            ("state", body.put("content", value(&toml::Value::Table(content.clone()))))
        }
        OpKind::Invite { user, by, conversation } => (
            "invite",
            body.text_at("user", user).text_at("by", by).text_at("conversation", conversation),
        ),
        OpKind::Trespass { relay, victim } => {
            ("trespass", body.text_at("relay", relay).text_at("victim", victim))
        }
    }
}

pub(super) fn when(when: &When) -> Inline {
    let body = Inline::default();
    match when {
        When::At(at) => body.text_at("at", &duration::text(*at)),
        When::Exchange { moment, endpoints, from, to, nth } => {
            let endpoints = match endpoints.as_slice() {
                [one] => quoted(one),
                several => list(several),
            };
            body.put(moment.word(), endpoints)
                .put_some("from", from.as_deref().map(quoted))
                .put_some("to", to.as_deref().map(quoted))
                .put_if(*nth != 1, "nth", nth)
        }
        When::Disk { operation, node, nth } => {
            body.text_at(operation.word(), node).put_if(*nth != 1, "nth", nth)
        }
    }
}

fn message(message: &MessageExpectation) -> Inline {
    Inline::default()
        .put_some("outcome", message.outcome.as_ref().map(|outcome| quoted(outcome.word())))
        .put_some("unreachable", message.unreachable.as_deref().map(list))
        .put_some("seen-by", message.seen_by.as_deref().map(list))
        .put_some("within", message.within.map(|within| quoted(&duration::text(within))))
}

pub(super) fn latency(latency: Latency) -> String {
    match latency {
        Latency::Fixed(delay) => quoted(&duration::text(delay)),
        Latency::Uniform(low, high) => {
            let ends = [duration::text(low), duration::text(high)];
            Inline::default().put("uniform", list(&ends)).text()
        }
    }
}

fn schedule(schedule: Schedule) -> String {
    match schedule {
        Schedule::Fixed | Schedule::Random => quoted(&schedule.to_string()),
        Schedule::Priorities(depth) => Inline::default().put("priorities", depth).text(),
    }
}

/// Returns the word for a value of a closed set, quoted.
pub(super) fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    let (word, _) =
        words.iter().find(|(_, known)| *known == value).expect("every value has a word");
    quoted(word)
}

/// Returns what an event holds on one line.
fn value(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(values) => {
            let values: Vec<_> = values.iter().map(self::value).collect();
            format!("[{}]", values.join(", "))
        }
        toml::Value::Table(entries) => {
            let put =
                |inline: Inline, (key, entry): (&String, _)| inline.put(key, self::value(entry));
            entries.iter().fold(Inline::default(), put).text()
        }
        other => other.to_string(),
    }
}

/// Returns a float as text that TOML reads back exactly.
pub(super) fn number(number: f64) -> String {
    format!("{number:?}")
}

pub(super) fn list(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

/// Returns a key as it is, or quoted where TOML requires it.
fn bare(key: &str) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    if !key.is_empty() && key.bytes().all(plain) { key.to_owned() } else { quoted(key) }
}

/// Returns a basic string on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).expect("a String takes all text");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
