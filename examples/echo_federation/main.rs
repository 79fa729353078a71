//! Somebody else's server in fedsim's scenarios: a federation of echo servers.
//!
//! `cargo run --example echo_federation` runs the scenarios of this folder; with `-- tries-once` or
//! `-- answers-first`, it runs them on a server with that flaw, which the checks find.
//! `docs/your-own-server.md` explains it step by step.

mod checks;
mod federation;
mod server;

use std::{path::Path, process::ExitCode, sync::Arc};

use ::checks::record::Verdict;
use reports::{Source, folder, text};
use runs::{Options, run_on, world::Simulated};
use scenarios::language;

use crate::{
    federation::{ECHO, Echo},
    server::Flaw,
};

#[expect(clippy::print_stdout, reason = "the report is what it is for")]
fn main() -> ExitCode {
    let flaw = match std::env::args().nth(1).as_deref() {
        None => None,
        Some("tries-once") => Some(Flaw::TriesOnce),
        Some("answers-first") => Some(Flaw::AnswersFirst),
        Some(other) => {
            println!("there is no flaw `{other}`: say tries-once or answers-first");
            return ExitCode::from(2);
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all_pass = true;
    for name in ["cut.toml", "power-loss.toml"] {
        let path = root.join("examples/echo_federation").join(name);
        let scenario = match language::load_in(&ECHO, &path) {
            Ok(scenario) => scenario,
            Err(mistakes) => {
                println!("{mistakes}");
                return ExitCode::from(2);
            }
        };
        let federation = Arc::new(Echo::with(flaw));
        let options = Options::default();
        let record = run_on(&Simulated, federation, &scenario, scenario.seed, &options).record;
        all_pass &= record.verdict == Verdict::Pass;
        println!("{}", text::render(&record));
        match folder::write(&root.join("target/fedsim"), &Source::of(&record), &[]) {
            Ok(folder) => println!("written to {}\n", folder.display()),
            Err(error) => println!("not written: {error}\n"),
        }
    }
    if all_pass { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
