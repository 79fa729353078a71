//! The subcommands and flags of the command, with their help. `campaign` has those of campaigns,
//! `shown` those that show runs, `told` those that tell of the language and of the command itself.

mod campaign;
mod shown;
mod told;

use std::{
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use explore::Method;
use reports::Renderer;
use scenarios::scenario::Delivery;

pub(crate) use self::{
    campaign::{Act, Campaign, Carrier, Resume, Start, Which, Work},
    shown::{Report, Serve, Show},
    told::{Completions, Explain, Man, New, Schema, SchemaOf},
};
use crate::{exit, part::Part, report, seeds::Seeds, serve};

/// Runs federations of real homeservers and relays in a simulated world, breaks them on purpose,
/// and judges what they promised.
#[derive(Debug, Parser)]
#[command(name = "fedsim", version, max_term_width = 100, after_help = exit::TABLE)]
#[command(propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The flags of every subcommand.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// When to color; `auto` respects `NO_COLOR` and `CLICOLOR_FORCE`
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// How results are written to standard output; `json` writes one object per line
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
    /// Whether to show progress on standard error; `auto` and `bar` need a terminal there
    #[arg(long, global = true, value_enum, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: Progress,
    /// Print nothing about runs and files that are as they should be
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// When to color.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Makes this the choice of every stream.
    pub(crate) fn write_global(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    Human,
    Json,
}

/// Whether to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Bar,
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and judge them
    #[command(after_help = exit::TABLE)]
    Run(Run),
    /// Search for the scenario that breaks a promise, starting from scenarios that keep it
    #[command(after_help = exit::TABLE)]
    Explore(Explore),
    /// Search with many machines, of which nothing is lost when one of them dies
    Campaign(Box<Campaign>),
    /// Make a scenario that violates a check as small as it goes, and say why what is left is needed
    #[command(after_help = exit::TABLE)]
    Shrink(Shrink),
    #[cfg(feature = "homeservers")]
    /// Plant each known defect in the servers, and show how fast exploration finds it
    #[command(after_help = exit::TABLE)]
    Defects(Defects),
    #[cfg(feature = "homeservers")]
    /// Run the same seeds under several delivery policies, and show what each gives and costs
    #[command(after_help = exit::TABLE)]
    Compare(Compare),
    /// Run a record's scenario again with its seed; every journal entry must be the same
    #[command(after_help = exit::TABLE)]
    Replay(Replay),
    /// Show runs in other ways: as pages, for CI, for other tools
    #[command(after_help = report::formats())]
    Report(Report),
    /// Show the journal of a run, or a part of it
    Show(Show),
    /// Show runs and explorations in the browser: step by step, side by side, and while they go on
    #[command(after_help = serve::HELP)]
    Serve(Serve),
    /// Judge journals that runs have kept, with today's checks, without running anything
    #[command(after_help = exit::TABLE)]
    Judge(Judge),
    /// Read scenario files and name every mistake, without running them
    Check(Check),
    /// List what scenario files can name, or the scenarios themselves
    List(List),
    #[cfg(feature = "homeservers")]
    /// Measure what a simulation costs, and show each figure beside its goal
    #[command(after_help = exit::TABLE)]
    Bench(Bench),
    /// Print a JSON schema: of scenario files for editors, of records and journals for programs
    Schema(Schema),
    /// Write a scenario to begin with, which passes and says what its parts are
    New(New),
    /// Explain something that scenario files can name: a check, a fault, an operation, a mistake ..
    Explain(Explain),
    /// Print a script that has a shell complete this command
    Completions(Completions),
    /// Write the manual: a page for the command and for each subcommand
    Man(Man),
}

/// Scenario files to work on.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Scenario files, or folders in which every `*.toml` file is one; `-` is standard input [default:
    /// scenarios/regressions, then scenarios/library]
    #[arg(value_name = "FILES")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only scenarios whose name matches GLOB (`*` is any text, `?` any one character), or that
    /// have the tag T; may be given several times, and one match is enough
    #[arg(short, long, value_name = "GLOB|tag:T")]
    pub(crate) filter: Vec<String>,
}

