//! This server's own relays: publishing them, and asking those that it published before as well, for
//! others may not have heard yet, and leave mail there.

use std::sync::Arc;

use ruma::OwnedServerName;
use transport::{
    DatabaseError, Lock, Transaction,
    federation::{Contact, Identity, Record},
};

use super::Outgoing;
use crate::store::{StoreError, age_clock, relays};

/// Returns what records the relays that the server `own` publishes from this start on, and where it leaves
/// them: those that were set at run time, or else those that are `configured`.
pub(crate) fn record(
    own: OwnedServerName,
    configured: Vec<OwnedServerName>,
) -> (Record, Arc<Lock<Vec<OwnedServerName>>>) {
    let published = Arc::<Lock<Vec<_>>>::default();
    let left = Arc::clone(&published);
    let record = move |tx: &Transaction<'_>| {
        let current = relays::of_destination(tx, &own)?.unwrap_or(configured);
        relays::put_own(tx, &current, age_clock::read(tx)?.unwrap_or(0))?;
        *left.lock() = current;
        Ok(())
    };
    let record = move |tx: &Transaction<'_>| {
        record(tx).map_err(|error| match error {
            StoreError::Database(error) => error,
            StoreError::Corrupt(what) => DatabaseError::Foreign(what),
        })
    };
    (Box::new(record), published)
}

/// Returns what a server with these relays of its own publishes. Who has none needs no key for mail that is
/// left there.
pub(crate) fn contact(identity: &Identity, relays: &[OwnedServerName]) -> Contact {
    let sealing_key = (!relays.is_empty()).then(|| identity.sealing_key.public());
    Contact { relays: relays.to_vec(), sealing_key }
}

impl Outgoing {
    /// Publishes the relays of this server, and the key that mail for it is sealed to; returns the relays
    /// to be asked for mail. Call this whenever they change.
    ///
    /// # Errors
    /// The store refuses; nothing else is published then than before.
    pub async fn publish_relays(&self) -> Result<Vec<OwnedServerName>, StoreError> {
        let name = self.core.owned_server_name();
        let read = self.core.database.call(move |db| {
            Ok::<_, StoreError>((relays::of_destination(db, &name)?, relays::own(db)?))
        });
        let (set, known) = read.await?;
        let configured = || self.core.config.relays.get(self.core.server_name()).cloned();
        let mut asked = set.or_else(configured).unwrap_or_default();
        self.core.keys.publish(contact(&self.core.identity, &asked));
        let oldest = self.core.ages.now_ms().saturating_sub(relays::ASKED_AFTERWARDS_MS);
        for relay in known {
            if !asked.contains(&relay.name) && relay.gone_ms.is_none_or(|gone| gone > oldest) {
                asked.push(relay.name);
            }
        }
        Ok(asked)
    }
}
