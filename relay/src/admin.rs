//! What an operator can see and do, and the forms in which it is answered.

use ruma::OwnedServerName;
use serde::{Deserialize, Serialize};
use transport::{DatabaseError, Host};

use crate::{
    store::{EntryRow, MailboxRow, PAGE, QuarantineRow, Store},
    switch::Switch,
};

/// The state of the relay, with one page of its mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether relaying is on.
    pub relaying: bool,
    /// Entries that wait, in all.
    pub entries: u64,
    /// Bytes used in all, as the quotas count them; with those in quarantine.
    pub bytes: u64,
    /// Entries set aside because they cannot be read.
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
    /// Why it cannot be read.
    pub reason: String,
}

/// Whether relaying is on: what `PUT relaying` takes and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relaying {
    /// On or off.
    pub enabled: bool,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Entries deleted.
    pub purged: u64,
}

/// The operator's hand in the relay. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    host: Host,
    store: Store,
    switch: Switch,
}

impl Admin {
    pub(crate) fn new(host: &Host, store: &Store, switch: &Switch) -> Self {
        Self { host: host.clone(), store: store.clone(), switch: switch.clone() }
    }

    pub(crate) async fn status(&self, after: String) -> Result<Status, DatabaseError> {
        let now_ms = self.host.unix_ms();
        let sums = self.store.sums().await?;
        let rows = self.store.mailboxes(after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.destination.clone()));
        Ok(Status {
            relaying: self.switch.is_on(),
            entries: sums.entries,
            bytes: sums.bytes,
            quarantined: sums.quarantined,
            destinations: rows.into_iter().map(|row| mailbox(row, now_ms)).collect(),
            next: next.flatten(),
        })
    }

    pub(crate) async fn set_relaying(&self, relaying: Relaying) -> Result<(), DatabaseError> {
        self.switch.set(relaying.enabled).await
    }

    pub(crate) async fn entries(
        &self,
        destination: OwnedServerName,
        after: i64,
    ) -> Result<Entries, DatabaseError> {
        let now_ms = self.host.unix_ms();
        let rows = self.store.entries(destination, after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.id));
        let entries = rows.into_iter().map(|row| waiting(row, now_ms)).collect();
        Ok(Entries { entries, next: next.flatten() })
    }

    pub(crate) async fn purge(
        &self,
        destination: OwnedServerName,
    ) -> Result<Purged, DatabaseError> {
        let purged = self.store.purge(destination.clone()).await?;
        tracing::info!(%destination, purged, "purged a mailbox");
        Ok(Purged { purged })
    }

    pub(crate) async fn quarantine(&self, after: i64) -> Result<Quarantine, DatabaseError> {
        let now_ms = self.host.unix_ms();
        let rows = self.store.quarantine(after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.id));
        let entries = rows.into_iter().map(|row| set_aside(row, now_ms)).collect();
        Ok(Quarantine { entries, next: next.flatten() })
    }
}

fn mailbox(row: MailboxRow, now_ms: u64) -> Mailbox {
    Mailbox {
        destination: row.destination,
        entries: row.entries,
        bytes: row.bytes,
        oldest_age_ms: now_ms.saturating_sub(row.oldest_stored_ms),
    }
}

fn waiting(row: EntryRow, now_ms: u64) -> Waiting {
    Waiting {
        entry_id: row.id,
        origin: row.origin,
        transaction_id: row.transaction_id,
        bytes: row.bytes,
        age_ms: now_ms.saturating_sub(row.stored_ms),
        handed_out: row.handed_out,
    }
}

fn set_aside(row: QuarantineRow, now_ms: u64) -> SetAside {
    SetAside {
        entry_id: row.id,
        destination: row.destination,
        origin: row.origin,
        transaction_id: row.transaction_id,
        bytes: row.bytes,
        age_ms: now_ms.saturating_sub(row.stored_ms),
        reason: row.reason,
    }
}
