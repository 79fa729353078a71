//! The library: every file can be run and is what its name says.

use std::{fs, path::Path};

use scenarios::{
    Scenario,
    language::{self, faults::LISTED},
    scenario::{Delivery, When},
};

/// Variants of faults and triggers that must not be without a scenario: the key, and what its body
/// then contains.
const WAYS: &[(&str, &str)] = &[
    ("partition", "one-way = true"),
    ("partition", r#"and = ["c", "d"]"#),
    ("shape", "isolate = "),
    ("shape", "halves = "),
    ("shape", "ring = "),
    ("shape", "bridge = "),
    ("shape", "swizzle = "),
    ("link", "latency = "),
    ("link", "loss = "),
    ("link", "bandwidth = "),
    ("reset", r#"of = "answer""#),
    ("reset", "bytes = "),
    ("duplicate", "probability = "),
    ("crash", r#"disk = "torn""#),
    ("crash", r#"disk = "lose-all""#),
    ("storm", "kill = true"),
    ("disk", "read-fails = "),
    ("disk", "write-fails = "),
    ("disk", "sync-fails = "),
    ("disk", "full = "),
    ("disk", "capacity = "),
    ("disk", ", write = "),
    ("disk", ", sync = "),
    ("disk", "lies = "),
    ("disk", "dies-after = "),
    ("disk", "rots = "),
    ("when", "{ sent = "),
    ("when", "{ answered = "),
    ("when", "{ synced = "),
    ("when", "{ written = "),
];

const NAMES: &[&str] = &[
    "catch-up-by-await-and-notifications",
    "eventual-partition-heals",
    "hundred-backends",
    "m1-2021-cut-between-check-and-store",
    "m1-2021-owner-crashes-mid-way",
    "m1-all-up",
    "m1-answer-lost-and-retried",
    "m1-backend-down",
    "m1-backend-in-doubt-asks-the-owner",
    "m1-cut-between-prepare-and-commit",
    "m1-owner-crashes-after-deciding",
    "m1-owner-crashes-before-deciding",
    "m1-sent-from-the-third-backend",
    "relay-answer-lost-stored-once",
    "relay-offline-and-back",
    "relay-partitioned-twice-without-restart",
    "relay-power-loss-before-acknowledgement",
    "relay-recipient-crashes-mid-retrieval",
    "relay-stranger-cannot-read-or-acknowledge",
    "relay-two-relays-one-down",
];

fn library() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("library");
    let files = language::load_folder(&folder).expect("the library");
    let scenario = |result: Result<_, _>| result.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    files.into_iter().map(|(path, read)| (stem(&path).expect("a name"), scenario(read))).collect()
}

#[test]
fn every_file_is_read_and_named_as_its_scenario() {
    for (file, scenario) in library() {
        assert_eq!(file, scenario.name);
        assert!(scenario.about.len() > 40 && !scenario.tags.is_empty(), "{file} says too little");
    }
}

#[test]
fn nothing_that_was_promised_is_missing() {
    let files: Vec<_> = library().into_iter().map(|(file, _)| file).collect();
    for name in NAMES {
        assert!(files.iter().any(|file| file == name), "{name} is missing");
    }
}

#[test]
fn every_fault_has_a_scenario_and_so_have_these_ways_of_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("library");
    // What stands for several faults is in the files alone.
    let written = |(file, scenario): (String, Scenario)| {
        let path = folder.join(format!("{file}.toml"));
        fs::read_to_string(path).expect("a file") + &language::to_toml(&scenario)
    };
    let texts: Vec<_> = library().into_iter().map(written).collect();
    let has = |key: &str, way: &str| {
        let is_it = |line: &str| line.starts_with(&format!("{key} = ")) && line.contains(way);
        texts.iter().any(|text| text.lines().any(is_it))
    };
    let keys = LISTED.iter().copied().flatten().map(|listed| (listed.key, ""));
    let missing: Vec<_> =
        keys.chain(WAYS.iter().copied()).filter(|(key, way)| !has(key, way)).collect();
    assert!(missing.is_empty(), "no scenario has {missing:?}");
}

#[test]
fn every_file_survives_its_canonical_text() {
    for (file, scenario) in library() {
        let text = language::to_toml(&scenario);
        assert_eq!(language::parse(&file, &text).expect("a scenario"), scenario, "{file}");
    }
}

/// This is so that changing `m1` to `m1-2021` in a file puts that design under the same faults.
#[test]
fn triggers_of_m1_files_exist_in_both_designs() {
    let m1_only = ["prepare", "decision", "outcome"];
    let of_2021 = ["get_user_clients", "on_message_sent", "send_message"];
    for (file, scenario) in library() {
        let is_m1 = scenario.conversations.values().any(|it| it.delivery == Delivery::M1);
        for fault in scenario.faults.iter().filter(|_| is_m1) {
            let When::Exchange { endpoints, .. } = &fault.when else { continue };
            let any = |names: &[&str]| endpoints.iter().any(|it| names.contains(&it.as_str()));
            assert!(any(&of_2021), "{file}: {endpoints:?} never happen under m1-2021");
            assert!(any(&m1_only) || any(&["send_message"]), "{file}: {endpoints:?}");
        }
    }
}

#[test]
fn designs_that_break_are_said_to_break() {
    for (file, scenario) in library() {
        let of_2021 = scenario.conversations.values().any(|it| it.delivery == Delivery::M1Of2021);
        let breaks = scenario.expect.violates.iter().any(|check| check == "all-or-nothing");
        assert_eq!(of_2021, breaks, "{file}");
    }
}
