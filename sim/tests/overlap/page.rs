//! The page: what was seen, as tables.

use std::{fmt::Write as _, path::Path};

use crate::{
    All,
    kinds::{Doing, Kind},
    play::Overlap,
};

/// The page; what follows [`MARK`] is made here.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/overlapping-faults.md");

/// Where the made part begins.
const MARK: &str = "<!-- From here on `sim/tests/overlap` writes, and compares. -->\n";

/// The kinds that befall one thing.
const SUBJECTS: [(&str, &[Kind]); 4] = [
    (
        "one machine",
        &[
            Kind::Crash,
            Kind::Wipe,
            Kind::Restore,
            Kind::Dying,
            Kind::Storm,
            Kind::Kill,
            Kind::Pause,
            Kind::Hang,
            Kind::Refuse,
        ],
    ),
    (
        "one link",
        &[
            Kind::Partition,
            Kind::Swizzle,
            Kind::Hold,
            Kind::Link,
            Kind::Reset,
            Kind::Duplicate,
            Kind::Answers,
            Kind::Hang,
            Kind::Refuse,
        ],
    ),
    ("one disk", &[Kind::Failing, Kind::Full, Kind::Slow, Kind::Lying, Kind::Rotting, Kind::Dying]),
    ("one clock", &[Kind::Skew, Kind::Jump, Kind::Drift]),
];

pub(crate) fn render(all: &All) -> String {
    let mut page = String::new();
    for (subject, kinds) in SUBJECTS {
        write!(page, "\n## Two faults of {subject}\n\n").unwrap();
        page += "| first | second | the first alone | both | the second alone | inert |\n";
        page += "|---|---|---|---|---|---|\n";
        for one in kinds {
            for other in kinds {
                page += &row(all, *one, *other);
            }
        }
    }
    page += "\n## Inert within another\n\n";
    page += "Begun after the first, and ended before it.\n\n| within | these touch nothing |\n|---|---|\n";
    for one in Kind::ALL {
        let inert = |other: &&Kind| all[&(one, **other, Overlap::Within)].inert[1];
        let inert: Vec<_> = Kind::ALL.iter().filter(inert).map(|kind| kind.name()).collect();
        let inert = if inert.is_empty() { "none".to_owned() } else { inert.join(", ") };
        writeln!(page, "| {} | {inert} |", one.name()).unwrap();
    }
    page
}

fn row(all: &All, one: Kind, other: Kind) -> String {
    let beyond = &all[&(one, other, Overlap::Beyond)];
    let states: Vec<_> = beyond.phases.iter().map(|(seen, _)| word(*seen)).collect();
    let ways =
        [(Overlap::Within, "within"), (Overlap::Beyond, "beyond"), (Overlap::Same, "at once")];
    let mut inert = Vec::new();
    for (way, word) in ways {
        let [first, second] = all[&(one, other, way)].inert;
        inert.extend(first.then(|| format!("first ({word})")));
        inert.extend(second.then(|| format!("second ({word})")));
    }
    let inert = if inert.is_empty() { "-".to_owned() } else { inert.join(", ") };
    format!("| {} | {} | {} | {inert} |\n", one.name(), other.name(), states.join(" | "))
}

fn word(doing: Doing) -> &'static str {
    match doing {
        Doing::Serves => "serves",
        Doing::Fails => "fails",
        Doing::Silent => "silent",
        Doing::Paused => "paused",
        Doing::Refuses => "refuses",
        Doing::Killed => "killed",
        Doing::Off => "off",
    }
}

/// Compares with the page; writes it where snapshots are renewed.
pub(crate) fn compare(made: &str) {
    let page = std::fs::read_to_string(Path::new(PAGE)).expect("the page is there");
    let (written, before) = page.split_once(MARK).expect("the page has its mark");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(PAGE, format!("{written}{MARK}{made}")).expect("the page can be written");
        return;
    }
    let difference = made.lines().zip(before.lines()).find(|(now, then)| now != then);
    assert_eq!(difference, None, "INSTA_UPDATE=always renews the page");
    assert_eq!(made.lines().count(), before.lines().count(), "INSTA_UPDATE=always renews the page");
}
