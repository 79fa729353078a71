//! Shapes in the language: `{ isolate = "a" }`, `{ halves = ["a", "b", "c"] }`.

use crate::{
    duration,
    language::{
        meaning::Meaning,
        mistake::{Code, Mistake},
        read::one_kind,
        reader::Reader,
        reference::{
            Value::{self, Duration, OneOf, Text, Texts},
            may,
        },
        table::Table,
        write::{Inline, list, quoted},
    },
    scenario::Shape,
};

/// Its keys.
pub(super) const BODY: Value = OneOf(
    &[
        may(
            "of",
            Texts("machines"),
            "all servers (`isolate`), or all backends (`bridge`)",
            "which machines there are",
            "[\"b\", \"c\"]",
        ),
        may("every", Duration, "given with `swizzle`", "the time between two steps", "\"5s\""),
    ],
    &[
        may("isolate", Text("a machine"), "", "cuts it from all others", "\"a\""),
        may(
            "halves",
            Texts("backends"),
            "",
            "cuts the first half of them from the other",
            "[\"a\", \"b\", \"c\"]",
        ),
        may(
            "ring",
            Texts("backends"),
            "",
            "cuts all but neighbors; four at least",
            "[\"a\", \"b\", \"c\", \"d\"]",
        ),
        may("bridge", Text("a machine"), "", "cuts all that does not go over it", "\"a\""),
        may(
            "swizzle",
            Texts("backends"),
            "",
            "cuts one after another, and mends in another order",
            "[\"a\", \"b\"]",
        ),
    ],
);

const KINDS: &[&str] = &["isolate", "halves", "ring", "bridge", "swizzle"];

/// The keys that belong to one or two kinds only.
const OF: &str = "of";
const EVERY: &str = "every";

pub(super) fn read(table: &mut Table<'_>, reader: &mut Reader) -> Option<Shape> {
    let of = table.take(OF, reader);
    let every = table.take(EVERY, reader);
    let at = table.at.clone();
    let (kind, item) = one_kind(table, KINDS, "shape", reader)?;
    for (key, given) in [(OF, &of), (EVERY, &every)] {
        if let Some(given) = given.as_ref().filter(|_| !takes(kind, key)) {
            let mistake = Mistake::new(Code::UnknownKey, format!("`{kind}` takes no `{key}`"))
                .label("not allowed here")
                .help("remove it");
            reader.broken(given, mistake);
        }
    }
    let of = of.map(|of| reader.texts(&of)).unwrap_or_default();
    Some(match kind {
        "isolate" => Shape::Isolate { one: reader.text(&item).unwrap_or_default(), of },
        "bridge" => Shape::Bridge { over: reader.text(&item).unwrap_or_default(), of },
        "halves" => Shape::Halves { of: reader.texts(&item) },
        "ring" => Shape::Ring { of: reader.texts(&item) },
        _ => {
            let Some(every) = every else {
                let message = format!("`{EVERY}` is missing in `{at}`");
                let mistake = Mistake::new(Code::MissingKey, message)
                    .label(format!("`{EVERY}` is required with this"))
                    .help("add the time between two steps, for example every = \"5s\"");
                reader.broken(&item, mistake);
                return None;
            };
            Shape::Swizzle { of: reader.texts(&item), every: reader.duration(&every)? }
        }
    })
}

fn takes(kind: &str, key: &str) -> bool {
    match key {
        OF => matches!(kind, "isolate" | "bridge"),
        _ => kind == "swizzle",
    }
}

pub(super) fn check(shape: &Shape, at: &str, meaning: &mut Meaning<'_>) {
    let one = shape.one();
    let listed_at = match one {
        Some(_) => format!("{at}.{OF}"),
        None => format!("{at}.{}", shape.kind()),
    };
    let one_at = format!("{at}.{}", shape.kind());
    if let Some(one) = one {
        meaning.machine(&one_at, one);
    }
    meaning.listed_machines(&listed_at, shape.listed());
    let again = shape.listed().iter().position(|listed| Some(listed.as_str()) == one);
    if let Some(again) = again {
        meaning.both_sides(&format!("{listed_at}[{again}]"), one.unwrap_or_default(), &one_at);
    }
    let least = match shape {
        Shape::Isolate { .. } => 1,
        Shape::Halves { .. } | Shape::Bridge { .. } | Shape::Swizzle { .. } => 2,
        Shape::Ring { .. } => 4,
    };
    meaning.at_least(&listed_at, shape, least);
    if let Shape::Swizzle { every, .. } = shape
        && every.is_zero()
    {
        meaning.zero(&format!("{at}.{EVERY}"), "write the time between two steps, such as \"5s\"");
    }
}

pub(super) fn write(shape: &Shape) -> Inline {
    let body = Inline::default();
    let kind = shape.kind();
    let body = match shape.one() {
        Some(one) => {
            let body = body.put(kind, quoted(one));
            body.put_if(!shape.listed().is_empty(), OF, list(shape.listed()))
        }
        None => body.put(kind, list(shape.listed())),
    };
    match shape {
        Shape::Swizzle { every, .. } => body.put(EVERY, quoted(&duration::text(*every))),
        _ => body,
    }
}
