//! Faults of links in the language.

use super::{flag, node, shape};
use crate::{
    language::{
        duration,
        meaning::Meaning,
        mistake::{Code, Mistake},
        read::latency,
        reader::Reader,
        table::Table,
        write::{self, Inline, list, quoted},
    },
    scenario::{NetworkFault, Reset},
};

/// Which of the two messages of an exchange; whether it is the answer.
const PARTS: &[(&str, bool)] = &[("request", false), ("answer", true)];

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<NetworkFault> {
    Some(match key {
        "partition" => NetworkFault::Partition {
            between: group(table, "between", reader),
            and: group(table, "and", reader),
            one_way: flag(table, "one-way", reader),
        },
        "split" => NetworkFault::Split { groups: groups(table, reader) },
        "shape" => NetworkFault::Shape(shape::read(table, reader)?),
        "hold" => NetworkFault::Hold {
            between: group(table, "between", reader),
            and: group(table, "and", reader),
            one_way: flag(table, "one-way", reader),
        },
        "link" => link(table, reader),
        "reset" => NetworkFault::Reset(Reset {
            from: group(table, "from", reader),
            to: group(table, "to", reader),
            answer: table
                .take("of", reader)
                .and_then(|item| reader.choice(&item, PARTS))
                .unwrap_or(false),
            bytes: table.take("bytes", reader).and_then(|item| reader.whole(&item)),
            share: table.take("share", reader).and_then(|item| reader.number(&item)),
        }),
        "duplicate" => NetworkFault::Duplicate {
            from: group(table, "from", reader),
            to: group(table, "to", reader),
            probability: table.take("probability", reader).and_then(|item| reader.number(&item)),
            after: table
                .take("after", reader)
                .and_then(|item| reader.duration(&item))
                .unwrap_or_default(),
        },
        "refuse" => NetworkFault::Refuse {
            node: node(table, reader),
            port: table.take("port", reader).and_then(|item| reader.whole(&item)),
        },
        "hang" => NetworkFault::Hang { node: node(table, reader) },
        _ => return None,
    })
}

fn link(table: &mut Table<'_>, reader: &mut Reader) -> NetworkFault {
    NetworkFault::Link {
        between: group(table, "between", reader),
        and: group(table, "and", reader),
        one_way: flag(table, "one-way", reader),
        latency: table.take("latency", reader).and_then(|item| latency(&item, reader)),
        loss: table.take("loss", reader).and_then(|item| reader.number(&item)),
        bandwidth: table.take("bandwidth", reader).and_then(|item| reader.whole(&item)),
    }
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
        NetworkFault::Partition { between, and, .. } | NetworkFault::Hold { between, and, .. } => {
            two_sides((between, and), ("between", "and"), at, meaning);
        }
        NetworkFault::Split { groups } => meaning.split(at, groups),
        NetworkFault::Shape(shape) => shape::check(shape, at, meaning),
        NetworkFault::Link { between, and, latency, loss, bandwidth, .. } => {
            two_sides((between, and), ("between", "and"), at, meaning);
            let any = latency.is_some() || loss.is_some() || bandwidth.is_some();
            meaning.changes(at, any, &["latency", "loss", "bandwidth"]);
            if let Some(latency) = latency {
                meaning.latency(&format!("{at}.latency"), *latency);
            }
            if let Some(loss) = loss {
                meaning.loss(&format!("{at}.loss"), *loss);
            }
            zero(*bandwidth == Some(0), &format!("{at}.bandwidth"), meaning);
        }
        NetworkFault::Reset(reset) => check_reset(reset, at, meaning),
        NetworkFault::Duplicate { from, to, probability, .. } => {
            two_sides((from, to), ("from", "to"), at, meaning);
            if let Some(probability) = probability {
                let help = "0.1 delivers one request in ten twice";
                meaning.probability(&format!("{at}.probability"), *probability, help);
            }
        }
        NetworkFault::Refuse { node, port } => {
            meaning.machine(&format!("{at}.node"), node);
            zero(*port == Some(0), &format!("{at}.port"), meaning);
        }
        NetworkFault::Hang { node } => meaning.machine(&format!("{at}.node"), node),
    }
}

fn check_reset(reset: &Reset, at: &str, meaning: &mut Meaning<'_>) {
    two_sides((&reset.from, &reset.to), ("from", "to"), at, meaning);
    let share_at = format!("{at}.share");
    if let Some(share) = reset.share {
        meaning.probability(&share_at, share, "0.5 lets half of the body arrive");
    }
    if reset.bytes.is_some() && reset.share.is_some() {
        let mistake = Mistake::new(Code::NotOneKind, "this body is cut in two places")
            .label("`bytes` and `share` exclude each other")
            .help("give one of them, or none for half of the body");
        meaning.report(&share_at, mistake);
    }
}

fn zero(is_zero: bool, at: &str, meaning: &mut Meaning<'_>) {
    if is_zero {
        let mistake = Mistake::new(Code::BadValue, "this cannot be 0")
            .label("expected 1 or more")
            .help("leave it out for no limit; a link that carries nothing is a partition");
        meaning.report(at, mistake);
    }
}

fn two_sides(
    (one, other): (&Vec<String>, &Vec<String>),
    keys: (&str, &str),
    at: &str,
    meaning: &mut Meaning<'_>,
) {
    meaning.sides(&[(format!("{at}.{}", keys.0), one), (format!("{at}.{}", keys.1), other)]);
}

pub(super) fn write(fault: &NetworkFault) -> Inline {
    let sides = |between, and, one_way| {
        let body = Inline::default().put("between", list(between)).put("and", list(and));
        body.put_if(one_way, "one-way", true)
    };
    let ends = |from, to| Inline::default().put("from", list(from)).put("to", list(to));
    match fault {
        NetworkFault::Partition { between, and, one_way }
        | NetworkFault::Hold { between, and, one_way } => sides(between, and, *one_way),
        NetworkFault::Split { groups } => {
            let groups: Vec<_> = groups.iter().map(|group| list(group)).collect();
            Inline::default().put("groups", format!("[{}]", groups.join(", ")))
        }
        NetworkFault::Shape(shape) => shape::write(shape),
        NetworkFault::Link { between, and, one_way, latency, loss, bandwidth } => {
            let body = sides(between, and, *one_way);
            let body = body.put_some("latency", latency.map(write::latency));
            let body = body.put_some("loss", loss.map(write::number));
            body.put_some("bandwidth", *bandwidth)
        }
        NetworkFault::Reset(Reset { from, to, answer, bytes, share }) => ends(from, to)
            .put_if(*answer, "of", quoted("answer"))
            .put_some("bytes", *bytes)
            .put_some("share", share.map(write::number)),
        NetworkFault::Duplicate { from, to, probability, after } => ends(from, to)
            .put_some("probability", probability.map(write::number))
            .put_if(!after.is_zero(), "after", quoted(&duration::text(*after))),
        NetworkFault::Refuse { node, port } => {
            Inline::default().text_at("node", node).put_some("port", *port)
        }
        NetworkFault::Hang { node } => Inline::default().text_at("node", node),
    }
}
