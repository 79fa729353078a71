//! The same seed gives the same journal, byte for byte: on two threads at once, and in another
//! process.

use std::{fs, path::Path, process::Command};

use scenarios::{
    Record, language,
    run::{self, Options},
    scenario::Scenario,
};

/// Seeds compared.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=50;

/// Both delivery policies, relays, every fault, lossy links, readers of both kinds.
const CHAOS: &str = "tests/scenarios/chaos.toml";

fn chaos() -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(CHAOS);
    let text = fs::read_to_string(path).expect("the scenario is there");
    language::parse(CHAOS, &text).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
}

/// The journals of every other seed, from `first` on, as text.
fn journals(first: u64) -> Vec<(u64, String)> {
    let scenario = chaos();
    (first..=*SEEDS.end()).step_by(2).map(|seed| (seed, journal(&scenario, seed))).collect()
}

fn journal(scenario: &Scenario, seed: u64) -> String {
    let run = run::run(scenario, seed, &Options::default());
    run.journal.to_lines().collect::<Vec<_>>().join("\n")
}

/// Says where two journals part, with what came before.
fn compare(seed: u64, one: &str, other: &str) {
    if one == other {
        return;
    }
    let lines = one.lines().zip(other.lines());
    let same = lines.take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        text.lines().skip(same.saturating_sub(5)).take(8).collect::<Vec<_>>().join("\n")
    };
    panic!("seed {seed}, entry {}:\n{}\n\nagainst\n{}", same + 1, around(one), around(other));
}

#[test]
fn fifty_seeds_agree_on_two_threads_at_once_and_in_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new(env!("CARGO_BIN_EXE_fedsim"))
        .args(["run", CHAOS, "--seed", "1..=50", "-j", "1", "-q", "--out"])
        .arg(folder.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("fedsim runs");
    assert!(status.stderr.is_empty(), "{}", String::from_utf8_lossy(&status.stderr));
    let (odd, even) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| journals(1));
        (journals(2), odd.join().expect("no run panics"))
    });
    let together: Vec<(u64, String)> = odd.into_iter().chain(even).collect();
    assert_eq!(together.len(), SEEDS.count());
    for (seed, here) in &together {
        let path = folder.path().join(format!("chaos-{seed}/run.json"));
        let record: Record = serde_json::from_slice(&fs::read(path).expect("it was written"))
            .expect("it is a record");
        let there: Vec<_> = record.events.into_iter().map(|event| event.line).collect();
        compare(*seed, here, &there.join("\n"));
    }
}

#[test]
fn other_seeds_give_other_journals() {
    let scenario = chaos();
    assert_ne!(journal(&scenario, 1), journal(&scenario, 2));
}
