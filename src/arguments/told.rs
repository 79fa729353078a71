//! The flags of the subcommands that tell of the language of scenarios, and of the command itself.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// What the schema describes
    #[arg(value_enum)]
    pub(crate) of: SchemaOf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaOf {
    /// A scenario file, for editors of TOML
    Scenario,
    /// A run's record, `run.json`
    Run,
    /// A line of a kept journal, `journal.jsonl.zst`
    Journal,
}

#[derive(Args, Debug)]
pub(crate) struct New {
    /// The scenario's name, and that of its file
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where it goes instead of `NAME.toml`; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// What to explain: a section of a file (`users`; `file` is its head), an operation, a fault, a
    /// check, an endpoint, a mistake (`unknown-user`), or `exit-codes`
    #[arg(value_name = "TOPIC", required_unless_present = "all")]
    pub(crate) topic: Option<String>,
    /// Print the whole reference, as Markdown
    #[arg(long, conflicts_with = "topic")]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder that the pages go into
    #[arg(value_name = "FOLDER", default_value = "target/man")]
    pub(crate) folder: PathBuf,
}
