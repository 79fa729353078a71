//! What people tell a campaign while it goes on, and what they are told: `--fail-fast`, `stop`,
//! `resume` and `tail`, by processes of their own.

use std::{
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    local::{SOUND, WEAK, ends, fedsim, folder_with, told},
    server::NatsServer,
};

/// How often something is looked for that comes by itself, and for how long between two looks: far
/// longer than it takes, also where much else goes on.
const LOOKS: u32 = 600;
const BETWEEN: Duration = Duration::from_millis(100);

/// Waits for something that comes by itself.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look() {
            return found;
        }
        thread::park_timeout(BETWEEN);
    }
    panic!("it never came: {what}")
}

/// A command that goes on in the background, and is killed with the test.
struct Going(Option<Child>);

impl Going {
    fn begin(mut command: Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(piped.spawn().expect("it runs")))
    }

    /// Returns what it printed, once it has ended by itself.
    fn ended(mut self) -> Output {
        let mut child = self.0.take().expect("it was begun");
        for _ in 0..LOOKS {
            if child.try_wait().expect("it is ours").is_some() {
                return child.wait_with_output().expect("it ended");
            }
            thread::park_timeout(BETWEEN);
        }
        child.kill().expect("killed");
        panic!("it did not end: {:?}", child.wait_with_output())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _killed = child.kill();
            let _ended = child.wait();
        }
    }
}

/// Returns how far a campaign is, once that is so.
fn status(folder: &Path, at: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let status = [&["status", "--message-format", "json"], at].concat();
    until(what, || {
        let output = ends(folder, &status);
        let is_there = output.status.success().then(|| told(&output));
        is_there.filter(&is_so)
    })
}

/// A scenario that breaks a promise, and does not say so.
fn weak() -> String {
    WEAK.lines().filter(|line| !line.starts_with("violates")).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_failure_stops_all_workers_and_resume_makes_it_small_and_goes_on() {
    needs_nats!();
    let nats = NatsServer::start();
    let url = nats.url();
    let at = ["--nats", &url];
    let folder = folder_with(&weak());
    let endless = ["--runs", "1000000", "--as-they-are", "--canary", "none", "--fail-fast"];
    let start = [&["start", "mine.toml"], &endless[..], &at].concat();
    assert_eq!(ends(folder.path(), &start).status.code(), Some(0));
    let worker =
        || Going::begin(fedsim(folder.path(), &[&["worker", "-j", "1"], &at[..]].concat()));
    let workers = [worker(), worker()];
    for worker in workers {
        assert_eq!(worker.ended().status.code(), Some(1), "a promise was broken");
    }
    let stopped = status(folder.path(), &at, "it is stopped", |it| it["stopped"].is_string());
    assert!(stopped["stopped"].as_str().is_some_and(|it| it.contains("--fail-fast=1")));
    assert_eq!(stopped["finished"], false);
    let before = stopped["runs"].as_u64();
    let resumed = Going::begin(fedsim(folder.path(), &[&["resume", "-j", "1"], &at[..]].concat()));
    status(folder.path(), &at, "it is small, and it goes on", |it| {
        it["shrunk"].as_u64() >= Some(1) && it["runs"].as_u64() > before
    });
    assert!(ends(folder.path(), &[&["stop"], &at[..]].concat()).status.success());
    assert_eq!(resumed.ended().status.code(), Some(1));
}

#[test]
fn stop_ends_every_process_and_resume_makes_exactly_the_rest() {
    let folder = folder_with(SOUND);
    let start = ["start", "mine.toml", "--runs", "120", "--seed", "1", "--lease", "2s", "-j", "1"];
    let first = Going::begin(fedsim(folder.path(), &start));
    let runs = |it: &Value| it["runs"].as_u64() > Some(0);
    status(folder.path(), &[], "it has begun", runs);
    let second = Going::begin(fedsim(folder.path(), &["worker", "-j", "1"]));
    status(folder.path(), &[], "somebody joined", |it| it["workers"] == 2);
    assert!(ends(folder.path(), &["stop"]).status.success());
    for process in [first, second] {
        let output = process.ended();
        assert_eq!(output.status.code(), Some(3), "what was stopped is not green: {output:?}");
    }
    let stopped = status(folder.path(), &[], "it is stopped", |it| it["stopped"].is_string());
    assert!(stopped["finished"] == false && stopped["runs"].as_u64() < Some(120), "{stopped}");
    assert_eq!(stopped["verdict"], "inconclusive");
    // Whoever joins what is stopped does nothing.
    let joined = Going::begin(fedsim(folder.path(), &["worker", "-j", "1"])).ended();
    assert_eq!(joined.status.code(), Some(3));
    let resumed = ends(folder.path(), &["resume", "--message-format", "json"]);
    let told = told(&resumed);
    assert_eq!(resumed.status.code(), Some(0), "{told}");
    assert_eq!((&told["runs"], &told["finished"]), (&120.into(), &true.into()), "{told}");
}

#[test]
fn tail_tells_what_is_found_and_made_small_and_ends_with_the_campaign() {
    needs_nats!();
    let nats = NatsServer::start();
    let url = nats.url();
    let at = ["--nats", &url];
    let folder = folder_with(&weak());
    let few = ["--runs", "8", "--as-they-are", "--canary", "none"];
    assert!(
        ends(folder.path(), &[&["start", "mine.toml"], &few[..], &at].concat()).status.success()
    );
    let tail =
        |more: &[&str]| Going::begin(fedsim(folder.path(), &[&["tail"], &at[..], more].concat()));
    let (people, program) = (tail(&[]), tail(&["--message-format", "json"]));
    let worked = Going::begin(fedsim(folder.path(), &[&["worker"], &at[..]].concat())).ended();
    assert_eq!(worked.status.code(), Some(1));
    let output = people.ended();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Found") && text.contains("all-or-nothing"), "{text}");
    assert!(text.contains("Shrunk") && output.status.success(), "{text}");
    let output = program.ended();
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let types: Vec<Value> = lines.lines().filter_map(|it| serde_json::from_str(it).ok()).collect();
    assert!(types.iter().any(|it| it["type"] == "finding" && it["check"] == "all-or-nothing"));
    let last = types.last().expect("an object");
    assert_eq!((&last["type"], &last["finished"]), (&"campaign".into(), &true.into()), "{last}");
}

#[test]
fn tail_ends_when_somebody_stops_the_campaign() {
    needs_nats!();
    let nats = NatsServer::start();
    let url = nats.url();
    let at = ["--nats", &url];
    let folder = folder_with(SOUND);
    let endless = ["start", "mine.toml", "--runs", "1000000", "--canary", "none"];
    assert!(ends(folder.path(), &[&endless[..], &at].concat()).status.success());
    let tail = Going::begin(fedsim(folder.path(), &[&["tail"], &at[..]].concat()));
    assert!(ends(folder.path(), &[&["stop"], &at[..]].concat()).status.success());
    assert_eq!(tail.ended().status.code(), Some(0));
}
