//! What is left of a run: nothing.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use crate::command::{Runs, SHORT};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A kind whose processes fork, leave their group and ignore every polite signal; all of them have
/// `LIVE_TEST` in their environment.
fn stubborn(marker: &str) -> String {
    format!(
        "default = 'stubborn'\n[kinds.stubborn]\nready = '/'\nenv = {{ LIVE_TEST = '{marker}' }}\n\
         command = ['/bin/sh', '-c', 'trap \"\" TERM INT HUP; setsid sleep 1000 & sleep 1000 & wait']"
    )
}

/// Returns the processes that have this marker in their environment.
fn marked(marker: &str) -> Vec<u32> {
    let wanted = format!("LIVE_TEST={marker}");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|it| it.file_name().to_str()?.parse().ok());
    let is_marked = |number: &u32| {
        let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes())
    };
    numbers.filter(is_marked).collect()
}

/// Returns the folder of the run that a process works in.
fn folder_of(process: u32) -> PathBuf {
    let machine = fs::read_link(format!("/proc/{process}/cwd")).unwrap();
    machine.parent().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "processes take real time")]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Begins a run on stubborn servers, ends it as `end` does, and asserts that nothing is left.
fn leaves_nothing(marker: &str, end: impl Fn(&mut Child)) {
    let runs = Runs::new();
    let mut child = runs.on(SHORT, &stubborn(marker)).stdout(Stdio::null()).spawn().unwrap();
    // A shell and two that sleep, for each of at least two servers.
    until("the servers run", || marked(marker).len() >= 6);
    let folder = folder_of(marked(marker)[0]);
    assert!(folder.exists());
    end(&mut child);
    until("every process is gone", || marked(marker).is_empty());
    until("the folder is gone", || !folder.exists());
    child.wait().unwrap();
}

#[test]
fn a_run_that_is_killed_leaves_neither_processes_nor_folders() {
    needs_namespaces!();
    leaves_nothing("killed", |child| child.kill().unwrap());
}

#[test]
fn a_run_that_ctrl_c_ends_leaves_neither_processes_nor_folders() {
    needs_namespaces!();
    leaves_nothing("interrupted", |child| {
        let sent =
            Command::new("/bin/sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
        assert!(sent.unwrap().success());
    });
}
