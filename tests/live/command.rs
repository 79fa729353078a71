//! `fedsim run --world live`, as a command.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

/// A scenario that every kind of server can play, and that is over soon.
pub(crate) const SHORT: &str = "eventual-request-cut-in-its-body";

/// Runs of the command, with a folder for what they leave.
pub(crate) struct Runs {
    folder: TempDir,
}

impl Runs {
    pub(crate) fn new() -> Self {
        build_servers();
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Returns the command that runs a scenario of the library in a world.
    pub(crate) fn command(&self, world: &str, scenario: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fedsim"));
        let file = format!("scenarios/library/{scenario}.toml");
        command.args(["run", "--message-format", "json", "--world", world, &file, "--out"]);
        command.arg(self.folder.path()).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::null());
        command
    }

    /// Returns the command that runs a scenario on servers that are as `servers` says.
    pub(crate) fn on(&self, scenario: &str, servers: &str) -> Command {
        let file = self.folder.path().join("servers.toml");
        std::fs::write(&file, servers).unwrap();
        let mut command = self.command("live", scenario);
        command.arg("--servers").arg(file);
        command
    }

    /// Returns what a run of the command said of its one run.
    pub(crate) fn said(command: &mut Command) -> Value {
        let output: Output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let objects = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let run = objects.into_iter().find(|object| object["type"] == "run");
        run.unwrap_or_else(|| panic!("no run: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Returns whether this system gives processes no namespaces of their own, and says on its error output that
/// tests are left out for that. Whoever wants all of them, as the gate does, sets `FEDSIM_ALL_TESTS`: then
/// they are played, and say what is missing.
pub(crate) fn has_no_namespaces() -> bool {
    let ways: [&[&str]; 2] =
        [&["--mount", "true"], &["--user", "--map-root-user", "--mount", "true"]];
    let has_them = ways.iter().any(|way| {
        let tried = Command::new("unshare").args(*way).stderr(Stdio::null()).status();
        tried.map_or(true, |status| status.success())
    });
    if has_them || std::env::var_os("FEDSIM_ALL_TESTS").is_some() {
        return false;
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not by a macro, of which the harness would keep what a test says that passes.
    let why = "processes have no namespaces here, see docs/live.md";
    drop(writeln!(std::io::stderr(), "left out: {name}: {why}"));
    true
}

/// Builds the servers beside the command, unless `cargo test --workspace` has.
fn build_servers() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder: PathBuf = Path::new(env!("CARGO_BIN_EXE_fedsim")).parent().unwrap().into();
        for name in ["homeserver", "relay"].iter().filter(|name| !folder.join(name).exists()) {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--workspace", "--bin", name])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status();
            assert!(built.unwrap().success(), "failed to build {name}");
        }
    });
}
