//! The forms in which an operator asks, and is answered.

use std::collections::{BTreeMap, BTreeSet};

use ruma::OwnedServerName;
use serde::{Deserialize, Serialize};

use crate::store::{EntryRow, MailboxRow, QuarantineRow, Shown};

/// The state of the relay, with one page of its mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether relaying is on.
    pub relaying: bool,
    /// Entries that wait, in all.
    pub entries: u64,
    /// Bytes used in all, as the quotas count them; with those in quarantine.
    pub bytes: u64,
    /// Entries set aside because they cannot be read, or were never acknowledged.
    pub quarantined: u64,
    /// The mailboxes that are not empty, by destination.
    pub destinations: Vec<Mailbox>,
    /// Ask with `after=` this for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What waits for one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// For whom.
    pub destination: String,
    /// Entries that wait.
    pub entries: u64,
    /// Their bytes, as the quotas count them.
    pub bytes: u64,
    /// Milliseconds since the oldest of them was stored.
    pub oldest_age_ms: u64,
}

/// The entries of one destination, oldest first, one page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// The page.
    pub entries: Vec<Waiting>,
    /// Ask with `after=` this for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// One entry that waits, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The number by which its destination acknowledges it.
    pub entry_id: i64,
    /// Who left it here.
    pub origin: String,
    /// The origin's id of the transaction.
    pub transaction_id: String,
    /// Its bytes, as the quotas count them.
    pub bytes: u64,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// Whether its destination was given it, and has not acknowledged it yet.
    pub handed_out: bool,
    /// How often.
    pub handouts: u64,
}

/// The entries set aside, oldest first, one page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The page.
    pub entries: Vec<SetAside>,
    /// Ask with `after=` this for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// One entry set aside, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its number when it waited.
    pub entry_id: i64,
    /// For whom it was.
    pub destination: String,
    /// Who left it here.
    pub origin: String,
    /// The origin's id of the transaction.
    pub transaction_id: String,
    /// Its bytes, as the quotas count them.
    pub bytes: u64,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// Why it was set aside.
    pub reason: String,
}

/// One entry, with what is in it by count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryShown {
    /// Its number.
    pub entry_id: i64,
    /// For whom it is.
    pub destination: String,
    /// Who left it here.
    pub origin: String,
    /// The origin's id of the transaction.
    pub transaction_id: String,
    /// Its bytes, as the quotas count them.
    pub bytes: u64,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// How often its destination was given it, in vain.
    pub handouts: u64,
    /// Its PDUs; absent if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdus: Option<usize>,
    /// Its EDUs; absent if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edus: Option<usize>,
    /// Why it was set aside, or cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether relaying is on: what `PUT relaying` takes and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relaying {
    /// On or off.
    pub enabled: bool,
}

/// What is to be deleted: the entries that are all of what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PurgeAsked {
    /// For this destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<OwnedServerName>,
    /// From this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Stored longer ago than so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<u64>,
    /// Whether they are only counted.
    pub dry_run: bool,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Entries deleted, or that would be.
    pub purged: u64,
    /// Their bytes, as the quotas count them.
    pub bytes: u64,
    /// Whether they were only counted.
    pub dry_run: bool,
}

/// What became of an entry that was set aside and released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Its new number; unset if the same had been left here again in the meantime.
    pub entry_id: Option<i64>,
}

/// A host that may leave nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Why, as an operator has put it.
    pub reason: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// What `PUT blocks/{host}` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlockAsked {
    /// Why.
    pub reason: String,
}

/// The hosts that may leave nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// By host.
    pub blocks: BTreeMap<String, Block>,
}

/// The quotas as they stand, by their keys in the configuration.
pub type Quotas = BTreeMap<String, QuotaShown>;

/// What `PUT quotas` takes: values by key; `null` goes back to the configuration.
pub type QuotasAsked = BTreeMap<String, Option<u64>>;

/// A quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaShown {
    /// What it is.
    pub value: u64,
    /// Whether it was set at run time, in the place of the configuration.
    pub at_run_time: bool,
}

/// The destinations served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destinations {
    /// Which; none serves all of them. Unset, in what `PUT destinations` takes, goes back to the
    /// configuration.
    pub destinations: Option<BTreeSet<OwnedServerName>>,
    /// Whether they were set at run time.
    #[serde(default)]
    pub at_run_time: bool,
}

impl Mailbox {
    pub(super) fn of(row: MailboxRow, now_ms: u64) -> Self {
        Self {
            destination: row.destination,
            entries: row.entries,
            bytes: row.bytes,
            oldest_age_ms: now_ms.saturating_sub(row.oldest_stored_ms),
        }
    }
}

impl Waiting {
    pub(super) fn of(row: EntryRow, now_ms: u64) -> Self {
        Self {
            entry_id: row.id,
            origin: row.origin,
            transaction_id: row.transaction_id,
            bytes: row.bytes,
            age_ms: now_ms.saturating_sub(row.stored_ms),
            handed_out: row.handouts > 0,
            handouts: row.handouts,
        }
    }
}

impl SetAside {
    pub(super) fn of(row: QuarantineRow, now_ms: u64) -> Self {
        Self {
            entry_id: row.id,
            destination: row.destination,
            origin: row.origin,
            transaction_id: row.transaction_id,
            bytes: row.bytes,
            age_ms: now_ms.saturating_sub(row.stored_ms),
            reason: row.reason,
        }
    }
}

impl EntryShown {
    pub(super) fn of(entry_id: i64, shown: Shown, now_ms: u64) -> Self {
        let (counts, unreadable) = match shown.content {
            Ok(counts) => (Some(counts), None),
            Err(reason) => (None, Some(reason)),
        };
        Self {
            entry_id,
            destination: shown.destination,
            origin: shown.origin,
            transaction_id: shown.transaction_id,
            bytes: shown.bytes,
            age_ms: now_ms.saturating_sub(shown.stored_ms),
            handouts: shown.handouts,
            pdus: counts.map(|(pdus, _)| pdus),
            edus: counts.map(|(_, edus)| edus),
            reason: shown.reason.or(unreadable),
        }
    }
}