/// Where runs take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum World {
    Sim,
    #[cfg(feature = "homeservers")]
    Live,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The seed, or a range of at most 1000000 of them: `7`, `1..5` (without 5), `1..=5` (with 5)
    /// [default: each file's own]
    #[arg(long, value_name = "N|A..B|A..=B")]
    pub(crate) seed: Option<Seeds>,
    /// Accept a pass with an inert fault, a vacuous check or a situation that never came about
    #[arg(long)]
    pub(crate) lenient: bool,
    /// The opposite of `--lenient`, and the default
    #[arg(long, hide = true, conflicts_with = "lenient")]
    pub(crate) strict: bool,
    /// End after N runs that did not pass [without N: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) fail_fast: Option<NonZeroU64>,
    /// Run everything twice and compare the journals byte for byte
    #[arg(long)]
    pub(crate) twice: bool,
    /// Where runs take place: in the simulated world, or on real processes of this machine in real
    /// time
    #[arg(long, value_enum, value_name = "WORLD", default_value = "sim")]
    pub(crate) world: World,
    /// Which kind of server each backend and relay is, for `--world live` [default: fedsim's own]
    #[arg(long, value_name = "FILE")]
    pub(crate) servers: Option<PathBuf>,
    /// How often each run is made, for `--world live`: no two are alike
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "twice")]
    pub(crate) repeat: NonZeroU16,
    /// How many runs go on at once, each on a thread of its own [default: the number of processors;
    /// 1 for `--world live`]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Where each run's folder goes: `<scenario>-<seed>/run.json` and `report.txt`
    #[arg(long, value_name = "DIR", default_value = "target/fedsim")]
    pub(crate) out: PathBuf,
    /// Which runs keep their whole journal in their folder, for `fedsim judge`
    #[arg(long, value_enum, value_name = "WHEN", default_value = "failures")]
    pub(crate) journal: Journal,
    /// How each run is shown in its folder besides `run.json` and `report.txt`; `fedsim report
    /// --help` lists the formats [default: html, for runs that are not a plain pass]
    #[arg(long, value_name = "FORMAT,..", value_delimiter = ',', value_parser = shown::format)]
    pub(crate) report: Option<Vec<&'static Renderer>>,
}

#[derive(Args, Debug)]
pub(crate) struct Explore {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The ways of searching, which take turns [default: every-leg; all if --runs or --time is
    /// given]
    #[arg(long, value_enum, value_name = "WAY", value_delimiter = ',')]
    pub(crate) ways: Vec<Way>,
    /// The most runs; what is left to try by then is not tried
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: Option<u64>,
    /// The most time, in whole seconds, minutes or hours: `90s`, `10m`, `8h`
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<Duration>,
    /// End after N kinds of failures are found [without N: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub(crate) fail_fast: Option<NonZeroUsize>,
    /// Play the M-th of N parts of the campaign of one `--seed`, which share nothing but the
    /// scenarios as they are; `auto/N` and `auto` read which part this is from the environment of an
    /// indexed job of Kubernetes, a Slurm array or GitLab
    #[arg(long, value_name = "M/N", requires = "seed")]
    pub(crate) shard: Option<Part>,
    /// What the campaign is drawn from; another seed tries things in another order [default: a fresh
    /// one, which is printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Have every conversation use this delivery policy
    #[arg(long, value_name = "POLICY", value_parser = delivery)]
    pub(crate) delivery: Option<Delivery>,
    /// How many runs go on at once, each on a thread of its own [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Where scenarios that fail are written
    #[arg(long, value_name = "DIR", default_value = "target/fedsim/explore")]
    pub(crate) out: PathBuf,
    /// A folder whose scenarios are explored beside those that are named, and that is given every
    /// scenario that fails or reaches something new
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
}

#[cfg(feature = "homeservers")]
#[derive(Args, Debug)]
pub(crate) struct Defects {
    /// Only defects whose name contains one of these texts [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The most runs that are spent on finding each
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: u64,
    /// What the exploration is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many runs go on at once, each on a thread of its own [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Where the shrunk scenarios are written
    #[arg(long, value_name = "DIR", default_value = "target/fedsim/defects")]
    pub(crate) out: PathBuf,
    /// Write the table into this page, between its markers
    #[arg(long, value_name = "PAGE")]
    pub(crate) page: Option<PathBuf>,
}

#[cfg(feature = "homeservers")]
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// The scenario file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The delivery policies, each for every conversation
    #[arg(long, value_name = "POLICY,..", value_delimiter = ',', value_parser = delivery,
          default_value = "m1,m1-2021,eventual")]
    pub(crate) policies: Vec<Delivery>,
    /// The seeds that are run under each, as `fedsim run --seed` takes them
    #[arg(long, value_name = "N|A..B|A..=B", default_value = "1..=20")]
    pub(crate) seeds: Seeds,
    /// Also draw the comparison into this file, as SVG
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// How many runs go on at once, each on a thread of its own [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}

