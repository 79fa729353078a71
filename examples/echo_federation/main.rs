//! Somebody else's server in fedsim's scenarios: a federation of echo servers, with the whole command.
//!
//! `cargo run --example echo_federation -- run examples/echo_federation` runs the scenarios of this
//! folder; `explore`, `replay`, `judge` and the others work as those of `fedsim` do. With
//! `ECHO_FLAW=tries-once` or `ECHO_FLAW=answers-first` in the environment, all servers have that
//! flaw, which the checks find. `docs/your-own-server.md` explains it step by step.

mod checks;
mod federation;
mod server;

use std::process::ExitCode;

use crate::{federation::Echo, server::Flaw};

#[expect(clippy::print_stderr, reason = "it is about how the program was started")]
fn main() -> ExitCode {
    let flaw = match std::env::var("ECHO_FLAW").as_deref() {
        Err(_) => None,
        Ok("tries-once") => Some(Flaw::TriesOnce),
        Ok("answers-first") => Some(Flaw::AnswersFirst),
        Ok(other) => {
            eprintln!("there is no flaw `{other}`: say tries-once or answers-first");
            return ExitCode::from(2);
        }
    };
    fedsim::cli(move || Echo::with(flaw))
}
