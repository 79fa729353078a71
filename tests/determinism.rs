//! The same seed gives the same journal, byte for byte: on two threads at once, and in another
//! process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use checks::Record;
use runs::Options;
use scenarios::{
    language,
    scenario::{Scenario, Schedule},
};

/// The seeds that are compared.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=50;

/// Both delivery policies, relays, every fault, lossy links, and both kinds of readers.
const CHAOS: &str = "tests/scenarios/chaos.toml";

fn chaos_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(CHAOS)
}

fn chaos() -> Scenario {
    let text = fs::read_to_string(chaos_file()).expect("the scenario is there");
    language::parse(CHAOS, &text).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false)))
}

/// Returns the journals of every other seed, from `first` on, as text.
fn journals(first: u64) -> Vec<(u64, String)> {
    let scenario = chaos();
    (first..=*SEEDS.end()).step_by(2).map(|seed| (seed, journal(&scenario, seed))).collect()
}

fn journal(scenario: &Scenario, seed: u64) -> String {
    let run = runs::run(scenario, seed, &Options::default());
    run.recording.journal.to_lines().collect::<Vec<_>>().join("\n")
}

/// Asserts that two journals are the same, and says where they begin to differ, with what came
/// before.
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

/// Runs the scenario in a process of its own.
fn in_a_process(
    file: &Path,
    seeds: &str,
    threads: &str,
    folder: &Path,
    change: impl FnOnce(&mut Command),
) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    command.arg("run").arg(file).args(["--seed", seeds, "-j", threads, "-q", "--out"]).arg(folder);
    change(&mut command);
    let output = command.output().expect("fedsim runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the journal that a process wrote.
fn written(folder: &Path, seed: u64) -> String {
    let file = fs::read(folder.join(format!("chaos-{seed}/run.json"))).expect("it was written");
    let record: Record = serde_json::from_slice(&file).expect("it is a record");
    record.events.into_iter().map(|event| event.line).collect::<Vec<_>>().join("\n")
}

#[test]
fn fifty_seeds_agree_on_two_threads_at_once_and_in_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    in_a_process(&chaos_file(), "1..=50", "1", folder.path(), |_| {});
    let (odd, even) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| journals(1));
        (journals(2), odd.join().expect("no run panics"))
    });
    let together: Vec<(u64, String)> = odd.into_iter().chain(even).collect();
    assert_eq!(together.len(), SEEDS.count());
    for (seed, here) in &together {
        compare(*seed, here, &written(folder.path(), *seed));
    }
}

#[test]
fn seeded_schedules_agree_on_two_threads_at_once_and_in_another_process() {
    for schedule in [Schedule::Random, Schedule::Priorities(3)] {
        let scenario = Scenario { schedule, ..chaos() };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("chaos.toml");
        fs::write(&file, language::to_toml(&scenario)).expect("it can be written");
        in_a_process(&file, "1..=4", "2", folder.path(), |_| {});
        for seed in 1..=4 {
            let here = journal(&scenario, seed);
            compare(seed, &here, &written(folder.path(), seed));
            assert_ne!(here, journal(&chaos(), seed), "it is another order");
        }
    }
}

#[test]
fn other_seeds_give_other_journals() {
    let scenario = chaos();
    assert_ne!(journal(&scenario, 1), journal(&scenario, 2));
}

#[test]
fn a_run_depends_on_nothing_around_the_process() {
    let (plain, odd) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
    in_a_process(&chaos_file(), "1..=4", "1", plain.path(), |_| {});
    in_a_process(&chaos_file(), "1..=4", "2", odd.path(), |command| {
        command.env_clear().current_dir(odd.path()).envs([
            ("TZ", "Pacific/Chatham"),
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("HOME", "/nowhere"),
            ("HOSTNAME", "elsewhere"),
            ("TMPDIR", "/nowhere"),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("SQLITE_TMPDIR", "/nowhere"),
            ("TOKIO_WORKER_THREADS", "7"),
        ]);
    });
    for seed in 1..=4 {
        compare(seed, &written(plain.path(), seed), &written(odd.path(), seed));
    }
}

/// Pins what other builds must give: run with `--release` or on another machine, it compares that
/// build or machine with the one on which this list was written.
#[test]
fn every_build_gives_these_journals() {
    let scenario = chaos();
    let hash = |seed| runs::run(&scenario, seed, &Options::default()).record.log_hash;
    let hashes: Vec<_> = (1..=8).map(|seed| format!("{seed}  {}", hash(seed))).collect();
    insta::assert_snapshot!("journals_of_chaos", hashes.join("\n"));
}
