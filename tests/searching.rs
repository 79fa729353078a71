//! `fedsim explore` as a command: how it ends, and what it says then.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const ALL_UP: &str = "scenarios/library/m1-all-up.toml";

/// Returns a search of a scenario, whose files go to a folder.
fn search(out: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    command.args(["explore", ALL_UP, "-j", "1", "--out"]).arg(out.path()).args(arguments);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

fn searched(arguments: &[&str]) -> Output {
    let out = tempfile::tempdir().expect("a temporary folder");
    search(&out, arguments).output().expect("it starts")
}

/// Returns the objects of one type that a search printed.
fn objects(output: &Output, kind: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    objects.filter(|object| object["type"] == kind).collect()
}

#[test]
fn what_is_found_in_a_time_is_made_small_when_that_is_over() {
    let weak = ["--delivery", "m1-2021", "--ways", "every-leg", "--time", "1s", "--seed", "1"];
    let output = searched(&[&weak[..], &["--message-format", "json"]].concat());
    let failures = objects(&output, "failure");
    assert_eq!(output.status.code(), Some(1));
    let is_small =
        |it: &Value| it["operations"].as_u64() <= Some(5) && it["faults"].as_u64() <= Some(3);
    assert!(failures.iter().all(is_small), "{failures:#?}");
    let early = failures.iter().find(|it| it["check"] == "no-early-sight").expect("it is found");
    assert_eq!((&early["faults"], &early["operations"]), (&0.into(), &1.into()), "{early:#}");
}

#[test]
fn ctrl_c_ends_a_search_which_says_what_it_knows_and_that_it_was_ended() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let mut command = search(&out, &["--runs", "1000000", "--seed", "1"]);
    let mut running =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let progress = out.path().join("exploration.json");
    let has_runs = |path: &Path| {
        let text = fs::read(path).ok();
        let known = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        known.is_some_and(|known| known["passed"].as_u64() > Some(0))
    };
    while !has_runs(&progress) {
        assert!(running.try_wait().expect("it can be asked").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let told = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    assert!(told.expect("there is `kill`").success());
    let mut text = String::new();
    running.stdout.take().expect("its output").read_to_string(&mut text).expect("text");
    assert_eq!(running.wait().expect("it ends").code(), Some(130), "{text}");
    assert!(text.contains(" passed") && text.contains("ended by Ctrl-C"), "{text}");
    let progress: Value = serde_json::from_slice(&fs::read(progress).unwrap()).unwrap();
    assert_eq!(progress["state"], "finished");
    assert!(progress["doubt"].as_str().is_some_and(|why| why.contains("Ctrl-C")), "{progress}");
}

#[test]
fn each_search_without_a_seed_draws_another_one_and_says_which() {
    let seed = || {
        let output = searched(&["--runs", "1", "--message-format", "json"]);
        objects(&output, "exploration")[0]["seed"].as_u64().expect("a seed")
    };
    assert_ne!(seed(), seed());
    let quiet = searched(&["--runs", "1", "--quiet"]);
    assert!(String::from_utf8_lossy(&quiet.stdout).contains("the seed was "), "{quiet:?}");
}

#[test]
fn a_search_that_cannot_begin_says_what_it_needs() {
    let refused = |arguments: &[&str], why: &str| {
        let output = searched(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(why), "{text}");
    };
    refused(&["--ways", "pairs,bred"], "name every-leg or drawn beside them");
    refused(&["--runs", "1", "--shard", "1/2"], "--seed");
}
