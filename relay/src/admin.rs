//! What an operator can see and do.

mod answers;

use std::collections::{BTreeMap, BTreeSet};

use ruma::OwnedServerName;
use transport::{DatabaseError, Host};

pub use self::answers::{
    Block, BlockAsked, Blocks, Destinations, Entries, EntryShown, Mailbox, PurgeAsked, Purged,
    Quarantine, QuotaShown, Quotas, QuotasAsked, Relaying, Released, SetAside, Status, Waiting,
};
use crate::{
    events::{Events, Kind},
    policy::Quota,
    rules::Rules,
    store::{EntryId, PAGE, Purge, Store},
    switch::Switch,
};

/// Hosts that may be blocked, and destinations that may be set, at run time.
const MAX_SAID: usize = 10_000;

/// Why an operator's order was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Disobeyed {
    /// There is no such entry.
    #[error("there is no such entry")]
    NoEntry,
    /// What was asked makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DatabaseError),
}

/// The operator's hand in the relay. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    host: Host,
    store: Store,
    switch: Switch,
    rules: Rules,
    events: Events,
}

impl Admin {
    pub(crate) fn new(
        host: &Host,
        store: &Store,
        switch: &Switch,
        rules: Rules,
        events: Events,
    ) -> Self {
        let (host, store, switch) = (host.clone(), store.clone(), switch.clone());
        Self { host, store, switch, rules, events }
    }

    /// Writes down that `operator` did something.
    pub(crate) fn note(&self, operator: &str, did: &str, with: &str) {
        self.events.operator(operator, did, with);
    }

