//! Faults of links in the language.

use super::flag;
use crate::{
    language::{
        meaning::Meaning,
        read::latency,
        reader::Reader,
        table::Table,
        write::{self, Inline, list},
    },
    scenario::NetworkFault,
};

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<NetworkFault> {
    Some(match key {
        "partition" => NetworkFault::Partition {
            between: group(table, "between", reader),
            and: group(table, "and", reader),
            one_way: flag(table, "one-way", reader),
        },
        "split" => NetworkFault::Split { groups: groups(table, reader) },
        "link" => NetworkFault::Link {
            between: group(table, "between", reader),
            and: group(table, "and", reader),
            one_way: flag(table, "one-way", reader),
            latency: table.take("latency", reader).and_then(|item| latency(&item, reader)),
            loss: table.take("loss", reader).and_then(|item| reader.number(&item)),
        },
        _ => return None,
    })
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

pub(super) fn check(fault: &NetworkFault, at: &str, meaning: &mut Meaning<'_>) {
    match fault {
        NetworkFault::Partition { between, and, .. } => two_sides(between, and, at, meaning),
        NetworkFault::Split { groups } => meaning.split(at, groups),
        NetworkFault::Link { between, and, latency, loss, .. } => {
            two_sides(between, and, at, meaning);
            meaning.changes(at, latency.is_some() || loss.is_some(), &["latency", "loss"]);
            if let Some(latency) = latency {
                meaning.latency(&format!("{at}.latency"), *latency);
            }
            if let Some(loss) = loss {
                meaning.loss(&format!("{at}.loss"), *loss);
            }
        }
    }
}

fn two_sides(between: &Vec<String>, and: &Vec<String>, at: &str, meaning: &mut Meaning<'_>) {
    meaning.sides(&[(format!("{at}.between"), between), (format!("{at}.and"), and)]);
}

pub(super) fn write(fault: &NetworkFault) -> Inline {
    let sides = |between, and, one_way| {
        let body = Inline::default().put("between", list(between)).put("and", list(and));
        body.put_if(one_way, "one-way", true)
    };
    match fault {
        NetworkFault::Partition { between, and, one_way } => sides(between, and, *one_way),
        NetworkFault::Split { groups } => {
            let groups: Vec<_> = groups.iter().map(|group| list(group)).collect();
            Inline::default().put("groups", format!("[{}]", groups.join(", ")))
        }
        NetworkFault::Link { between, and, one_way, latency, loss } => {
            let body = sides(between, and, *one_way);
            let body = body.put_some("latency", latency.map(write::latency));
            body.put_some("loss", loss.map(write::number))
        }
    }
}
