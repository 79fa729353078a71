//! Accepts transactions for others (`send_relay`) and stores them.

use defects::{Defect, planted};
use ruma::OwnedServerName;
use transport::Host;

use crate::{
    delivery::Delivery,
    policy::{Policy, check_transaction_id, destination_of},
    refusal::Refusal,
    store::{Incoming, Kept, Store},
    switch::Switch,
    transaction::Transaction,
};

/// Accepts and stores. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Forwarder {
    host: Host,
    store: Store,
    switch: Switch,
    policy: Policy,
    delivery: Option<Delivery>,
}

impl Forwarder {
    /// Returns a forwarder into `store`; `delivery`, if the relay has one, is told of every new
    /// entry.
    pub(crate) fn new(
        host: &Host,
        store: &Store,
        switch: &Switch,
        policy: Policy,
        delivery: Option<Delivery>,
    ) -> Self {
        Self { host: host.clone(), store: store.clone(), switch: switch.clone(), policy, delivery }
    }

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
        self.policy.serves(&destination)?;
        let transaction = Transaction::read(body)?;
        let incoming = Incoming {
            origin,
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
            let (store, quotas, now_ms) =
                (self.store.clone(), self.policy.quotas, self.host.unix_ms());
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
        match self.store.keep(incoming, self.policy.quotas, self.host.unix_ms()).await? {
            Kept::New(id) => {
                tracing::debug!(%destination, id, "stored an entry");
                if let Some(delivery) = self.delivery.as_ref().filter(|_| woken.is_none()) {
                    delivery.wake();
                }
                Ok(())
            }
            Kept::Already => Ok(()),
            Kept::MailboxFull(what) => Err(Refusal::MailboxFull { destination, what }),
            Kept::RelayFull(what) => Err(Refusal::RelayFull(what)),
        }
    }
}
