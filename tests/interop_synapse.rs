//! Our homeserver beside what others run: a real Synapse over TLS on loopback, and stock client
//! libraries. Ignored by default; `tests/interop/install` installs what they take.
//!
//! What is tried stands in `tests/interop/*.py` and `tests/interop/*.mjs`, a line for each check.

#![expect(clippy::unwrap_used, reason = "these are tests: what cannot be had fails them")]
#![expect(clippy::disallowed_methods, reason = "no simulated time here: processes are waited for")]

#[path = "interop/servers.rs"]
mod servers;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use servers::{Servers, Which};
use tokio::time::Instant;

/// The longest that one script takes.
const PATIENCE: Duration = Duration::from_mins(6);

/// How often it is looked whether a script has ended or asks for something.
const LOOK: Duration = Duration::from_millis(50);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a tool that `tests/interop/install` installs.
fn tool(path: &str) -> PathBuf {
    let tool = root().join("target/tools").join(path);
    assert!(tool.exists(), "{} is missing; run tests/interop/install", tool.display());
    tool
}

/// Runs a script against the servers, killing and starting these as it asks.
fn run(servers: &mut Servers, mut script: Command) {
    script.current_dir(root().join("tests/interop"));
    script.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut running = script.spawn().unwrap();
    let status = wait(&mut running, || servers.do_what_is_asked());
    assert!(status, "the script failed; its checks stand above");
}

fn wait(running: &mut Child, mut meanwhile: impl FnMut()) -> bool {
    let began = Instant::now();
    loop {
        if let Some(status) = running.try_wait().unwrap() {
            return status.success();
        }
        if began.elapsed() > PATIENCE {
            running.kill().unwrap();
            return false;
        }
        meanwhile();
        std::thread::sleep(LOOK);
    }
}

#[test]
#[ignore = "takes a Synapse, which `tests/interop/install` installs"]
fn synapse_and_ours_do_together_what_two_synapses_do() {
    let mut servers = Servers::start(&[Which::Ours, Which::Theirs], &tool("synapse/bin/python"));
    let mut script = Command::new(tool("synapse/bin/python"));
    script.arg("synapse.py").arg(servers.client_url(Which::Ours));
    script.arg(servers.client_url(Which::Theirs)).arg(servers.control());
    run(&mut servers, script);
}

#[test]
#[ignore = "takes matrix-nio and a Synapse, which `tests/interop/install` installs"]
fn nio_talks_encrypted_through_ours_and_through_a_mixed_pair() {
    let mut servers = Servers::start(&[Which::Ours, Which::Theirs], &tool("synapse/bin/python"));
    let mut script = Command::new(tool("synapse/bin/python"));
    script.arg("nio_client.py").arg(servers.client_url(Which::Ours));
    script.arg(servers.client_url(Which::Theirs));
    run(&mut servers, script);
}

#[test]
#[ignore = "takes matrix-js-sdk, which `tests/interop/install` installs"]
fn the_js_sdk_talks_encrypted_through_ours() {
    let mut servers = Servers::start(&[Which::Ours], &tool("synapse/bin/python"));
    tool("js/node_modules/matrix-js-sdk");
    let own = root().join("target/tools/js/node_modules/.bin/node");
    let mut script = if own.exists() { Command::new(own) } else { Command::new("node") };
    script.arg("js_client.mjs").arg(servers.client_url(Which::Ours));
    script.arg(root().join("target/tools/js/node_modules"));
    run(&mut servers, script);
}
