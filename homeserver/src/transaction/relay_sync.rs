//! Relay sync: fetches what waits for this server at its relays, stores it, and only then
//! acknowledges it, so that a relay deletes nothing that is not durable here. An entry that cannot
//! be judged yet is deferred, so that it does not hold up what waits behind it.

use std::sync::{Arc, atomic::Ordering};

use defects::{Defect, planted};
use futures_util::future::join_all;
use ruma::{OwnedServerName, ServerName};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use transport::{
    endpoints::relay::{RelayTxn, RelayTxnRequest, RelayTxnResponse, RelayedTransaction},
    federation::CallError,
};

use super::{
    Answer, Edu, Incoming, Outgoing, RecordAnswer,
    deferred::{Deferred, MAX_DEFERRED},
    incoming::within_limits,
    sealed::{self, Letter, Verdict},
};
use crate::{
    core::Core,
    store::{
        StoreError,
        deferred::{self, Handover},
        neighbors,
        received::{self, RelayEntry},
    },
};

/// Entries fetched from one relay in one round; the rest waits for the next round.
const MAX_ENTRIES_PER_ROUND: usize = 10_000;

/// Letters of one origin whose keys cannot be had that wait here; any more are refused.
const MAX_LETTERS: usize = 50;

/// Fetches this server's mail from its relays. Cheap to clone.
#[derive(Clone)]
pub struct RelaySync {
    core: Core,
    incoming: Incoming,
    outgoing: Outgoing,
    wake: Arc<Notify>,
}

/// Why a round with a relay ended early; the next round begins where it stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("too many entries wait to be judged: {0}")]
    NotYet(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the relay handed out entry {0} out of order")]
    NoProgress(i64),
}

/// What a relay handed out.
struct Mail {
    origin: OwnedServerName,
    /// The id that the origin gave it; as the relay says, unless it is signed.
    transaction_id: Option<String>,
    pdus: Vec<Box<RawValue>>,
    edus: Vec<Edu>,
    /// Whether the origin has signed all of this.
    is_signed: bool,
}

/// What became of an entry; either way it is finished.
type Done = Result<(), String>;

impl RelaySync {
    /// Returns a relay sync that begins a round whenever `wake` rings.
    pub fn new(incoming: Incoming, outgoing: Outgoing, wake: Arc<Notify>) -> Self {
        Self { core: outgoing.core.clone(), incoming, outgoing, wake }
    }

    /// Does a round at once, then after every poll interval and whenever this server may have been
    /// cut off, for ever. What was deferred is tried again after each round, and holds up none.
    pub async fn run(self) {
        let ended = Notify::new();
        let deferred = Deferred {
            core: self.core.clone(),
            incoming: self.incoming.clone(),
            any: Arc::clone(&self.incoming.any_deferred),
        };
        tokio::join!(self.rounds(&ended), deferred.run(&ended));
    }

    async fn rounds(&self, ended: &Notify) {
        // Read again after every ring: it rings when they are set.
        let mut relays = None;
        loop {
            if relays.is_none() {
                relays = self.own_relays().await;
            }
            // Empties every relay of this server, each at its own pace.
            let emptied = join_all(relays.iter().flatten().map(|relay| self.empty(relay))).await;
            ended.notify_one();
            if !emptied.is_empty()
                && emptied.iter().all(|emptied| *emptied)
                && planted(Defect::RelaySyncEndsOnceEmpty)
            {
                return;
            }
            tokio::select! {
                biased;
                () = self.wake.notified() => {
                    relays = None;
                    if planted(Defect::RelaySyncStartsAgainAndAgain) {
                        self.core.host.spawn(self.clone().poll_beside());
                    }
                }
                () = tokio::time::sleep(self.core.config.relay_poll_interval) => {}
            }
        }
    }

    /// Asks every relay after every poll interval, for ever, whoever else does.
    async fn poll_beside(self) {
        loop {
            let relays = self.own_relays().await;
            join_all(relays.iter().flatten().map(|relay| self.empty(relay))).await;
            tokio::time::sleep(self.core.config.relay_poll_interval).await;
        }
    }

    /// Returns the relays that are asked, and publishes this server's own; none if they cannot be read now.
    async fn own_relays(&self) -> Option<Vec<OwnedServerName>> {
        let relays = self.outgoing.publish_relays().await;
        relays
            .inspect_err(|error| tracing::warn!(%error, "failed to read this server's relays"))
            .ok()
    }

    /// Fetches all that waits at a relay, and returns whether nothing is left there.
    async fn empty(&self, relay: &OwnedServerName) -> bool {
        let fetched = self.fetch_all(relay).await;
        let emptied = fetched.is_ok();
        match fetched {
            Ok(0) => {}
            Ok(entries) => tracing::info!(%relay, entries, "fetched all mail from a relay"),
            Err(stopped) => tracing::info!(%relay, %stopped, "relay sync stopped early"),
        }
        emptied
    }

