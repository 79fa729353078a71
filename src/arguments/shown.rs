//! The flags of the subcommands that show runs.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use reports::Renderer;

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Runs: a `run.json`, a folder that holds one, a folder of such folders, or a run's name below
    /// `target/fedsim`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The formats, each written beside the run's record
    #[arg(short, long, value_name = "FORMAT,..", value_delimiter = ',', value_parser = format,
          default_value = "html")]
    pub(crate) format: Vec<&'static Renderer>,
    /// Where the file of one run in one format goes instead; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also write a page about all of these runs, on which equal failures stand together
    #[arg(long, value_name = "FILE.html")]
    pub(crate) index: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The run: a `run.json`, a folder that holds one, or a run's name below `target/fedsim`
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Only what happened at this machine, or was sent to it; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Vec<String>,
    /// Only from this time on, as reports write it: `1.025s`, `2m 57s`
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) from: Option<i64>,
    /// Only up to this time
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub(crate) to: Option<i64>,
    /// Only what carries this message or speaks of it
    #[arg(long, value_name = "NAME")]
    pub(crate) message: Option<String>,
    /// Only requests to this endpoint, and their answers
    #[arg(long, value_name = "NAME")]
    pub(crate) endpoint: Option<String>,
    /// Only the entries around this one
    #[arg(long, value_name = "N")]
    pub(crate) around: Option<u64>,
    /// Only the chain of causes that led to this entry
    #[arg(long, value_name = "N", conflicts_with = "around")]
    pub(crate) why: Option<u64>,
    /// Only the entries that show what was violated; of CHECK, or of the most serious check
    #[arg(long, value_name = "CHECK", num_args = 0..=1, default_missing_value = "")]
    pub(crate) evidence: Option<String>,
    /// Also show what requests, answers and notes carried, if the journal was kept
    #[arg(long)]
    pub(crate) bodies: bool,
    /// Do not hand the output to a pager, even on a terminal
    #[arg(long)]
    pub(crate) no_pager: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The folder whose runs and explorations are shown; nothing outside of it is read
    #[arg(value_name = "DIR", default_value = "target/fedsim")]
    pub(crate) folder: PathBuf,
    /// The address to listen at. Only this machine can reach the default one; at any other, whoever
    /// can reach it can read everything in DIR
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) bind: IpAddr,
    /// The port to listen at; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 4747)]
    pub(crate) port: u16,
}

/// Reads the name of a format.
pub(super) fn format(text: &str) -> Result<&'static Renderer, String> {
    reports::named(text).ok_or_else(|| {
        let names: Vec<&str> = reports::RENDERERS.iter().map(|renderer| renderer.name).collect();
        format!("there is no such format: there are `{}`", names.join("`, `"))
    })
}

fn moment(text: &str) -> Result<i64, String> {
    reports::time::parse(text).ok_or_else(|| "write a time as `1.025s` or `2m 57s`".to_owned())
}