#[derive(Args, Debug)]
pub(crate) struct Shrink {
    /// What fails: a scenario file, a `run.json`, or a run's folder
    #[arg(value_name = "RUN|FILE")]
    pub(crate) failing: PathBuf,
    /// The seed of a scenario file [default: the file's own]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The check that must still be violated [default: the most serious one that is]
    #[arg(long, value_name = "CHECK")]
    pub(crate) check: Option<String>,
    /// Print a Rust test in the place of a scenario file
    #[arg(long)]
    pub(crate) as_test: bool,
}

/// A way of searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Each request, answer, sync and boot of each scenario broken once, in each way
    EveryLeg,
    /// The same again, in the runs of single breaks that reached something new
    Pairs,
    /// Topology, workload and faults drawn from the seed
    Drawn,
    /// Changes of runs that reached something new
    Bred,
    /// As drawn, with a server whose disk is emptied or set back to a backup; only if asked for
    LostDisks,
}

impl From<Way> for Method {
    fn from(way: Way) -> Self {
        match way {
            Way::EveryLeg => Self::EveryLeg,
            Way::Pairs => Self::Pairs,
            Way::Drawn => Self::Drawn,
            Way::Bred => Self::Bred,
            Way::LostDisks => Self::LostDisks,
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    scenarios::duration::parse(text)
}

fn delivery(text: &str) -> Result<Delivery, String> {
    let known = Delivery::WORDS.iter().find(|(word, _)| *word == text);
    known.map(|(_, delivery)| *delivery).ok_or_else(|| {
        let words = Delivery::WORDS.map(|(word, _)| word).join("`, `");
        format!("`{text}` is not a delivery policy: there are `{words}`")
    })
}

/// Which runs keep their journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Journal {
    /// Every run whose folder is kept
    Always,
    /// Those that are not a plain pass
    Failures,
    /// None
    Never,
}

#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The record: a `run.json`, or a folder that holds one
    #[arg(value_name = "RUN.json")]
    pub(crate) record: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Judge {
    /// Journals: a `journal.jsonl.zst`, a folder that holds one, or the `run.json` next to it; or a
    /// journal that another tool recorded, compressed or not
    #[arg(value_name = "JOURNAL|RUN", required = true)]
    pub(crate) journals: Vec<PathBuf>,
    /// Accept a pass with an inert fault, a vacuous check or a situation that never came about
    #[arg(long)]
    pub(crate) lenient: bool,
    /// The opposite of `--lenient`, and the default
    #[arg(long, hide = true, conflicts_with = "lenient")]
    pub(crate) strict: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Scenarios, with their tags
    Scenarios(Files),
    /// Checks that `expect` can name
    Checks,
    /// Faults that `[[faults]]` can name, and what each means
    Faults,
    /// Operations that `[[ops]]` can name, and what each means
    Ops,
    /// Endpoints that a fault's `when` can name
    Endpoints,
}

#[cfg(feature = "homeservers")]
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// Only rows whose name contains this text [default: all]
    #[arg(value_name = "ROW")]
    pub(crate) row: Option<String>,
    /// Measure only for a moment, to see that it works; the figures mean little
    #[arg(long)]
    pub(crate) quick: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_surface_has_no_contradiction() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_is_explained() {
        let mut command = Arguments::command();
        command.build();
        let explained = |command: &clap::Command| {
            command.get_arguments().all(|argument| argument.get_help().is_some())
        };
        assert!(command.get_subcommands().all(explained));
    }
}
