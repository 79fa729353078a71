//! The command `relay`: a relay on real sockets and a real disk.

mod run;
mod settings;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use self::settings::{RunArguments, Settings};

/// A mailbox for homeservers: keeps what could not reach a destination until it asks.
#[derive(Debug, Parser)]
#[command(name = "relay", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is done in the place of running the relay.
#[derive(Debug, Subcommand)]
enum Command {
    /// Read the configuration and the files that it names, and say what is wrong with them
    CheckConfig(RunArguments),
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Trouble {
    /// A mistake in the command line or the configuration, for people; it may have several lines.
    Mistake(String),
    /// Trouble on this machine or another one.
    Other(String),
}

/// The exit code of a mistake.
const MISTAKE: u8 = 2;

fn main() -> ExitCode {
    let Arguments { run, command } = Arguments::parse();
    let done = match command {
        None => Settings::read(&run).and_then(run::until_ended),
        Some(Command::CheckConfig(arguments)) => settings::check(&arguments),
    };
    // If even stderr is gone, the exit code says it.
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Mistake(text)) => {
            writeln!(io::stderr(), "{}", text.trim_end()).ok();
            ExitCode::from(MISTAKE)
        }
        Err(Trouble::Other(text)) => {
            writeln!(io::stderr(), "relay: {text}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Writes a line for whoever gave the command.
fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()
}
