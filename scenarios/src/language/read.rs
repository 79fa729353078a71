//! From a TOML document to a [`Scenario`]: the shape of the text, not yet its meaning.
//!
//! What cannot be read is noted and replaced by a default, so that one pass finds everything.

mod expect;
mod faults;
mod generate;
mod ops;
mod settings;
mod shorthand;
mod world;

use std::time::Duration;

use toml::de::DeTable;

pub(super) use self::{
    faults::trigger,
    shorthand::Online,
    world::{DELIVERIES, READS, latency},
};
use super::{
    mistake::{Code, Mistake},
    reader::Reader,
    table::{Item, Table, listed},
};
use crate::scenario::{Latency, Network, Scenario, Schedule};

/// The seed, unless the file says otherwise.
pub(super) const SEED: u64 = 1;
/// The time for operations and faults, unless the file says otherwise.
pub(super) const LIMIT: Duration = Duration::from_mins(1);
/// The time to settle, unless the file says otherwise or has a longer limit.
pub(super) const SETTLE: Duration = Duration::from_mins(2);
/// The most time to settle, unless the file says otherwise: servers that were cut off for hours try
/// again after an hour, by their longest back-off, and a fifth of it by chance.
const SETTLE_AFTER_HOURS: Duration = Duration::from_mins(75);
/// The delay of every link, unless the file says otherwise.
pub(super) const LATENCY: Duration = Duration::from_millis(5);

/// Reads the whole document; `seed` takes the place of the one in it.
pub(super) fn scenario(document: &DeTable<'_>, seed: Option<u64>, reader: &mut Reader) -> Scenario {
    let mut table = Table::new(String::new(), 0..0, document);
    let mut scenario = Scenario::empty("");
    reader.places.put("", 0..0);
    if let Some(name) = table.need("name", reader) {
        scenario.name = reader.text(&name).unwrap_or_default();
    }
    if let Some(about) = table.take("about", reader) {
        scenario.about = reader.text(&about).unwrap_or_default();
    }
    if let Some(tags) = table.take("tags", reader) {
        scenario.tags = reader.texts(&tags);
    }
    if let Some(seed) = table.take("seed", reader) {
        scenario.seed = reader.whole(&seed).unwrap_or(SEED);
    }
    scenario.seed = seed.unwrap_or(scenario.seed);
    if let Some(limit) = table.take("limit", reader) {
        scenario.limit = reader.duration(&limit).unwrap_or(LIMIT);
    }
    // Back-off grows with the outage, which can be as long as the limit.
    scenario.settle = scenario.limit.min(SETTLE_AFTER_HOURS).max(SETTLE);
    if let Some(settle) = table.take("settle", reader) {
        scenario.settle = reader.duration(&settle).unwrap_or(SETTLE);
    }
    if let Some(schedule) = table.take("schedule", reader) {
        scenario.schedule = world::schedule(&schedule, reader).unwrap_or_default();
    }
    if let Some(network) = table.take("network", reader) {
        scenario.network = world::network(&network, reader);
    }
    sections(&mut table, &mut scenario, reader);
    table.done(reader);
    scenario
}

fn sections(table: &mut Table<'_>, scenario: &mut Scenario, reader: &mut Reader) {
    if let Some(backends) = table.take("backends", reader) {
        scenario.backends = world::each(&backends, reader, world::backend);
    }
    if let Some(relays) = table.take("relays", reader) {
        scenario.relays = world::each(&relays, reader, world::relay);
    }
    if let Some(users) = table.take("users", reader) {
        scenario.users = world::each(&users, reader, world::user);
    }
    if let Some(conversations) = table.take("conversations", reader) {
        scenario.conversations = world::each(&conversations, reader, world::conversation);
    }
    if let Some(list) = table.take("ops", reader) {
        ops::all(&list, &mut scenario.ops, reader);
    }
    if let Some(list) = table.take("faults", reader) {
        faults::all(&list, &mut scenario.faults, reader);
    }
    shorthand::absences(scenario, reader);
    if let Some(expect) = table.take("expect", reader) {
        scenario.expect = expect::expect(&expect, reader);
    }
    if let Some(generate) = table.take("generate", reader) {
        generate::expand(&generate, scenario, reader);
    }
}

impl Scenario {
    /// Returns a scenario that has nothing but defaults.
    pub(crate) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            about: String::new(),
            tags: Vec::new(),
            seed: SEED,
            limit: LIMIT,
            settle: SETTLE,
            schedule: Schedule::default(),
            network: Network { latency: Latency::Fixed(LATENCY), loss: 0.0 },
            backends: [].into(),
            relays: [].into(),
            users: [].into(),
            conversations: [].into(),
            ops: Vec::new(),
            faults: Vec::new(),
            expect: crate::scenario::Expect::default(),
        }
    }
}

/// Returns the one key of `kinds` that the table has. This finishes the table: everything else must
/// have been taken before.
pub(super) fn one_kind<'d>(
    table: &mut Table<'d>,
    kinds: &[&'static str],
    what: &str,
    reader: &mut Reader,
) -> Option<(&'static str, Item<'d>)> {
    let mut found: Vec<_> =
        kinds.iter().filter_map(|kind| Some((*kind, table.take(kind, reader)?))).collect();
    table.done(reader);
    let misspelled = kinds.iter().any(|kind| reader.places.is_broken(&table.path(kind)));
    match found.len() {
        1 => found.pop(),
        0 if misspelled => None,
        0 => {
            let mistake =
                Mistake::new(Code::NotOneKind, format!("the kind of this {what} is missing"))
                    .label(format!("no kind of {what} here"))
                    .help(format!("give exactly one of {}", listed(kinds)));
            reader.mistakes.push(mistake.spanning(&table.at, table.span.clone()));
            None
        }
        _ => {
            let names: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
            let mut mistake = Mistake::new(
                Code::NotOneKind,
                format!("this {what} has more than one kind: {}", listed(&names)),
            )
            .label("and this one")
            .help(format!("keep only one of {}", listed(&names)));
            mistake.context.push((found[0].1.span.clone(), "this kind".to_owned()));
            let second = &found[1].1;
            reader.mistakes.push(mistake.spanning(&second.at, second.span.clone()));
            None
        }
    }
}
