//! Leaving a batch at the relays of a destination: at as many as must have it, sealed if the destination
//! publishes a key for that.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use ruma::{OwnedServerName, ServerName};
use tokio::time::Instant;
use transport::{
    endpoints::relay::{RelayedTransaction, SendRelay},
    federation::{CallError, Contact},
};

use super::Sender;
use crate::{
    store::{StoreError, queues::Batch},
    transaction::sealed::{self, Addressee},
};

/// How old what a destination in reach publishes of its relays may become before it is asked again. Whatever
/// it publishes with a new key is learned with that.
const CONTACT_REFRESH: Duration = Duration::from_hours(1);

/// How often it is looked how old that is.
pub(super) const CONTACT_CHECK: Duration = Duration::from_mins(5);

/// What came of giving a batch to relays.
pub(super) enum Relayed {
    /// As many of them have it as must.
    Taken,
    /// Too few have it, and all others that answered take no body as large.
    TooLarge,
    /// Too few have it.
    Refused,
}

/// A batch as relays get it.
struct Mail {
    open: RelayedTransaction,
    /// For these relays.
    sealed: Option<(RelayedTransaction, Vec<OwnedServerName>)>,
}

impl Mail {
    fn to(&self, relay: &OwnedServerName) -> &RelayedTransaction {
        let sealed = self.sealed.as_ref().filter(|(_, relays)| relays.contains(relay));
        sealed.map_or(&self.open, |(sealed, _)| sealed)
    }
}

/// The relays that have taken a transaction.
#[derive(Default)]
pub(super) struct Takers {
    transaction_id: String,
    relays: BTreeSet<OwnedServerName>,
}

impl Sender {
    /// Asks the destination, which is in reach, what it publishes of its relays, if that was long ago.
    pub(super) fn refresh_contact(&mut self) {
        let now = Instant::now();
        if now < self.contact_due {
            return;
        }
        self.contact_due = now + CONTACT_CHECK;
        let (core, name) = (self.outgoing.core.clone(), self.name.clone());
        self.outgoing.core.host.spawn(async move {
            let refreshed = match core.keys.contact_age_of(&name).await {
                Ok(Some(age)) if age < CONTACT_REFRESH => return,
                Ok(_) => core.keys.refresh(&name).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = refreshed {
                tracing::debug!(destination = %name, %error, "failed to ask for its relays");
            }
        });
    }

    /// Gives the batch to the relays of the destination that lack it: to all of them at once, or to one
    /// after another, until as many have it as must.
    pub(super) async fn send_by_relay(&mut self, batch: &Batch) -> Result<Relayed, StoreError> {
        let relays = self.outgoing.relays(&self.name).await?;
        if self.takers.transaction_id != batch.transaction_id {
            let transaction_id = batch.transaction_id.clone();
            self.takers = Takers { transaction_id, relays: BTreeSet::new() };
        }
        let copies = usize::try_from(self.config().relay_copies).unwrap_or(usize::MAX);
        let copies = copies.min(relays.len()).max(1);
        let mail = Mail { open: self.open_mail(batch), sealed: self.sealed_mail(batch).await? };
        let is_taken = |takers: &Takers| {
            relays.iter().filter(|relay| takers.relays.contains(*relay)).count() >= copies
        };
        let lacking: Vec<_> =
            relays.iter().filter(|relay| !self.takers.relays.contains(*relay)).collect();
        let at_once = if self.config().relays_in_turn { 1 } else { lacking.len().max(1) };
        let mut refusals = Vec::new();
        for relays in lacking.chunks(at_once) {
            if is_taken(&self.takers) {
                break;
            }
            let attempts =
                relays.iter().map(|relay| self.leave(relay, &batch.transaction_id, mail.to(relay)));
            for (relay, outcome) in relays.iter().zip(join_all(attempts).await) {
                match outcome {
                    Ok(()) => drop(self.takers.relays.insert((*relay).clone())),
                    Err(error) => refusals.push(error),
                }
            }
        }
        Ok(if is_taken(&self.takers) {
            Relayed::Taken
        } else if !refusals.is_empty() && refusals.iter().all(CallError::is_too_large) {
            Relayed::TooLarge
        } else {
            Relayed::Refused
        })
    }

    /// Leaves the batch at one relay.
    async fn leave(
        &self,
        relay: &ServerName,
        transaction_id: &str,
        mail: &RelayedTransaction,
    ) -> Result<(), CallError> {
        let user_id = format!("@user:{}", self.name);
        let arguments = [transaction_id, user_id.as_str()];
        let deadline = self.config().request_timeout;
        let federation = &self.outgoing.core.federation;
        let outcome = federation.call_endpoint::<SendRelay>(relay, &arguments, mail, deadline);
        let destination = &self.name;
        match outcome.await {
            Ok(_) => tracing::info!(%destination, %relay, "a relay took a transaction"),
            Err(error) => {
                tracing::info!(%destination, %relay, %error, "failed to send by a relay");
                return Err(error);
            }
        }
        Ok(())
    }

    fn open_mail(&self, batch: &Batch) -> RelayedTransaction {
        RelayedTransaction {
            origin: self.outgoing.core.server_name().to_string(),
            origin_server_ts: batch.origin_server_ts,
            pdus: Some(batch.pdus.clone()),
            edus: (!batch.edus.is_empty()).then(|| batch.edus.clone()),
            transaction_id: None,
        }
    }

    /// Returns the batch sealed, and the relays that get it so: those that the destination publishes with a
    /// key, for it asks them itself. Another one, set by hand, may have to read what it forwards.
    async fn sealed_mail(
        &self,
        batch: &Batch,
    ) -> Result<Option<(RelayedTransaction, Vec<OwnedServerName>)>, StoreError> {
        let core = &self.outgoing.core;
        if !self.config().seal_mail {
            return Ok(None);
        }
        let Contact { relays, sealing_key } = core.keys.contact_of(&self.name).await?;
        let Some(key) = sealing_key else { return Ok(None) };
        let addressee = Addressee { name: &self.name, key: &key };
        let mail = self.open_mail(batch);
        match sealed::seal(&core.identity, addressee, mail, &batch.transaction_id) {
            Ok(sealed) => Ok(Some((sealed, relays))),
            Err(reason) => {
                tracing::warn!(destination = %self.name, reason, "mail is left unsealed");
                Ok(None)
            }
        }
    }
}
