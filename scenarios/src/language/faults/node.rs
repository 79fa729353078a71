//! Faults of machines in the language.

use std::time::Duration;

use super::{Listed, NODE, flag, node};
use crate::{
    duration,
    language::{
        meaning::Meaning,
        mistake::{Code, Mistake},
        read,
        reader::Reader,
        reference::{
            TRIGGER,
            Value::{self, Duration as Time, Either, Flag, Number, Texts, Whole, Words},
            may, need,
        },
        table::{Item, Table},
        write::{self, Inline, number, quoted, word},
    },
    scenario::{AfterCrash, NodeFault, Taken, When},
};

/// What a disk keeps in a crash.
const FATES: &[(&str, AfterCrash)] = &[
    ("lose-unsynced", AfterCrash::LoseUnsynced),
    ("keep", AfterCrash::Keep),
    ("torn", AfterCrash::Torn),
    ("lose-all", AfterCrash::LoseAll),
];

/// How they are written.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "crash",
        body: Value::Table(&[
            NODE,
            may(
                "disk",
                Words(&["lose-unsynced", "keep", "torn", "lose-all"]),
                "lose-unsynced",
                "what becomes of the sectors that were not synced: each is kept or lost by the seed, all are kept, some are also torn, or all are lost",
                "\"torn\"",
            ),
        ]),
        example: "{ node = \"a\", disk = \"lose-unsynced\" }",
        means: "power loss: silent at once, what was not synced is lost; boots when it ends \
                (of each unsynced sector all or nothing, by the seed; disk = \"torn\" also tears \
                sectors, disk = \"lose-all\" loses each of them, disk = \"keep\" none)",
    },
    Listed {
        key: "kill",
        body: Value::Table(&[NODE]),
        example: "{ node = \"a\" }",
        means: "the process dies, the kernel lives and closes its connections; starts when it ends",
    },
    Listed {
        key: "rotate-key",
        body: Value::Table(&[NODE]),
        example: "{ node = \"a\" }",
        means: "the process of a server dies, and its operator gives it a new signing key: starts with \
                that when it ends, and publishes the one before as an old one",
    },
    Listed {
        key: "pause",
        body: Value::Table(&[NODE]),
        example: "{ node = \"a\" }",
        means: "the process is not scheduled, nor one that boots meanwhile; its kernel still \
                acknowledges",
    },
    Listed {
        key: "storm",
        body: Value::Table(&[
            NODE,
            need("times", Whole(1, u32::MAX as u64), "how often it goes down", "5"),
            need("up", Time, "how long it is up each time", "\"2s\""),
            need("down", Time, "how long it is down each time", "\"1s\""),
            may(
                "kill",
                Flag,
                "false",
                "whether only the process dies, and the machine stays",
                "true",
            ),
        ]),
        example: "{ node = \"a\", times = 5, up = \"2s\", down = \"1s\" }",
        means: "power loss and boot, again and again (kill = true: only the process dies); then up",
    },
    Listed {
        key: "rolling-restart",
        body: Value::Table(&[
            need("of", Texts("machines"), "the machines, in their order", "[\"a\", \"b\", \"c\"]"),
            need("down", Time, "how long each is down", "\"1s\""),
            need("every", Time, "how long after one the next one goes down", "\"1s\""),
        ]),
        example: "{ of = [\"a\", \"b\", \"c\"], down = \"2s\", every = \"10s\" }",
        means: "one machine after another is killed and started again (short for a `kill` of each)",
    },
    Listed {
        key: "wipe",
        body: Value::Table(&[NODE]),
        example: "{ node = \"a\" }",
        means: "power loss, and the disk is gone: boots on an empty one when it ends",
    },
    Listed {
        key: "restore",
        body: Value::Table(&[
            NODE,
            need(
                "taken",
                Either(&[Time, TRIGGER]),
                "when the backup is taken: at a time, or at what a `when` says",
                "\"500ms\"",
            ),
        ]),
        example: "{ node = \"a\", taken = \"500ms\" }",
        means: "power loss, and the disk is gone: boots on a backup of it, taken earlier (at a time \
                or at a `when`), when it ends",
    },
    Listed {
        key: "clock-skew",
        body: Value::Table(&[
            NODE,
            may("ahead", Time, "given unless `behind` is", "how far the clock is ahead", "\"1h\""),
            may("behind", Time, "given unless `ahead` is", "how far the clock is behind", "\"1h\""),
        ]),
        example: "{ node = \"a\", ahead = \"1h\" }",
        means: "the wall clock is ahead (or behind) while it lasts; timers stay right",
    },
    Listed {
        key: "clock-jump",
        body: Value::Table(&[
            NODE,
            may(
                "ahead",
                Time,
                "given unless `back` is",
                "how far the clock is set ahead",
                "\"1h\"",
            ),
            may("back", Time, "given unless `ahead` is", "how far the clock is set back", "\"1h\""),
        ]),
        example: "{ node = \"a\", ahead = \"1h\" }",
        means: "the wall clock is set ahead (or back), once and for good; timers stay right",
    },
    Listed {
        key: "clock-drift",
        body: Value::Table(&[
            NODE,
            need("rate", Number(0.0, f64::MAX), "how many times as fast the clock runs", "1.1"),
        ]),
        example: "{ node = \"a\", rate = 1.1 }",
        means: "the wall clock runs so many times as fast while it lasts; timers stay right",
    },
];

