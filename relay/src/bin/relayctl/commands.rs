//! What an operator can ask: the words of `relayctl`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use ruma::OwnedServerName;

use crate::remote::Access;

/// Sees and sets a running relay, and looks after its database.
#[derive(Debug, Parser)]
#[command(name = "relayctl", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Print what the relay answers, as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Running(Running),
    #[command(flatten)]
    Data(DataCommand),
}

/// What is asked of a running relay.
#[derive(Debug, Subcommand)]
pub(crate) enum Running {
    /// What waits for whom
    Status,
    /// Turn relaying on
    Enable,
    /// Turn relaying off; what is stored stays
    Disable,
    /// The entries that wait for a destination, oldest first
    List {
        /// The destination's server name
        destination: OwnedServerName,
    },
    /// One entry that waits
    Show {
        /// Its number
        entry: i64,
    },
    /// Delete one entry that waits
    Drop {
        /// Its number
        entry: i64,
    },
    /// Hand out and forward an entry again as if that had never been tried
    Requeue {
        /// Its number
        entry: i64,
    },
    /// Delete what waits: for a destination, from an origin, or what is old; all that is said must hold
    Purge(Purge),
    /// The entries that were set aside because they cannot be read, or were never acknowledged
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Let a host leave nothing more
    Block {
        /// A server name; its port does not matter
        origin: OwnedServerName,
        /// Why, for other operators
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let a host leave mail again
    Unblock {
        /// A server name; its port does not matter
        origin: OwnedServerName,
    },
    /// The hosts that may leave nothing
    Blocks,
    /// The quotas as they stand; with KEY=VALUE, set some, with KEY=, go back to the configuration
    Quotas {
        /// Such as `max_entries_per_destination=5000`
        changes: Vec<String>,
    },
    /// The destinations that are served; all of them if there are none
    #[command(subcommand)]
    Destinations(Destinations),
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// For this destination
    pub(crate) destination: Option<OwnedServerName>,
    /// From this host
    #[arg(long)]
    pub(crate) origin: Option<OwnedServerName>,
    /// Stored longer ago than this: whole numbers with units, such as 7d or "1d 12h"
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only count
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// All of them, oldest first
    List,
    /// One of them
    Show {
        /// Its number
        entry: i64,
    },
    /// Put one at the end of its mailbox
    Release {
        /// Its number
        entry: i64,
    },
    /// Delete one
    Drop {
        /// Its number
        entry: i64,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Destinations {
    /// Which they are
    List,
    /// Set them, in the place of the configuration's; none serves everybody
    Set {
        /// Their server names
        destinations: Vec<OwnedServerName>,
    },
    /// Go back to those of the configuration
    Reset,
}

/// What is done with the database of a relay, in its directory.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Check the database: whether it is whole, and whether its sums are right (the relay may run)
    Fsck(Data),
    /// Give the room of what was deleted back to the disk (the relay must not run)
    Compact(Data),
    /// Copy the database into a file, as it is at one moment (the relay may run)
    Backup {
        #[command(flatten)]
        data: Data,
        /// The file to make
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Write every entry that waits as a line of JSON (the relay may run)
    Export(Data),
    /// Read such lines from standard input; what is there already stays once (the relay must not run)
    Import(Data),
}

#[derive(Debug, Args)]
pub(crate) struct Data {
    /// The directory of the relay's database
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

fn duration(text: &str) -> Result<Duration, String> {
    use serde::de::{IntoDeserializer, value};
    let text: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
    transport::settings::duration(text).map_err(|error| error.to_string())
}
