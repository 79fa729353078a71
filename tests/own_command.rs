//! The whole command for somebody else's servers: this program is a test, and under another name
//! in the environment it is the command of the example, which the test starts.

#[path = "../examples/echo_federation/checks.rs"]
mod checks;
#[path = "../examples/echo_federation/federation.rs"]
mod federation;
#[path = "../examples/echo_federation/server.rs"]
mod server;

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{federation::Echo, server::Flaw};

/// Set if this is the command: to `sound`, or to the flaw of its servers.
const AS_COMMAND: &str = "ECHO_COMMAND";

fn main() -> ExitCode {
    match env::var(AS_COMMAND).as_deref() {
        Ok("sound") => fedsim::cli(Echo::default),
        Ok(_) => fedsim::cli(|| Echo::with(Some(Flaw::TriesOnce))),
        Err(_) => tests(),
    }
}

fn tests() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::test("sound_servers_pass_and_their_deeds_are_counted", sound_servers_pass),
        Trial::test("a_failure_is_replayed_judged_and_shown", a_failure_is_followed_up),
        Trial::test("a_flaw_is_found_by_exploring_and_made_small", a_flaw_is_found),
        Trial::test("what_is_listed_is_of_these_servers", what_is_listed),
        Trial::test("another_programs_run_is_refused_by_name", anothers_run_is_refused),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs the command with these words; returns its exit code and what it printed.
fn command(servers: &str, words: &[&str]) -> Result<(i32, String), Failed> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new(env::current_exe()?);
    let output = command.args(words).current_dir(root).env(AS_COMMAND, servers).output()?;
    let told = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(-1), String::from_utf8(told)?))
}

/// Checks that the command exits with `code`, and says each of `words`.
fn says(servers: &str, arguments: &[&str], code: i32, words: &[&str]) -> Result<String, Failed> {
    let (exit, told) = command(servers, arguments)?;
    let missing: Vec<_> = words.iter().filter(|word| !told.contains(**word)).collect();
    if exit == code && missing.is_empty() {
        return Ok(told);
    }
    Err(format!("exit {exit}, without {missing:?}:\n{told}").into())
}

const SCENARIOS: &str = "examples/echo_federation";

fn sound_servers_pass() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let run = ["run", SCENARIOS, "--out", &out, "--seed", "1..=2", "-j", "2"];
    says("sound", &run, 0, &["4 runs: 4 pass", "6 sayings", "3 sayings"]).map(drop)
}

fn a_failure_is_followed_up() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let found = "alice-1-2 was taken, and b never heard it";
    says("tries-once", &["run", SCENARIOS, "--out", &out], 1, &[found, "1 pass, 1 fail"])?;
    let run = folder.path().join("echo-cut-1").display().to_string();
    says("tries-once", &["replay", &run], 1, &["Reproduced", found])?;
    says("tries-once", &["judge", &run], 1, &[found])?;
    says("tries-once", &["show", &run, "--evidence"], 0, &["said  id: alice-1-2, outcome: ok"])?;
    says("tries-once", &["report", &run, "--format", "markdown"], 0, &["wrote"])?;
    says("sound", &["replay", &run], 5, &["DIFFERS"]).map(drop)
}

fn a_flaw_is_found() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let sound = folder.path().join("sound.toml");
    let text =
        "name = \"sound\"\n[backends]\na = {}\nb = {}\n[users]\nalice = { backend = \"a\" }\n";
    std::fs::write(&sound, text)?;
    let (sound, out) = (sound.display().to_string(), folder.path().display().to_string());
    let explore = ["explore", &sound, "--out", &out, "--runs", "40", "--seed", "1", "--fail-fast"];
    let told = says("tries-once", &explore, 1, &["FAIL heard-by-all", "to 1 fault"])?;
    let file = told.lines().rev().find_map(|line| line.split(" run ").nth(1));
    let file = file.ok_or("it says how to run what is left")?;
    says("tries-once", &["run", file, "--out", &out], 1, &["heard-by-all"]).map(drop)
}

fn what_is_listed() -> Result<(), Failed> {
    says(
        "sound",
        &["list", "checks"],
        0,
        &["heard-by-all  eventually  in the end, every backend"],
    )?;
    says("sound", &["list", "endpoints"], 0, &["hear   PUT   /hear/{}"])?;
    says("sound", &["check", SCENARIOS], 0, &["cut.toml"])?;
    says("sound", &["explain", "heard-by-all"], 0, &["every backend has what a client was told"])?;
    let folder = tempfile::tempdir()?;
    let (out, new) = (folder.path().display().to_string(), folder.path().join("new.toml"));
    let new = new.display().to_string();
    says("sound", &["new", "new", "--output", &new], 0, &["wrote"])?;
    says("sound", &["run", &new, "--out", &out], 0, &["1 run: 1 pass"])?;
    let help = says("sound", &["help"], 0, &["Usage: echo-federation"])?;
    if help.contains("bench") { Err(help.into()) } else { Ok(()) }
}

fn anothers_run_is_refused() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().display().to_string();
    let library = Path::new("scenarios/library/m1-all-up.toml").display().to_string();
    let mut fedsim = Command::new(env!("CARGO_BIN_EXE_fedsim"));
    let root = env!("CARGO_MANIFEST_DIR");
    let ran = fedsim.args(["run", &library, "--out", &out]).current_dir(root).output()?;
    assert!(ran.status.success());
    let run = format!("{out}/m1-all-up-1");
    says("sound", &["replay", &run], 2, &["is a run of `fedsim`"]).map(drop)
}
