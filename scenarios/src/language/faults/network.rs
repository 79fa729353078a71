//! Faults of links in the language.

use std::{num::NonZeroU64, time::Duration};

use super::{Listed, NODE, flag, node, shape};
use crate::{
    duration,
    language::{
        meaning::Meaning,
        mistake::{Code, Mistake},
        read::latency,
        reader::Reader,
        reference::{
            Key, LATENCY,
            Value::{self, Duration as Time, Flag, Groups, Number, Texts, Whole, Words},
            may, need,
        },
        table::{Item, Table},
        write::{self, Inline, list, quoted},
    },
    scenario::{
        After, BodyReset, Change, Duplication, LinkChange, NetworkFault, Part, ProxyAnswer, Refusal,
    },
};

/// Which of the two messages of an exchange.
const PARTS: &[(&str, Part)] = &[("request", Part::Request), ("answer", Part::Answer)];

/// Where a body is cut that does not say it.
const HALF: After = After::Share(0.5);

/// What a front proxy may answer: an error, of the client's or of the server's side.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

const BETWEEN: Key = need("between", Texts("machines"), "the one side", "[\"a\"]");
const AND: Key = need("and", Texts("machines"), "the other side", "[\"b\"]");
const ONE_WAY: Key = may(
    "one-way",
    Flag,
    "false",
    "whether only what goes from the one to the other side is meant",
    "true",
);
const SIDES: &[Key] = &[BETWEEN, AND, ONE_WAY];
const FROM: Key = need("from", Texts("machines"), "who asks", "[\"a\"]");
const TO: Key = need("to", Texts("machines"), "who is asked", "[\"b\"]");

/// The kinds, as a file names them.
pub(super) const LISTED: &[Listed] = &[
    Listed {
        key: "partition",
        body: Value::Table(SIDES),
        example: "{ between = [\"a\"], and = [\"b\"], one-way = false }",
        means: "cuts the links between two groups; senders retransmit, and give up in the end",
    },
    Listed {
        key: "split",
        body: Value::Table(&[need("groups", Groups, "the groups", "[[\"a\"], [\"b\", \"c\"]]")]),
        example: "{ groups = [[\"a\"], [\"b\"]] }",
        means: "cuts the links between any two of several groups",
    },
    Listed {
        key: "shape",
        body: shape::BODY,
        example: "{ isolate = \"a\" }",
        means: "cuts one server from all others, relays too (isolate), or among backends half from \
                half (halves), all but neighbors (ring), all that does not go over one (bridge), or \
                one by one, mending in another order (swizzle); clients keep their links",
    },
    Listed {
        key: "hold",
        body: Value::Table(SIDES),
        example: "{ between = [\"a\"], and = [\"b\"], one-way = false }",
        means: "keeps what is sent and delivers it in order in the end; nothing is lost, no \
                connection breaks",
    },
    Listed {
        key: "link",
        body: Value::Table(&[
            BETWEEN,
            AND,
            ONE_WAY,
            may("latency", LATENCY, "as it is", "the delay of every segment", "\"2s\""),
            may(
                "loss",
                Number(0.0, 1.0),
                "as it is",
                "the probability that a segment is lost, and sent again",
                "0.1",
            ),
            may(
                "bandwidth",
                Whole(1, u64::MAX),
                "no limit",
                "how many bytes pass in a second",
                "1000",
            ),
        ]),
        example: "{ between = [\"a\"], and = [\"b\"], latency = \"2s\", loss = 0.1, \
                  bandwidth = 1000 }",
        means: "changes latency, loss and bytes a second between two groups, or one way",
    },
    Listed {
        key: "reset",
        body: Value::Table(&[
            FROM,
            TO,
            may("of", Words(&["request", "answer"]), "request", "whose body is cut", "\"answer\""),
            may(
                "bytes",
                Whole(0, u64::MAX),
                "`share` counts",
                "how many bytes of it pass before that",
                "100",
            ),
            may("share", Number(0.0, 1.0), "0.5", "which share of it passes before that", "0.9"),
        ]),
        example: "{ from = [\"a\"], to = [\"b\"], of = \"request\", share = 0.5 }",
        means: "resets both ends in the middle of the next request's or answer's body",
    },
    Listed {
        key: "duplicate",
        body: Value::Table(&[
            FROM,
            TO,
            may(
                "probability",
                Number(0.0, 1.0),
                "the next request only",
                "the probability for each request",
                "0.1",
            ),
            may("after", Time, "0s", "how much later the second one comes", "\"5s\""),
        ]),
        example: "{ from = [\"a\"], to = [\"b\"], probability = 0.1, after = \"5s\" }",
        means: "delivers the next request, or some, a second time on a connection of its own, and \
                drops the answer; never a POST, which may not be done twice",
    },
    Listed {
        key: "answers",
        body: Value::Table(&[
            NODE,
            may("to", Texts("machines"), "everybody", "whose requests are answered so", "[\"b\"]"),
            need("status", Whole(400, 599), "the status of the answer", "502"),
            may(
                "retry-after",
                Time,
                "none",
                "what the answer says about when to try again, in whole seconds",
                "\"30s\"",
            ),
            may(
                "share",
                Number(0.0, 1.0),
                "1.0",
                "which share of the requests is answered so",
                "0.5",
            ),
        ]),
        example: "{ node = \"a\", to = [\"b\"], status = 429, retry-after = \"30s\", share = 1.0 }",
        means: "a front proxy answers requests to a machine with a status (429, 502, 520 ..), and the \
                program behind it sees nothing of them",
    },
    Listed {
        key: "refuse",
        body: Value::Table(&[
            NODE,
            may("port", Whole(1, 65535), "every port", "the port on which it refuses", "8448"),
        ]),
        example: "{ node = \"a\", port = 8448 }",
        means: "refuses connections to a machine at once; those that exist are left alone",
    },
    Listed {
        key: "hang",
        body: Value::Table(&[NODE]),
        example: "{ node = \"a\" }",
        means: "takes connections and acknowledges, but hands nothing to the program, nor out of \
                it, until the end",
    },
];
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
        "link" => NetworkFault::Link(link(table, reader)),
        "reset" => NetworkFault::Reset(BodyReset {
            from: group(table, "from", reader),
            to: group(table, "to", reader),
            part: table
                .take("of", reader)
                .and_then(|item| reader.choice(&item, PARTS))
                .unwrap_or(Part::Request),
            after: after(table, reader),
        }),
        "duplicate" => NetworkFault::Duplicate(Duplication {
            from: group(table, "from", reader),
            to: group(table, "to", reader),
            probability: table.take("probability", reader).and_then(|item| reader.number(&item)),
            after: table
                .take("after", reader)
                .and_then(|item| reader.duration(&item))
                .unwrap_or_default(),
        }),
        "answers" => NetworkFault::Answers(proxy_answer(table, reader)),
        "refuse" => NetworkFault::Refuse(Refusal {
            machine: node(table, reader),
            port: table.take("port", reader).and_then(|item| reader.whole(&item)),
        }),
        "hang" => NetworkFault::Hang { node: node(table, reader) },
        _ => return None,
    })
}