    async fn fetch_all(&self, relay: &ServerName) -> Result<usize, Stopped> {
        let mut stored = 0;
        for entries in 0..MAX_ENTRIES_PER_ROUND {
            let answer = self.ask(relay, stored).await?;
            if !answer.entries_queued {
                return Ok(entries);
            }
            if answer.entry_id <= stored {
                return Err(Stopped::NoProgress(answer.entry_id));
            }
            self.store(relay, &answer).await?;
            stored = answer.entry_id;
        }
        Ok(MAX_ENTRIES_PER_ROUND)
    }

    /// Asks for the oldest entry; says that the entry `stored` (0: none) is durable here.
    async fn ask(&self, relay: &ServerName, stored: i64) -> Result<RelayTxnResponse, CallError> {
        let user_id = format!("@user:{}", self.core.server_name());
        let request = RelayTxnRequest { entry_id: stored };
        let deadline = self.core.config.request_timeout;
        let federation = &self.core.federation;
        federation.call_endpoint::<RelayTxn>(relay, &[&user_id], &request, deadline).await
    }

    /// Makes an entry durable, or refuses it for good. One that came before is recognized.
    async fn store(&self, relay: &ServerName, answer: &RelayTxnResponse) -> Result<(), Stopped> {
        let transaction = &answer.transaction;
        let entry = RelayEntry {
            relay: relay.to_owned(),
            entry_id: answer.entry_id,
            origin: transaction.origin.clone(),
            transaction_id: transaction.transaction_id.clone(),
        };
        let known = entry.clone();
        if self.core.database.call(move |db| received::knows_entry(db, &known)).await? {
            return Ok(());
        }
        if let Err(reason) = self.take(&entry, transaction).await? {
            let RelayEntry { entry_id, origin, .. } = entry;
            tracing::warn!(%relay, entry_id, origin, reason, "discarded a bad entry of a relay");
        }
        Ok(())
    }

    async fn take(
        &self,
        entry: &RelayEntry,
        transaction: &RelayedTransaction,
    ) -> Result<Done, Stopped> {
        let origin = match ServerName::parse(&entry.origin) {
            Ok(origin) => origin,
            Err(error) => {
                return self
                    .refuse(entry, format!("the origin is not a server name: {error}"))
                    .await;
            }
        };
        match sealed::open(&self.core.identity, &origin, transaction) {
            None => {
                let pdus = transaction.pdus.clone().unwrap_or_default();
                let raw = transaction.edus.as_deref().unwrap_or_default();
                if let Err(error) = within_limits(pdus.len(), raw.len()) {
                    return self.refuse(entry, error.to_string()).await;
                }
                let edus = raw.iter().filter_map(|edu| serde_json::from_str(edu.get()).ok());
                let id = entry.transaction_id.clone();
                let edus = edus.collect();
                let mail = Mail { origin, transaction_id: id, pdus, edus, is_signed: false };
                self.take_mail(entry, mail).await
            }
            Some(Ok(letter)) => self.take_letter(entry, origin, letter).await,
            Some(Err(reason)) => self.refuse(entry, reason).await,
        }
    }

    /// Takes a sealed transaction, once it is known to be from its origin: its EDUs are signed nowhere
    /// else.
    async fn take_letter(
        &self,
        entry: &RelayEntry,
        origin: OwnedServerName,
        letter: Letter,
    ) -> Result<Done, Stopped> {
        if let Err(error) = within_limits(letter.pdus.len(), letter.edus.len()) {
            return self.refuse(entry, error.to_string()).await;
        }
        match letter.verify(&self.core.keys, &origin, &entry.relay).await? {
            Verdict::Authentic => {
                let transaction_id = Some(letter.transaction_id().to_owned());
                let edus = letter.fresh_edus(self.core.host.unix_ms());
                let pdus = letter.pdus;
                let mail = Mail { origin, transaction_id, pdus, edus, is_signed: true };
                self.take_mail(entry, mail).await
            }
            Verdict::Forged(reason) => self.refuse(entry, reason).await,
            Verdict::Unknown(reason) => self.keep_letter(entry, origin, letter, reason).await,
        }
    }

    /// Keeps a letter until its origin's keys can be had. Strangers, who could send such letters without
    /// end, are not waited for, nor are more than a few of anybody.
    async fn keep_letter(
        &self,
        entry: &RelayEntry,
        origin: OwnedServerName,
        letter: Letter,
        reason: String,
    ) -> Result<Done, Stopped> {
        let (own, name) = (self.core.owned_server_name(), origin.clone());
        let known = self.core.database.call(move |db| {
            Ok::<_, StoreError>((
                neighbors::is_near(db, &own, &name)?,
                deferred::letters(db, &name)?,
            ))
        });
        let (is_near, letters) = known.await?;
        if !is_near || letters >= MAX_LETTERS {
            return self.refuse(entry, reason).await;
        }
        if !self.has_room_for(entry).await? {
            return Err(Stopped::NotYet(reason));
        }
        tracing::info!(%origin, reason, "deferred a sealed entry of a relay");
        let (entry, now) = (entry.clone(), self.core.ages.now_ms());
        let any_deferred = Arc::clone(&self.incoming.any_deferred);
        let kept = self.core.database.transaction(move |tx| {
            any_deferred.store(true, Ordering::SeqCst);
            let handover = Handover { giver: entry.relay.clone(), entry_id: entry.entry_id };
            deferred::put_letter(tx, &handover, &origin, &letter.text, now)?;
            received::put_entry(tx, &entry, None)
        });
        kept.await?;
        Ok(Ok(()))
    }

