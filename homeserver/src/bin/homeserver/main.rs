//! `homeserver`: a homeserver on this machine's sockets and disk, and what its operator does.

mod admin;
mod commands;
mod keys;
mod remote;
mod run;
mod settings;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use self::{
    commands::AdminArguments,
    settings::{RunArguments, Settings},
};

/// A Matrix homeserver with M1 delivery.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is done in the place of running the server.
#[derive(Debug, Subcommand)]
enum Command {
    /// Read the configuration and the files that it names, and say what is wrong with them
    CheckConfig(RunArguments),
    /// Make this server's signing key, unless there is one, and print its public half
    GenerateKeys {
        #[command(flatten)]
        of: RunArguments,
        #[command(flatten)]
        rotation: keys::Rotation,
    },
    /// Copy the database and the signing key of a server, whether it runs or not
    Backup {
        #[command(flatten)]
        of: RunArguments,
        /// A new directory for the copy
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// See and set a running server
    Admin(AdminArguments),
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
        Some(Command::GenerateKeys { of, rotation }) => {
            Settings::read(&of).and_then(|settings| keys::generate(&settings, rotation))
        }
        Some(Command::Backup { of, to }) => {
            Settings::read(&of).and_then(|settings| back_up(&settings, &to))
        }
        Some(Command::Admin(arguments)) => admin::act(arguments),
    };
    // If even stderr is gone, the exit code says it.
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Mistake(text)) => {
            writeln!(io::stderr(), "{}", text.trim_end()).ok();
            ExitCode::from(MISTAKE)
        }
        Err(Trouble::Other(text)) => {
            writeln!(io::stderr(), "homeserver: {text}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Copies a server's directory, and says what is in the copy.
fn back_up(settings: &Settings, to: &Path) -> Result<(), Trouble> {
    let copies = transport::real::back_up(settings.data()?, to)
        .map_err(|error| Trouble::Other(error.to_string()))?;
    copies.iter().try_for_each(|copy| say(&copy.display().to_string()))
}

/// Writes a line for whoever gave the command.
fn say(line: &str) -> Result<(), Trouble> {
    writeln!(io::stdout(), "{line}").map_err(|error| Trouble::Other(error.to_string()))
}