pub(super) fn read(key: &str, table: &mut Table<'_>, reader: &mut Reader) -> Option<NodeFault> {
    Some(match key {
        "crash" => NodeFault::Crash {
            node: node(table, reader),
            disk: table
                .take("disk", reader)
                .and_then(|item| reader.choice(&item, FATES))
                .unwrap_or_default(),
        },
        "kill" => NodeFault::Kill { node: node(table, reader) },
        "rotate-key" => NodeFault::RotateKey { node: node(table, reader) },
        "pause" => NodeFault::Pause { node: node(table, reader) },
        "storm" => storm(table, reader),
        "wipe" => NodeFault::Wipe { node: node(table, reader) },
        "restore" => {
            let node = node(table, reader);
            let taken = table.need("taken", reader).and_then(|item| taken(&item, reader));
            NodeFault::Restore { node, taken: Taken(Box::new(taken.unwrap_or(NOW))) }
        }
        "clock-skew" => {
            let node = node(table, reader);
            let (by, behind) = shift(table, "behind", reader);
            NodeFault::ClockSkew { node, by, behind }
        }
        "clock-jump" => {
            let node = node(table, reader);
            let (by, back) = shift(table, "back", reader);
            NodeFault::ClockJump { node, by, back }
        }
        "clock-drift" => {
            let node = node(table, reader);
            let rate = table.need("rate", reader).and_then(|item| reader.number(&item));
            NodeFault::ClockDrift { node, rate: rate.unwrap_or(1.1) }
        }
        _ => return None,
    })
}

const NOW: When = When::At(Duration::ZERO);

fn storm(table: &mut Table<'_>, reader: &mut Reader) -> NodeFault {
    let node = node(table, reader);
    let times = table.need("times", reader).and_then(|item| reader.whole(&item));
    let mut time = |key| table.need(key, reader).and_then(|item| reader.duration(&item));
    let (up, down) = (time("up"), time("down"));
    let second = Duration::from_secs(1);
    NodeFault::Storm {
        node,
        times: times.unwrap_or(1),
        up: up.unwrap_or(second),
        down: down.unwrap_or(second),
        kill: flag(table, "kill", reader),
    }
}

/// A time, or a trigger.
fn taken(item: &Item<'_>, reader: &mut Reader) -> Option<When> {
    match item.value {
        toml::de::DeValue::Table(_) => read::trigger(item, reader),
        _ => reader.duration(item).map(When::At),
    }
}

/// How far a clock is set: `ahead`, or `past`. Exactly one of them.
fn shift(table: &mut Table<'_>, past: &'static str, reader: &mut Reader) -> (Duration, bool) {
    let ahead = table.take("ahead", reader);
    let behind = table.take(past, reader);
    let is_past = behind.is_some();
    if ahead.is_some() == is_past && !reader.places.is_broken(&table.path("ahead")) {
        let message = if is_past {
            format!("this clock is set both `ahead` and `{past}`")
        } else {
            "this fault does not say how far the clock is off".to_owned()
        };
        let mistake = Mistake::new(Code::NotOneKind, message)
            .label(format!("expected either `ahead` or `{past}`"))
            .help("write, for example, ahead = \"1h\"");
        reader.mistakes.push(mistake.spanning(&table.at, table.span.clone()));
    }
    let by = ahead.or(behind).and_then(|item| reader.duration(&item));
    (by.unwrap_or(Duration::from_secs(1)), is_past)
}

pub(super) fn check(fault: &NodeFault, at: &str, meaning: &mut Meaning<'_>) {
    if !matches!(fault, NodeFault::RotateKey { .. }) {
        meaning.machine(&format!("{at}.node"), fault.node());
    }
    match fault {
        NodeFault::Storm { times, down, .. } => {
            meaning.restarts(&format!("{at}.times"), *times);
            if down.is_zero() {
                meaning.zero(
                    &format!("{at}.down"),
                    "write how long it is down each time, such as \"1s\"",
                );
            }
        }
        NodeFault::Restore { taken, .. } => meaning.taken(&format!("{at}.taken"), &taken.0),
        NodeFault::ClockSkew { by, behind, .. } => {
            let key = if *behind { "behind" } else { "ahead" };
            meaning.shift(&format!("{at}.{key}"), *by);
        }
        NodeFault::ClockJump { by, back, .. } => {
            let key = if *back { "back" } else { "ahead" };
            meaning.shift(&format!("{at}.{key}"), *by);
        }
        NodeFault::ClockDrift { rate, .. } => meaning.rate(&format!("{at}.rate"), *rate),
        NodeFault::RotateKey { node } => meaning.server(&format!("{at}.node"), node),
        NodeFault::Crash { .. }
        | NodeFault::Kill { .. }
        | NodeFault::Pause { .. }
        | NodeFault::Wipe { .. } => {}
    }
}

pub(super) fn write(fault: &NodeFault) -> Inline {
    let body = Inline::default().text_at("node", fault.node());
    let time = |time: &Duration| quoted(&duration::text(*time));
    match fault {
        NodeFault::Crash { disk, .. } => {
            body.put_if(*disk != AfterCrash::default(), "disk", word(FATES, *disk))
        }
        NodeFault::Kill { .. }
        | NodeFault::RotateKey { .. }
        | NodeFault::Pause { .. }
        | NodeFault::Wipe { .. } => body,
        NodeFault::Storm { times, up, down, kill, .. } => body
            .put("times", times)
            .put("up", time(up))
            .put("down", time(down))
            .put_if(*kill, "kill", true),
        NodeFault::Restore { taken, .. } => match &*taken.0 {
            When::At(at) => body.put("taken", time(at)),
            trigger => body.put("taken", write::when(trigger).text()),
        },
        NodeFault::ClockSkew { by, behind, .. } => {
            body.put(if *behind { "behind" } else { "ahead" }, time(by))
        }
        NodeFault::ClockJump { by, back, .. } => {
            body.put(if *back { "back" } else { "ahead" }, time(by))
        }
        NodeFault::ClockDrift { rate, .. } => body.put("rate", number(*rate)),
    }
}
