//! Reads what is broken, and when.

use std::time::Duration;

use toml::de::DeValue;

use super::{one_kind, world};
use crate::{
    language::{
        mistake::{Code, Mistake},
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Fault, FaultKind, Moment, When},
};

/// The keys of which a fault has exactly one.
const KINDS: &[&str] = &["partition", "split", "link", "crash", "kill", "pause", "disk"];

/// The keys of which a trigger has exactly one.
pub(in crate::language) const MOMENTS: &[(&str, Moment)] =
    &[("sent", Moment::Sent), ("arrived", Moment::Arrived), ("answered", Moment::Answered)];

/// Reads all faults; those without a kind or a time are left out.
pub(super) fn all(list: &Item<'_>, faults: &mut Vec<Fault>, reader: &mut Reader) {
    for item in reader.list(list).unwrap_or_default() {
        // Places are counted as the scenario counts, not as the file does.
        let at = format!("faults[{}]", faults.len());
        reader.places.put(&at, item.span.clone());
        match one(&Item { at: at.clone(), ..item }, reader) {
            Some(fault) => faults.push(fault),
            None => reader.places.forget(&at),
        }
    }
}

fn one(item: &Item<'_>, reader: &mut Reader) -> Option<Fault> {
    let mut table = reader.table(item)?;
    let at = table.take("at", reader);
    let trigger = table.take("when", reader);
    let lasts = table.take("for", reader);
    let kind = one_kind(&mut table, KINDS, "fault", reader);
    let when = when(&table, at.as_ref(), trigger.as_ref(), reader);
    let lasts = lasts.and_then(|lasts| reader.duration(&lasts));
    let kind = kind.and_then(|(kind, body)| fault_kind(kind, &body, reader));
    // A beginning that cannot be read must not hide what else is wrong with this fault.
    let when = when.unwrap_or(When::At(Duration::ZERO));
    Some(Fault { when, lasts, kind: kind? })
}

fn when(
    table: &Table<'_>,
    at: Option<&Item<'_>>,
    trigger: Option<&Item<'_>>,
    reader: &mut Reader,
) -> Option<When> {
    match (at, trigger) {
        (Some(at), None) => Some(When::At(reader.duration(at).unwrap_or_default())),
        (None, Some(trigger)) => exchange(trigger, reader),
        (None, None) if reader.places.is_broken(&table.path("when")) => None,
        (None, None) if reader.places.is_broken(&table.path("at")) => None,
        (at, _) => {
            let both = at.is_some();
            let message =
                if both { "this fault has two beginnings" } else { "this fault has no beginning" };
            let label =
                if both { "`at` and `when` exclude each other" } else { "neither `at` nor `when`" };
            let mistake = Mistake::new(Code::NotOneKind, message).label(label).help(
                "give either at = \"5s\" or when = { sent = \"send\", from = \"a\", to = \"b\" }",
            );
            let span = trigger.map_or_else(|| table.span.clone(), |trigger| trigger.span.clone());
            reader.mistakes.push(mistake.spanning(&table.at, span));
            let _ = at.and_then(|at| reader.duration(at));
            trigger.and_then(|trigger| exchange(trigger, reader))
        }
    }
}

fn exchange(trigger: &Item<'_>, reader: &mut Reader) -> Option<When> {
    let mut table = reader.table(trigger)?;
    let from = table.take("from", reader).and_then(|item| reader.text(&item));
    let to = table.take("to", reader).and_then(|item| reader.text(&item));
    let nth = table.take("nth", reader).and_then(|item| reader.whole(&item));
    let moments: Vec<_> = MOMENTS.iter().map(|(word, _)| *word).collect();
    let (word, item) = one_kind(&mut table, &moments, "trigger", reader)?;
    let (_, moment) = MOMENTS.iter().find(|(known, _)| *known == word)?;
    let endpoints = match item.value {
        DeValue::Array(_) => reader.texts(&item),
        // One word is short for a list of one.
        _ => reader.text(&item).into_iter().collect(),
    };
    Some(When::Exchange { moment: *moment, endpoints, from, to, nth: nth.unwrap_or(1) })
}

fn fault_kind(kind: &str, body: &Item<'_>, reader: &mut Reader) -> Option<FaultKind> {
    let mut table = reader.table(body)?;
    let fault = match kind {
        "partition" => FaultKind::Partition {
            between: group(&mut table, "between", reader),
            and: group(&mut table, "and", reader),
            one_way: flag(&mut table, "one-way", reader),
        },
        "split" => FaultKind::Split { groups: groups(&mut table, reader) },
        "link" => FaultKind::Link {
            between: group(&mut table, "between", reader),
            and: group(&mut table, "and", reader),
            one_way: flag(&mut table, "one-way", reader),
            latency: table.take("latency", reader).and_then(|item| world::latency(&item, reader)),
            loss: table.take("loss", reader).and_then(|item| reader.number(&item)),
        },
        "crash" => FaultKind::Crash {
            node: node(&mut table, reader),
            keep_disk: table
                .take("disk", reader)
                .and_then(|item| reader.choice(&item, &[("lose-unsynced", false), ("keep", true)]))
                .unwrap_or(false),
        },
        "kill" => FaultKind::Kill { node: node(&mut table, reader) },
        "pause" => FaultKind::Pause { node: node(&mut table, reader) },
        _ => FaultKind::Disk {
            node: node(&mut table, reader),
            full: flag(&mut table, "full", reader),
            failing: flag(&mut table, "failing", reader),
            sync_time: table.take("sync", reader).and_then(|item| reader.duration(&item)),
        },
    };
    table.done(reader);
    Some(fault)
}

fn node(table: &mut Table<'_>, reader: &mut Reader) -> String {
    table.need("node", reader).and_then(|item| reader.text(&item)).unwrap_or_default()
}

fn group(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> Vec<String> {
    table.need(key, reader).map(|item| reader.texts(&item)).unwrap_or_default()
}

fn groups(table: &mut Table<'_>, reader: &mut Reader) -> Vec<Vec<String>> {
    let Some(list) = table.need("groups", reader) else { return Vec::new() };
    let items = reader.list(&list).unwrap_or_default();
    items
        .iter()
        .map(|item| {
            reader.places.put(&item.at, item.span.clone());
            reader.texts(item)
        })
        .collect()
}

fn flag(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> bool {
    table.take(key, reader).and_then(|item| reader.flag(&item)).unwrap_or(false)
}
