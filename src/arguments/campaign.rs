//! The flags of `fedsim campaign`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::{Files, time};
use crate::{campaign, exit, part::Part};

#[derive(Args, Debug)]
pub(crate) struct Campaign {
    #[command(subcommand)]
    pub(crate) act: Act,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// Begin a campaign: on this machine at once, or at a NATS server for workers to join
    #[command(after_help = campaign::HELP)]
    Start(Start),
    /// Work for a campaign until it is finished or stopped
    #[command(after_help = exit::TABLE)]
    Worker(Work),
    /// Show how far a campaign is
    Status(Which),
    /// Show what is found and who works, until the campaign is finished or stopped
    Tail(Which),
    /// Have all workers stop within seconds; what was being done is not lost
    Stop(Which),
    /// Have a campaign go on that was stopped or cut off
    #[command(after_help = exit::TABLE)]
    Resume(Resume),
    /// Write a page and a JUnit file about a campaign, and say what it came to
    #[command(after_help = exit::TABLE)]
    Report(Which),
}

/// What carries a campaign.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where the campaign is")]
pub(crate) struct Carrier {
    /// On this machine, in a folder, without any service; the default
    #[arg(long, conflicts_with = "nats")]
    pub(crate) local: bool,
    /// The folder of the campaigns of this machine, and of what is fetched of others
    #[arg(long, value_name = "DIR", default_value = "target/fedsim/campaigns")]
    pub(crate) folder: PathBuf,
    /// A NATS server with JetStream, for campaigns over many machines: `nats://host:4222`, or
    /// `tls://host:4222`. Secrets are never arguments: they are in the files below, or in
    /// `FEDSIM_NATS_PASSWORD` and `FEDSIM_NATS_TOKEN`
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// The user at that server; the password is in `FEDSIM_NATS_PASSWORD`, or in a file
    #[arg(long, value_name = "NAME", requires = "nats")]
    pub(crate) nats_user: Option<String>,
    /// A file with the user's password
    #[arg(long, value_name = "FILE", requires = "nats_user")]
    pub(crate) nats_password_file: Option<PathBuf>,
    /// A file with a token; without it, `FEDSIM_NATS_TOKEN`
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) nats_token_file: Option<PathBuf>,
    /// A file with the seed of an nkey
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) nats_nkey_file: Option<PathBuf>,
    /// A file of credentials, as `nsc` writes it
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// A file with the certificates of those who vouch for the server
    #[arg(long, value_name = "FILE", requires = "nats")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// A file with the certificate by which the server knows this client
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    pub(crate) nats_cert: Option<PathBuf>,
    /// A file with the key of that certificate
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    pub(crate) nats_key: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The campaign's name [default: the one that was started last]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) carrier: Carrier,
}

#[derive(Args, Debug)]
pub(crate) struct Start {
    #[command(flatten)]
    pub(crate) files: Files,
    /// How many runs are made, exactly, by all machines together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=::campaign::plan::MOST_RUNS))]
    pub(crate) runs: Option<u64>,
    /// How long blocks are begun: `90s`, `10m`, `8h`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<Duration>,
    /// Stop all workers after N kinds of failures are found [without N: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) fail_fast: Option<NonZeroUsize>,
    /// Only play the scenarios as they are, with other seeds, and change nothing in them
    #[arg(long)]
    pub(crate) as_they_are: bool,
    /// The first seed, from which all others follow [default: a fresh one, which is printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The campaign's name [default: made of the time]
    #[arg(long, value_name = "ID", value_parser = campaign::id)]
    pub(crate) id: Option<String>,
    /// The build that plays it, as `fedsim campaign worker --build-id` says it [default: this one]
    #[arg(long, value_name = "BUILD", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) build: Option<String>,
    /// The known defect that must be found, for builds with the feature `defects`; `none` for none
    #[arg(long, value_name = "DEFECT")]
    pub(crate) canary: Option<String>,
    /// How long a worker may be silent until others do its work, from 2 s to 1 h
    #[arg(long, value_name = "TIME", value_parser = campaign::lease, default_value = "30s")]
    pub(crate) lease: Duration,
    /// Play only the M-th of N parts of one `--seed`, which share nothing; `auto/N` and `auto` read
    /// which part this is from the environment of an indexed job of Kubernetes, a Slurm array or
    /// GitLab
    #[arg(long, value_name = "M/N", conflicts_with = "nats", requires = "seed")]
    pub(crate) shard: Option<Part>,
    /// How many blocks go on at once on this machine [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) carrier: Carrier,
}

#[derive(Args, Debug)]
pub(crate) struct Work {
    #[command(flatten)]
    pub(crate) which: Which,
    /// How many blocks go on at once [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Play this block once more, in this process alone, and write nothing down
    #[arg(long, value_name = "BLOCK")]
    pub(crate) alone: Option<u64>,
    /// Say which build this is, and do nothing else
    #[arg(long)]
    pub(crate) build_id: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) which: Which,
    /// How many blocks go on at once on this machine [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}
