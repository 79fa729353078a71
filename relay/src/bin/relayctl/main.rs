//! The command `relayctl`: sees and sets a running relay through its admin API, and looks after the
//! database of one that does not run.

mod commands;
mod data;
mod remote;
mod show;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use self::commands::{Arguments, Command};

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Trouble {
    /// A mistake in the command line or the configuration, for people.
    Mistake(String),
    /// Trouble on this machine or another one.
    Other(String),
}

/// The exit code of a mistake.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    let Arguments { access, json, command } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|error| Trouble::Other(error.to_string())).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                Command::Data(command) => data::act(command),
                Command::Running(command) => show::act(access, command, json).await,
            }
        })
    });
    let done = done.and_then(|text| {
        let written = io::stdout().write_all(text.as_bytes());
        written.map_err(|error| Trouble::Other(error.to_string()))
    });
    // If even stderr is gone, the exit code says it.
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Mistake(text)) => {
            writeln!(io::stderr(), "relayctl: {}", text.trim_end()).ok();
            ExitCode::from(MISTAKE)
        }
        Err(Trouble::Other(text)) => {
            writeln!(io::stderr(), "relayctl: {text}").ok();
            ExitCode::FAILURE
        }
    }
}
