//! What the scenarios of a federation can name: its endpoints, and the checks that judge its
//! promises.

mod checks;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::checks::{CHECKS, meaning};

/// What the scenarios of a federation can name.
#[derive(Debug)]
pub struct Vocabulary {
    /// The program that runs the federation, as a record names it.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The endpoints that a trigger can name, and by which reports call requests.
    pub endpoints: &'static [Endpoint],
    /// Those endpoints that wait for news: their requests are always in flight.
    pub long_polls: &'static [&'static str],
    /// The checks that judge its promises, the most serious first.
    pub checks: &'static [CheckName],
    /// Whether a scenario can have relays, conversations, and operations of its users. If not, the
    /// federation itself decides what clients do.
    pub converses: bool,
    /// What clients do, if it is not to send messages: the topic of the note that tells of one such
    /// deed, and the word for several, such as `("said", "sayings")`. Reports count them.
    pub deeds: Option<(&'static str, &'static str)>,
}

/// An endpoint: its name, its method, and its path with `{}` for any one segment.
pub type Endpoint = (&'static str, &'static str, &'static str);

/// A check as a scenario names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckName {
    /// Its name.
    pub name: &'static str,
    /// When it is judged.
    pub kind: CheckKind,
    /// What it asks in a line, or for a situation what came about; without a period.
    pub means: &'static str,
}

/// When a check must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// At every moment.
    Always,
    /// Once everything is repaired and settled.
    Eventually,
    /// At some moment.
    Sometimes,
}

impl CheckKind {
    /// Returns the word for it in a scenario file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Eventually => "eventually",
            Self::Sometimes => "sometimes",
        }
    }
}

/// What the scenarios of fedsim's own homeservers and relays can name.
pub static HOMESERVERS: Vocabulary = Vocabulary {
    program: "fedsim",
    version: env!("CARGO_PKG_VERSION"),
    endpoints: ENDPOINTS,
    long_polls: &["sync", "await"],
    checks: CHECKS,
    converses: true,
    deeds: None,
};

/// The endpoints of homeservers and relays, which a trigger can name.
pub const ENDPOINTS: &[Endpoint] = &[
    ("send", "PUT", "/_matrix/federation/v1/send/{}"),
    ("make_join", "GET", "/_matrix/federation/v1/make_join/{}/{}"),
    ("send_join", "PUT", "/_matrix/federation/v2/send_join/{}/{}"),
    ("invite", "PUT", "/_matrix/federation/v2/invite/{}/{}"),
    ("make_leave", "GET", "/_matrix/federation/v1/make_leave/{}/{}"),
    ("send_leave", "PUT", "/_matrix/federation/v2/send_leave/{}/{}"),
    ("get_missing_events", "POST", "/_matrix/federation/v1/get_missing_events/{}"),
    ("backfill", "GET", "/_matrix/federation/v1/backfill/{}"),
    ("state", "GET", "/_matrix/federation/v1/state/{}"),
    ("state_ids", "GET", "/_matrix/federation/v1/state_ids/{}"),
    ("event", "GET", "/_matrix/federation/v1/event/{}"),
    ("keys", "GET", "/_matrix/key/v2/server"),
    ("send_relay", "PUT", "/_matrix/federation/v1/send_relay/{}/{}"),
    ("relay_txn", "GET", "/_matrix/federation/v1/relay_txn/{}"),
    ("send_message", "PUT", "/_matrix/federation/unstable/org.fedsim.m1/send_message/{}/{}"),
    ("prepare", "PUT", "/_matrix/federation/unstable/org.fedsim.m1/prepare/{}/{}"),
    ("decision", "PUT", "/_matrix/federation/unstable/org.fedsim.m1/decision/{}/{}"),
    ("outcome", "GET", "/_matrix/federation/unstable/org.fedsim.m1/outcome/{}/{}"),
    ("get_user_clients", "POST", "/_matrix/federation/unstable/org.fedsim.m1/get_user_clients"),
    ("on_message_sent", "PUT", "/_matrix/federation/unstable/org.fedsim.m1/on_message_sent/{}/{}"),
    ("client_send", "PUT", "/_matrix/client/v3/rooms/{}/send/{}/{}"),
    ("sync", "GET", "/_matrix/client/v3/sync"),
    ("notifications", "GET", "/notifications"),
    ("await", "GET", "/await"),
];
