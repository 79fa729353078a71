//! Reads `[generate]` and puts what it stands for into the scenario.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use super::world::{DELIVERIES, READS};
use crate::{
    language::{
        generate::{CALM, MOST_MACHINES, MOST_SENDS, Plan, REST},
        mistake::{Code, Mistake},
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Delivery, Reads, Scenario},
};

/// How long a crashed machine is down, unless the file says otherwise.
const DOWN_FOR: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(40));
/// How often a client repeats, unless the file says otherwise.
const RETRIES: u32 = 1;

/// Adds the generated world to what is written out.
pub(super) fn expand(item: &Item<'_>, scenario: &mut Scenario, reader: &mut Reader) {
    let before = reader.mistakes.len();
    let plan = plan(item, scenario.limit, reader);
    // A plan with a mistake in it may stand for far too much.
    let (Some(plan), true) = (plan, reader.mistakes.len() == before) else {
        for section in ["backends", "relays", "users", "conversations", "ops"] {
            reader.places.mark_broken(section);
        }
        return;
    };
    let world = plan.world(scenario.seed);
    merge(item, &mut scenario.backends, world.backends, reader);
    merge(item, &mut scenario.relays, world.relays, reader);
    merge(item, &mut scenario.users, world.users, reader);
    merge(item, &mut scenario.conversations, world.conversations, reader);
    scenario.ops.extend(world.ops);
    scenario.faults.extend(world.faults);
}

fn merge<T>(
    item: &Item<'_>,
    written: &mut BTreeMap<String, T>,
    generated: BTreeMap<String, T>,
    reader: &mut Reader,
) {
    for (name, value) in generated {
        match written.entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(place) => {
                let message = format!("`{}` is both written out and generated", place.key());
                let mistake = Mistake::new(Code::DuplicateName, message)
                    .label("generated here")
                    .help("rename the one that is written out");
                reader.mistakes.push(mistake.spanning(&item.at, item.span.clone()));
            }
        }
    }
}

fn plan(item: &Item<'_>, limit: Duration, reader: &mut Reader) -> Option<Plan> {
    let mut table = reader.table(item)?;
    let plan = Plan {
        backends: table.need("backends", reader).and_then(|i| reader.whole(&i)).unwrap_or(1),
        rooms_of: table.need("rooms-of", reader).and_then(|i| reader.whole(&i)).unwrap_or(1),
        delivery: table
            .take("delivery", reader)
            .and_then(|i| reader.choice(&i, DELIVERIES))
            .unwrap_or(Delivery::Eventual),
        sends_per_second: table
            .need("sends-per-second", reader)
            .and_then(|i| reader.number(&i))
            .unwrap_or(1.0),
        retries: table.take("retries", reader).and_then(|i| reader.whole(&i)).unwrap_or(RETRIES),
        lasts: table.need("for", reader).and_then(|i| reader.duration(&i)).unwrap_or_default(),
        crashes_every: table.take("crashes-every", reader).and_then(|i| reader.duration(&i)),
        down_for: down_for(&mut table, reader),
        rest: table.take("rest", reader).and_then(|i| reader.duration(&i)).unwrap_or(REST),
        calm: table.take("calm", reader).and_then(|i| reader.duration(&i)).unwrap_or(CALM),
        relays: table.take("relays", reader).and_then(|i| reader.whole(&i)).unwrap_or(0),
        reads: table
            .take("reads", reader)
            .and_then(|i| reader.choice(&i, READS))
            .unwrap_or(Reads::Sync),
    };
    table.done(reader);
    sense(&plan, &table, limit, reader);
    Some(plan)
}

fn down_for(table: &mut Table<'_>, reader: &mut Reader) -> (Duration, Duration) {
    let Some(item) = table.take("down-for", reader) else { return DOWN_FOR };
    let ends: Vec<_> = reader.list(&item).unwrap_or_default();
    let ends: Vec<_> = ends.iter().filter_map(|end| reader.duration(end)).collect();
    match ends.as_slice() {
        [low, high] if low <= high && !low.is_zero() => (*low, *high),
        _ => {
            let mistake = Mistake::new(Code::BadValue, format!("`{}` must be a range", item.at))
                .label("expected two durations above 0, the shorter one first")
                .help("write, for example, down-for = [\"5s\", \"40s\"]");
            reader.broken(&item, mistake);
            DOWN_FOR
        }
    }
}

/// Checks the bounds that keep a small table from standing for an endless world.
fn sense(plan: &Plan, table: &Table<'_>, limit: Duration, reader: &mut Reader) {
    let sends = plan.sends_per_second * plan.lasts.as_secs_f64();
    let machines = plan.backends.saturating_add(plan.relays);
    let most_machines = format!("at most {MOST_MACHINES} backends and relays together");
    let most_sends = format!("at most {MOST_SENDS} messages in all");
    let crashes = plan.crashes_every != Some(Duration::ZERO);
    let at_least = |every| plan.down_for.1.saturating_add(plan.calm).saturating_add(every);
    let is_broken = |key: &str| reader.places.is_broken(&table.path(key));
    let is_unknown = plan.lasts.is_zero() || ["for", "down-for", "calm"].into_iter().any(is_broken);
    let fits = plan.crashes_every.is_none_or(|every| at_least(every) <= plan.lasts);
    let has_room = fits || is_unknown;
    let rules = [
        ("backends", plan.backends > 0, "at least one backend", "write 1 or more"),
        (
            "backends",
            machines <= MOST_MACHINES,
            most_machines.as_str(),
            "lower `backends` or `relays`",
        ),
        ("rooms-of", plan.rooms_of > 0, "at least one user in a room", "write 1 or more"),
        ("sends-per-second", plan.sends_per_second > 0.0, "a number above 0", "write, say, 2.0"),
        (
            "sends-per-second",
            sends <= MOST_SENDS,
            most_sends.as_str(),
            "lower it, or shorten `for`",
        ),
        ("for", plan.lasts <= limit, "no more than `limit`", "shorten it, or raise `limit`"),
        ("crashes-every", crashes, "a duration above 0", "leave it out for no crashes"),
        (
            "crashes-every",
            has_room,
            "room for one crash within `for`: this, the longest of `down-for`, and `calm`",
            "lengthen `for`, or shorten one of the three",
        ),
    ];
    for (key, holds, expected, help) in rules {
        let at = table.path(key);
        // This also catches NaN, which is neither more nor less than anything.
        if holds || reader.places.is_broken(&at) {
            continue;
        }
        let span = reader.places.find(&at).unwrap_or_else(|| table.span.clone());
        let mistake = Mistake::new(Code::BadValue, format!("`{at}` is out of range"))
            .label(format!("expected {expected}"))
            .help(help);
        reader.mistakes.push(mistake.spanning(&at, span));
    }
}