fn link(table: &mut Table<'_>, reader: &mut Reader) -> LinkChange {
    LinkChange {
        from: group(table, "between", reader),
        to: group(table, "and", reader),
        both_ways: !flag(table, "one-way", reader),
        change: Change {
            latency: table.take("latency", reader).and_then(|item| latency(&item, reader)),
            loss: table.take("loss", reader).and_then(|item| reader.number(&item)),
            bandwidth: table.take("bandwidth", reader).and_then(|item| bandwidth(&item, reader)),
        },
    }
}

fn bandwidth(item: &Item<'_>, reader: &mut Reader) -> Option<NonZeroU64> {
    let bandwidth = NonZeroU64::new(reader.whole(item)?);
    if bandwidth.is_none() {
        let mistake = Mistake::new(Code::BadValue, format!("`{}` cannot be 0", item.at))
            .label("expected 1 or more")
            .help("leave it out for no limit, or use `partition` to let nothing through");
        reader.broken(item, mistake);
    }
    bandwidth
}

/// Where a body is cut: after so many bytes, or a share of it.
fn after(table: &mut Table<'_>, reader: &mut Reader) -> After {
    let (bytes, share) = (table.take("bytes", reader), table.take("share", reader));
    if let (Some(_), Some(share)) = (&bytes, &share) {
        let mistake = Mistake::new(Code::NotOneKind, "this body is to be cut in two places")
            .label("`bytes` is given as well")
            .help("keep `bytes` or `share`, or give neither to cut at half of the body");
        reader.broken(share, mistake);
    }
    let bytes = bytes.and_then(|item| reader.whole(&item)).map(After::Bytes);
    let share = || share.and_then(|item| reader.number(&item)).map(After::Share);
    bytes.or_else(share).unwrap_or(HALF)
}