    /// Returns whether one more entry of a relay can wait here to be judged.
    async fn has_room_for(&self, entry: &RelayEntry) -> Result<bool, StoreError> {
        let relay = entry.relay.clone();
        let waiting = self.core.database.call(move |db| deferred::count(db, &relay)).await?;
        Ok(waiting < MAX_DEFERRED)
    }

    async fn take_mail(&self, entry: &RelayEntry, mail: Mail) -> Result<Done, Stopped> {
        let direct = match &mail.transaction_id {
            Some(id) => self.incoming.answer_given(&mail.origin, id).await?.is_some(),
            None => false,
        };
        // What came directly as well needs no second look. The relay's word that it is the same
        // transaction is believed in this direction only: it could keep the entry to itself anyway.
        let (pdus, edus) = if direct { (Vec::new(), Vec::new()) } else { (mail.pdus, mail.edus) };
        let origin = mail.origin;
        let room_left = self.has_room_for(entry).await?;
        let mut record = self.record_or_defer(entry, pdus.clone(), &origin);
        record = self.with_edus(edus, &origin, record);
        if let Some(id) = mail.transaction_id.filter(|_| mail.is_signed) {
            record = self.with_answer(id, &origin, record);
        }
        if !room_left {
            record = unless_unjudged(record);
        }
        let answer = self.incoming.handler().receive(&origin, &pdus, record).await?;
        match answer.first_unjudged() {
            Some(reason) if !room_left => Err(Stopped::NotYet(reason)),
            Some(reason) => {
                let RelayEntry { relay, entry_id, .. } = entry;
                tracing::info!(%relay, entry_id, %origin, reason, "deferred an entry of a relay");
                Ok(Ok(()))
            }
            None => Ok(Ok(())),
        }
    }

    /// Records that an entry is finished. If some of it was put off, keeps it to be tried again.
    fn record_or_defer(
        &self,
        entry: &RelayEntry,
        pdus: Vec<Box<RawValue>>,
        origin: &ServerName,
    ) -> RecordAnswer {
        let (entry, origin, now) = (entry.clone(), origin.to_owned(), self.core.ages.now_ms());
        let any_deferred = Arc::clone(&self.incoming.any_deferred);
        Arc::new(move |tx, answer| {
            if is_unfinished(answer) {
                any_deferred.store(true, Ordering::SeqCst);
                let handover = Handover { giver: entry.relay.clone(), entry_id: entry.entry_id };
                deferred::put(tx, &handover, &origin, &pdus, now)?;
            }
            received::put_entry(tx, &entry, None)
        })
    }

    /// Returns what records an entry, and takes its EDUs.
    fn with_edus(&self, edus: Vec<Edu>, origin: &ServerName, record: RecordAnswer) -> RecordAnswer {
        if edus.is_empty() {
            return record;
        }
        let (handler, origin) = (Arc::clone(&self.incoming.edu_handler), origin.to_owned());
        Arc::new(move |tx, answer| {
            handler.take(tx, &origin, &edus)?;
            record(tx, answer)
        })
    }

    /// Returns what records an entry, and the answer to its transaction: if that comes again, directly or
    /// from another relay, it is known.
    fn with_answer(&self, id: String, origin: &ServerName, record: RecordAnswer) -> RecordAnswer {
        let (origin, now) = (origin.to_owned(), self.core.ages.now_ms());
        Arc::new(move |tx, answer| {
            record(tx, answer)?;
            received::put_answer(tx, &origin, &id, &answer.to_json().to_string(), now)
        })
    }

    async fn refuse(&self, entry: &RelayEntry, reason: String) -> Result<Done, Stopped> {
        let (entry, refusal) = (entry.clone(), reason.clone());
        self.core
            .database
            .transaction(move |tx| received::put_entry(tx, &entry, Some(&refusal)))
            .await?;
        Ok(Err(reason))
    }
}

/// Returns what records nothing if something was not judged: the entry stays at the relay.
fn unless_unjudged(record: RecordAnswer) -> RecordAnswer {
    Arc::new(move |tx, answer| if is_unfinished(answer) { Ok(()) } else { record(tx, answer) })
}

/// Returns whether some of an entry was not judged, so that it is not finished.
fn is_unfinished(answer: &Answer) -> bool {
    answer.first_unjudged().is_some() && !planted(Defect::RelaySyncAcknowledgesWhatFailed)
}