    pub(crate) async fn status(&self, after: String) -> Result<Status, Disobeyed> {
        let now_ms = self.host.unix_ms();
        let sums = self.store.sums().await?;
        let rows = self.store.mailboxes(after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.destination.clone()));
        Ok(Status {
            relaying: self.switch.is_on(),
            entries: sums.entries,
            bytes: sums.bytes,
            quarantined: sums.quarantined,
            destinations: rows.into_iter().map(|row| Mailbox::of(row, now_ms)).collect(),
            next: next.flatten(),
        })
    }

    pub(crate) async fn set_relaying(&self, relaying: Relaying) -> Result<(), Disobeyed> {
        Ok(self.switch.set(relaying.enabled).await?)
    }

    pub(crate) async fn entries(
        &self,
        destination: OwnedServerName,
        after: EntryId,
    ) -> Result<Entries, Disobeyed> {
        let now_ms = self.host.unix_ms();
        let rows = self.store.entries(destination, after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.id));
        let entries = rows.into_iter().map(|row| Waiting::of(row, now_ms)).collect();
        Ok(Entries { entries, next: next.flatten() })
    }

    pub(crate) async fn quarantine(&self, after: EntryId) -> Result<Quarantine, Disobeyed> {
        let now_ms = self.host.unix_ms();
        let rows = self.store.quarantine(after).await?;
        let next = (rows.len() == PAGE).then(|| rows.last().map(|row| row.id));
        let entries = rows.into_iter().map(|row| SetAside::of(row, now_ms)).collect();
        Ok(Quarantine { entries, next: next.flatten() })
    }

    /// Deletes all that `asked` means, or counts it.
    pub(crate) async fn purge(&self, asked: PurgeAsked) -> Result<Purged, Disobeyed> {
        let PurgeAsked { destination, origin, older_than_ms, dry_run } = asked;
        if destination.is_none() && origin.is_none() && older_than_ms.is_none() {
            let remedy = "say a destination, an origin or an age: everything is too much";
            return Err(Disobeyed::Wrong(remedy.to_owned()));
        }
        let now_ms = self.host.unix_ms();
        let before_ms = older_than_ms.map(|age_ms| now_ms.saturating_sub(age_ms));
        let host = origin.map(|origin| origin.to_ascii_lowercase());
        let purge = Purge { destination, host, before_ms };
        let (entries, bytes) = self.store.count(purge.clone()).await?;
        if dry_run {
            return Ok(Purged { purged: entries, bytes, dry_run });
        }
        let mut purged = 0;
        loop {
            let (deleted, is_more) = self.store.purge_batch(purge.clone()).await?;
            purged += deleted;
            self.events.entries(Kind::Purged, deleted);
            if !is_more {
                return Ok(Purged { purged, bytes, dry_run });
            }
        }
    }

    pub(crate) async fn show(
        &self,
        id: EntryId,
        is_set_aside: bool,
    ) -> Result<EntryShown, Disobeyed> {
        let shown = self.store.show(id, is_set_aside).await?.ok_or(Disobeyed::NoEntry)?;
        Ok(EntryShown::of(id, shown, self.host.unix_ms()))
    }

    pub(crate) async fn drop_entry(
        &self,
        id: EntryId,
        is_set_aside: bool,
    ) -> Result<(), Disobeyed> {
        if !self.store.drop_entry(id, is_set_aside).await? {
            return Err(Disobeyed::NoEntry);
        }
        self.events.entries(Kind::Purged, 1);
        Ok(())
    }

    pub(crate) async fn requeue(&self, id: EntryId) -> Result<(), Disobeyed> {
        self.store.requeue(id).await?.then_some(()).ok_or(Disobeyed::NoEntry)
    }

    pub(crate) async fn release(&self, id: EntryId) -> Result<Released, Disobeyed> {
        let shown = self.store.show(id, true).await?.ok_or(Disobeyed::NoEntry)?;
        if let Err(reason) = shown.content {
            let problem = format!("it cannot be read, and would be set aside again: {reason}");
            return Err(Disobeyed::Wrong(problem));
        }
        let entry_id = self.store.release(id).await?;
        self.events.entries(Kind::Released, 1);
        Ok(Released { entry_id })
    }

    pub(crate) fn quotas(&self) -> Quotas {
        let shown = |(quota, (value, at_run_time)): (Quota, (u64, bool))| {
            (quota.key().to_owned(), QuotaShown { value, at_run_time })
        };
        self.rules.quotas().into_iter().map(shown).collect()
    }

    pub(crate) async fn set_quotas(&self, asked: QuotasAsked) -> Result<Quotas, Disobeyed> {
        let mut changes = BTreeMap::new();
        for (key, value) in asked {
            let quota = Quota::of_key(&key).ok_or_else(|| {
                let known = Quota::ALL.map(Quota::key).join(", ");
                Disobeyed::Wrong(format!("there is no quota {key:.64}; there are {known}"))
            })?;
            if value.is_some_and(|value| !(1..=quota.most()).contains(&value)) {
                let most = quota.most();
                return Err(Disobeyed::Wrong(format!("{key} can be from 1 to {most}")));
            }
            changes.insert(quota, value);
        }
        for (quota, value) in changes {
            self.rules.set_quota(quota, value).await?;
        }
        Ok(self.quotas())
    }

    pub(crate) fn destinations(&self) -> Destinations {
        let (destinations, at_run_time) = self.rules.destinations();
        Destinations { destinations: Some(destinations), at_run_time }
    }

    pub(crate) async fn set_destinations(
        &self,
        asked: Option<BTreeSet<OwnedServerName>>,
    ) -> Result<Destinations, Disobeyed> {
        if asked.as_ref().is_some_and(|names| names.len() > MAX_SAID) {
            return Err(Disobeyed::Wrong(format!("at most {MAX_SAID} destinations can be set")));
        }
        self.rules.set_destinations(asked).await?;
        Ok(self.destinations())
    }

    pub(crate) fn blocks(&self) -> Blocks {
        Blocks { blocks: self.rules.blocks() }
    }

    pub(crate) async fn block(&self, host: String, asked: BlockAsked) -> Result<(), Disobeyed> {
        if self.rules.blocks().len() >= MAX_SAID {
            return Err(Disobeyed::Wrong(format!("at most {MAX_SAID} hosts can be blocked")));
        }
        let block = Block { reason: asked.reason, since_ms: self.host.unix_ms() };
        self.rules.set_block(host, Some(block)).await?;
        Ok(())
    }

    pub(crate) async fn unblock(&self, host: String) -> Result<(), Disobeyed> {
        if self.rules.set_block(host, None).await? {
            return Ok(());
        }
        Err(Disobeyed::Wrong("that host is not blocked".to_owned()))
    }
}
