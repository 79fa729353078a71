//! Accepts transactions for others (`send_relay`) and stores them.

use defects::{Defect, planted};
use ruma::OwnedServerName;
use transport::Host;

use crate::{
    delivery::Delivery,
    events::{Events, Kind},
    policy::{check_transaction_id, destination_of},
    refusal::Refusal,
    rules::Rules,
    store::{Incoming, Kept, Store},
    switch::Switch,
    transaction::Transaction,
};

/// Accepts and stores. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Forwarder {
    pub(crate) host: Host,
    pub(crate) store: Store,
    pub(crate) switch: Switch,
    pub(crate) rules: Rules,
    pub(crate) events: Events,
    /// Is told of every new entry, if the relay delivers itself.
    pub(crate) delivery: Option<Delivery>,
}

impl Forwarder {
    /// Keeps the transaction in `body`, which `origin` signed, for the server of `user_id`. It is
    /// durable when this returns `Ok`, and kept once, however often it is sent.
    ///
    /// # Errors
    /// Nothing was written.
    pub(crate) async fn send_relay(
        &self,
        origin: OwnedServerName,
        transaction_id: &str,
        user_id: &str,
        body: &[u8],
    ) -> Result<(), Refusal> {
        self.switch.check()?;
        let destination = destination_of(user_id)?;
        check_transaction_id(transaction_id)?;
        self.rules.admit(&origin, &destination)?;
        self.store.reserve().check().await?;
        let transaction = Transaction::read(body)?;
        let quotas = self.rules.policy().quotas;
        let incoming = Incoming {
            origin: origin.clone(),
            transaction_id: transaction_id.to_owned(),
            destination: destination.clone(),
            body_hash: if planted(Defect::RelayStoresRepeats) {
                // No two are the same, so that none is known.
                self.host.random_bytes()
            } else {
                transaction.hash()
            },
            body: transaction.to_json(),
        };
        if planted(Defect::RelayAnswersBeforeStoring) {
            let (store, now_ms) = (self.store.clone(), self.host.unix_ms());
            self.host.spawn(async move {
                // Long enough for the answer to leave.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                drop(store.keep(incoming, quotas, now_ms).await);
            });
            return Ok(());
        }
        let woken = self.delivery.as_ref().filter(|_| planted(Defect::RelayWakesBeforeStoring));
        if let Some(delivery) = woken {
            delivery.wake();
            // Long enough for the delivery to look, and to find nothing.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        match self.store.keep(incoming, quotas, self.host.unix_ms()).await? {
            Kept::New(id) => {
                self.events.entry(Kind::Stored, id, &origin, &destination);
                if let Some(delivery) = self.delivery.as_ref().filter(|_| woken.is_none()) {
                    delivery.wake();
                }
                Ok(())
            }
            Kept::Already => {
                self.events.entry(Kind::Repeated, 0, &origin, &destination);
                Ok(())
            }
            Kept::MailboxFull(what) => Err(Refusal::MailboxFull { destination, what }),
            Kept::OriginFull(what) => Err(Refusal::OriginFull { origin, what }),
            Kept::RelayFull(what) => Err(Refusal::RelayFull(what)),
        }
    }
}
