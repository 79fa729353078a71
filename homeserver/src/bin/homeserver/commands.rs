//! What an operator can ask of a running server: the words of `homeserver admin`.

use clap::{Args, Subcommand};
use ruma::OwnedServerName;

use crate::remote::Access;

/// What an operator does.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Accounts
    #[command(subcommand)]
    Users(UsersCommand),
    /// Relays of destinations; of this server itself under its own name
    #[command(subcommand)]
    Relays(RelaysCommand),
    /// What waits to be sent
    #[command(subcommand)]
    Queues(QueuesCommand),
    /// Destinations that fail, and when they are tried again
    #[command(subcommand)]
    BackOff(BackOffCommand),
    /// Ask another server for its version, to see whether it can be reached
    Reach {
        /// Its server name
        destination: OwnedServerName,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// All accounts
    List,
    /// Make an account; the password is made up and printed, unless one is given
    Create {
        /// What stands before the colon of the user's id
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give an account a new password, and end all of its logins; one that was deactivated is active
    /// again
    ResetPassword {
        /// The user's id, or what stands before its colon
        user: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// End all logins of an account for good, and have it leave its rooms; its name stays taken
    Deactivate {
        /// The user's id, or what stands before its colon
        user: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RelaysCommand {
    /// The relays of a destination
    Show {
        /// The destination's server name
        destination: OwnedServerName,
    },
    /// Set the relays of a destination, in the place of those of the configuration
    Set {
        /// The destination's server name
        destination: OwnedServerName,
        /// Its relays; none takes all of them away
        relays: Vec<OwnedServerName>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueuesCommand {
    /// All queues, or one with what was set aside because it could not be sent
    Show {
        /// A destination's server name
        destination: Option<OwnedServerName>,
    },
    /// Queue again what was set aside
    Retry {
        /// The destination's server name
        destination: OwnedServerName,
    },
    /// Forget what was set aside
    Drop {
        /// The destination's server name
        destination: OwnedServerName,
        /// Forget everything that waits, too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackOffCommand {
    /// The destinations that fail
    Show,
    /// Try a destination now, as if it had never failed
    Reset {
        /// The destination's server name
        destination: OwnedServerName,
    },
}
