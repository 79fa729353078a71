//! A campaign of this machine: one command without any service, cut off and gone on with.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

/// A scenario of three backends, which keeps what it promises.
pub(crate) const SOUND: &str = include_str!("../../scenarios/library/m1-all-up.toml");
/// One whose design breaks a promise, which its file says.
pub(crate) const WEAK: &str =
    include_str!("../../scenarios/library/m1-2021-cut-between-check-and-store.toml");

/// Returns the command, in a folder with a file `mine.toml`.
pub(crate) fn fedsim(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    command.current_dir(folder).arg("campaign").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn ends(folder: &Path, arguments: &[&str]) -> Output {
    fedsim(folder, arguments).output().expect("it runs")
}

/// Returns the last object that it printed.
pub(crate) fn told(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_else(|| {
        panic!("nothing was printed: {}", String::from_utf8_lossy(&output.stderr))
    });
    serde_json::from_str(last).expect("a line of JSON")
}

pub(crate) fn folder_with(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("mine.toml"), text).expect("written");
    folder
}

#[test]
fn one_command_plays_a_campaign_finds_its_canary_and_writes_a_page() {
    let folder = folder_with(SOUND);
    let start = [
        "start",
        "mine.toml",
        "--runs",
        "60",
        "--seed",
        "1",
        "--id",
        "one",
        "--message-format",
        "json",
    ];
    let output = ends(folder.path(), &start);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!((&told["runs"], &told["passed"]), (&60.into(), &60.into()), "{told}");
    assert!(told["finished"] == true && told["canaries"].as_u64() > Some(0), "{told}");
    let page = folder.path().join("target/fedsim/campaigns/one/campaign.html");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("fewer than 1 in 20 fail") && page.contains("The canary was found"));
}

#[test]
fn a_campaign_that_was_killed_goes_on_and_makes_exactly_its_runs() {
    let folder = folder_with(SOUND);
    let start = [
        "start",
        "mine.toml",
        "--runs",
        "150",
        "--seed",
        "1",
        "--id",
        "cut",
        "--lease",
        "2s",
        "-j",
        "1",
    ];
    let mut killed = fedsim(folder.path(), &start).stdout(Stdio::null()).spawn().expect("it runs");
    let plan = folder.path().join("target/fedsim/campaigns/cut/.campaign/documents/plan");
    while !plan.exists() {
        thread::park_timeout(Duration::from_millis(20));
    }
    thread::park_timeout(Duration::from_millis(1500));
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    let output = ends(folder.path(), &["resume", "--message-format", "json"]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!((&told["runs"], &told["planned"]), (&150.into(), &150.into()), "{told}");
}

#[test]
fn a_campaign_that_was_interrupted_is_not_green() {
    let folder = folder_with(SOUND);
    let start = ["start", "mine.toml", "--runs", "1000000", "--id", "cut", "-j", "1"];
    let mut child = fedsim(folder.path(), &start).stdout(Stdio::null()).spawn().expect("it runs");
    let report = || {
        let output = ends(folder.path(), &["report", "cut", "--message-format", "json"]);
        (output.status.code(), output)
    };
    let has_passed = |output: &Output| told(output)["passed"].as_u64() > Some(0);
    while !matches!(report(), (Some(0 | 3), output) if has_passed(&output)) {
        thread::park_timeout(Duration::from_millis(200));
    }
    let told_to_end = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(told_to_end.expect("it runs").success());
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    let (code, output) = report();
    assert_eq!(code, Some(3), "{}", told(&output));
    let junit = folder.path().join("target/fedsim/campaigns/cut/junit.xml");
    assert!(std::fs::read_to_string(junit).expect("written").contains("It is not finished"));
}

#[test]
fn what_breaks_a_promise_is_found_made_small_and_kept_with_its_journal() {
    let honest = WEAK.lines().filter(|line| !line.starts_with("violates"));
    let folder = folder_with(&honest.collect::<Vec<_>>().join("\n"));
    let start =
        ["start", "mine.toml", "--runs", "8", "--seed", "1", "--id", "weak", "--as-they-are"];
    let output = ends(folder.path(), &start);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL all-or-nothing"), "{text}");
    let again = text.lines().find_map(|line| line.trim().split_once(" run target/"));
    let (_, shrunk) = again.unwrap_or_else(|| panic!("no command plays it again: {text}"));
    let shrunk = folder.path().join("target").join(shrunk);
    for file in ["run.json", "journal.jsonl.zst", "report.html"] {
        assert!(shrunk.with_file_name(file).exists(), "{file}");
    }
    let mut again = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    let again = again.arg("run").arg(&shrunk).current_dir(folder.path()).output();
    let again = again.expect("it runs");
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn what_cannot_be_done_is_said_with_a_remedy() {
    let folder = folder_with(SOUND);
    let refused = |arguments: &[&str], because: &str| {
        let output = ends(folder.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(because) && text.contains("help"), "{text}");
    };
    refused(&["start", "mine.toml"], "nothing says when this campaign ends");
    refused(&["status"], "there is no campaign");
    refused(&["start", "mine.toml", "--runs", "5", "--nats", "127.0.0.1:1"], "cannot reach NATS");
    refused(&["start", "mine.toml", "--runs", "5", "--lease", "1s"], "from 2s to 1h");
    let large = format!("{SOUND}{}", "# much is said\n".repeat(50_000));
    std::fs::write(folder.path().join("large.toml"), large).expect("written");
    let start = ["start", "large.toml", "--runs", "5", "--id", "large", "--as-they-are"];
    refused(&start, "a scenario of a campaign has at most");
    // The name is still free.
    assert!(!folder.path().join("target/fedsim/campaigns/large").exists());
    let start = ["start", "mine.toml", "--runs", "5", "--id", "other", "--build", "another"];
    refused(&start, "two builds may play the same scenario differently");
}