fn proxy_answer(table: &mut Table<'_>, reader: &mut Reader) -> ProxyAnswer {
    ProxyAnswer {
        machine: node(table, reader),
        to: table.take("to", reader).map(|item| reader.texts(&item)).unwrap_or_default(),
        // What could not be read is a mistake already.
        status: table.need("status", reader).and_then(|item| reader.whole(&item)).unwrap_or(502),
        retry_after: table.take("retry-after", reader).and_then(|item| reader.duration(&item)),
        share: table.take("share", reader).and_then(|item| reader.number(&item)).unwrap_or(1.0),
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
        NetworkFault::Link(LinkChange { from, to, change, .. }) => {
            two_sides((from, to), ("between", "and"), at, meaning);
            meaning.changes(at, *change != Change::default(), &["latency", "loss", "bandwidth"]);
            if let Some(latency) = change.latency {
                meaning.latency(&format!("{at}.latency"), latency);
            }
            if let Some(loss) = change.loss {
                meaning.loss(&format!("{at}.loss"), loss);
            }
        }
        NetworkFault::Reset(reset) => check_reset(reset, at, meaning),
        NetworkFault::Duplicate(Duplication { from, to, probability, .. }) => {
            two_sides((from, to), ("from", "to"), at, meaning);
            if let Some(probability) = probability {
                let help = "for example, 0.1 delivers one request in ten twice";
                meaning.probability(&format!("{at}.probability"), *probability, help);
            }
        }
        NetworkFault::Answers(answer) => check_answer(answer, at, meaning),
        NetworkFault::Refuse(Refusal { machine, port }) => {
            meaning.machine(&format!("{at}.node"), machine);
            if *port == Some(0) {
                meaning.zero(&format!("{at}.port"), "leave it out to mean every port");
            }
        }
        NetworkFault::Hang { node } => meaning.machine(&format!("{at}.node"), node),
    }
}

fn check_reset(reset: &BodyReset, at: &str, meaning: &mut Meaning<'_>) {
    two_sides((&reset.from, &reset.to), ("from", "to"), at, meaning);
    if let After::Share(share) = reset.after {
        let help = "for example, 0.5 lets half of the body arrive";
        meaning.probability(&format!("{at}.share"), share, help);
    }
}

fn check_answer(answer: &ProxyAnswer, at: &str, meaning: &mut Meaning<'_>) {
    let machine_at = format!("{at}.node");
    meaning.machine(&machine_at, &answer.machine);
    meaning.listed_machines(&format!("{at}.to"), &answer.to);
    if let Some(own) = answer.to.iter().position(|name| *name == answer.machine) {
        meaning.own_client(&format!("{at}.to[{own}]"), &answer.machine, &machine_at);
    }
    let help = "for example, 0.1 answers one request in ten";
    meaning.probability(&format!("{at}.share"), answer.share, help);
    if !STATUSES.contains(&answer.status) {
        let message = format!("{} is not the status of an error", answer.status);
        let mistake = Mistake::new(Code::BadValue, message)
            .label("expected a status from 400 to 599")
            .help("write, for example, status = 502");
        meaning.report(&format!("{at}.status"), mistake);
    }
    if answer.retry_after.is_some_and(|after| after.subsec_nanos() != 0) {
        let mistake = Mistake::new(Code::BadValue, "`retry-after` must be in whole seconds")
            .label("not whole seconds")
            .help("write, for example, retry-after = \"30s\"");
        meaning.report(&format!("{at}.retry-after"), mistake);
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
        NetworkFault::Link(LinkChange { from, to, both_ways, change }) => {
            let body = sides(from, to, !both_ways);
            let body = body.put_some("latency", change.latency.map(write::latency));
            let body = body.put_some("loss", change.loss.map(write::number));
            body.put_some("bandwidth", change.bandwidth)
        }
        NetworkFault::Reset(BodyReset { from, to, part, after }) => {
            let body = ends(from, to).put_if(*part == Part::Answer, "of", quoted("answer"));
            match after {
                After::Bytes(bytes) => body.put("bytes", bytes),
                After::Share(share) => body.put_if(*after != HALF, "share", write::number(*share)),
            }
        }
        NetworkFault::Duplicate(Duplication { from, to, probability, after }) => ends(from, to)
            .put_some("probability", probability.map(write::number))
            .put_if(!after.is_zero(), "after", quoted(&duration::text(*after))),
        NetworkFault::Answers(ProxyAnswer { machine, to, status, retry_after, share }) => {
            let body = Inline::default().text_at("node", machine);
            let body = body.put_if(!to.is_empty(), "to", list(to)).put("status", status);
            let time = |after: Duration| quoted(&duration::text(after));
            body.put_some("retry-after", retry_after.map(time)).put_if(
                *share < 1.0,
                "share",
                write::number(*share),
            )
        }
        NetworkFault::Refuse(Refusal { machine, port }) => {
            Inline::default().text_at("node", machine).put_some("port", *port)
        }
        NetworkFault::Hang { node } => Inline::default().text_at("node", node),
    }
}
