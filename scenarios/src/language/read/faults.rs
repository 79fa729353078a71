//! Reads what is broken, and when.

use std::time::Duration;

use toml::de::DeValue;

use super::{
    one_kind,
    shorthand::{self, ROLLING_RESTART},
};
use crate::{
    language::{
        faults,
        mistake::{Code, Mistake},
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Fault, Moment, NodeFault, Operation, When},
};

/// The keys of which a trigger has exactly one.
pub(in crate::language) const MOMENTS: &[(&str, Moment)] =
    &[("sent", Moment::Sent), ("arrived", Moment::Arrived), ("answered", Moment::Answered)];

/// The keys of further triggers, about what a disk did.
const OPERATIONS: &[(&str, Operation)] =
    &[("written", Operation::Written), ("synced", Operation::Synced)];

/// Reads all faults, and leaves out those without a kind or a time.
pub(super) fn all(list: &Item<'_>, faults: &mut Vec<Fault>, reader: &mut Reader) {
    for item in reader.list(list).unwrap_or_default() {
        // Indices are those of the scenario, not those of the file.
        let at = format!("faults[{}]", faults.len());
        reader.places.put(&at, item.span.clone());
        let span = item.span.clone();
        let read = several(&Item { at: at.clone(), ..item }, reader);
        if read.is_empty() {
            reader.places.forget(&at);
        }
        for (n, fault) in read.into_iter().enumerate() {
            if n > 0 {
                reader.places.put(&format!("faults[{}]", faults.len()), span.clone());
            }
            faults.push(fault);
        }
    }
}

/// Reads what one entry stands for: one fault, or several.
fn several(item: &Item<'_>, reader: &mut Reader) -> Vec<Fault> {
    let Some(mut table) = reader.table(item) else { return Vec::new() };
    let id = table.take("id", reader);
    let after = table.take("after", reader);
    let at = table.take("at", reader);
    let trigger = table.take("when", reader);
    let lasts = table.take("for", reader);
    let kind = one_kind(&mut table, &faults::keys(), "fault", reader);
    let when = when(&table, at.as_ref(), trigger.as_ref(), reader);
    let [id, after] = [id, after].map(|name| name.and_then(|name| reader.text(&name)));
    let lasts = lasts.and_then(|lasts| reader.duration(&lasts));
    // If the beginning cannot be read, that must not hide what else is wrong with this fault.
    let when = when.unwrap_or(When::At(Duration::ZERO));
    let Some((kind, body)) = kind else { return Vec::new() };
    let fault = |kind| Fault { id, after, when, lasts, kind };
    if kind == ROLLING_RESTART {
        // The kind of each restart takes the place of this one.
        let first = fault(NodeFault::Kill { node: String::new() }.into());
        return shorthand::rolling_restart(&body, &first, reader);
    }
    faults::read(kind, &body, reader).map(fault).into_iter().collect()
}

fn when(
    table: &Table<'_>,
    at: Option<&Item<'_>>,
    trigger: Option<&Item<'_>>,
    reader: &mut Reader,
) -> Option<When> {
    match (at, trigger) {
        (Some(at), None) => Some(When::At(reader.duration(at).unwrap_or_default())),
        (None, Some(item)) => self::trigger(item, reader),
        (None, None) if reader.places.is_broken(&table.path("when")) => None,
        (None, None) if reader.places.is_broken(&table.path("at")) => None,
        (at, _) => {
            let both = at.is_some();
            let message = if both {
                "this fault has both `at` and `when`"
            } else {
                "this fault does not say when it begins"
            };
            let label = if both {
                "only one of the two can be given"
            } else {
                "neither `at` nor `when` is given"
            };
            let mistake = Mistake::new(Code::NotOneKind, message).label(label).help(
                "write either at = \"5s\" or when = { sent = \"send\", from = \"a\", to = \"b\" }",
            );
            let span = trigger.map_or_else(|| table.span.clone(), |trigger| trigger.span.clone());
            reader.mistakes.push(mistake.spanning(&table.at, span));
            let _ = at.and_then(|at| reader.duration(at));
            trigger.and_then(|item| self::trigger(item, reader))
        }
    }
}

/// Reads a trigger.
pub(in crate::language) fn trigger(trigger: &Item<'_>, reader: &mut Reader) -> Option<When> {
    let mut table = reader.table(trigger)?;
    let ends = [table.take("from", reader), table.take("to", reader)];
    let nth = table.take("nth", reader).and_then(|item| reader.whole(&item));
    let moments = MOMENTS.iter().map(|(word, _)| *word);
    let moments: Vec<_> = moments.chain(OPERATIONS.iter().map(|(word, _)| *word)).collect();
    let (word, item) = one_kind(&mut table, &moments, "trigger", reader)?;
    if let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| *known == word) {
        for item in ends.iter().flatten() {
            let mistake =
                Mistake::new(Code::UnknownKey, format!("a `{word}` trigger has no `from` or `to`"))
                    .label("only triggers about requests have it")
                    .help(format!("remove it, and name the machine in {word} = \"a\""));
            reader.broken(item, mistake);
        }
        let node = reader.text(&item).unwrap_or_default();
        return Some(When::Disk { operation: *operation, node, nth: nth.unwrap_or(1) });
    }
    let (_, moment) = MOMENTS.iter().find(|(known, _)| *known == word)?;
    let [from, to] = ends.map(|end| end.and_then(|item| reader.text(&item)));
    let endpoints = match item.value {
        DeValue::Array(_) => reader.texts(&item),
        // A single word is short for a list of one.
        _ => reader.text(&item).into_iter().collect(),
    };
    Some(When::Exchange { moment: *moment, endpoints, from, to, nth: nth.unwrap_or(1) })
}
