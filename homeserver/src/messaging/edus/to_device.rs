//! Messages to devices: durable before the sender is answered, delivered to each device once.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedServerName, OwnedUserId};
use serde_json::{Map, Value, json};
use transport::{
    Transaction,
    bounds::{MAX_EVENT_DEPTH, is_within_depth},
};

use super::Edus;
use crate::{
    messaging::{beside::Points, notifications::Topic},
    store::{
        StoreError,
        accounts::Device,
        edus::OutgoingEdu,
        side,
        to_device::{self, is_new},
    },
};

/// Devices that one request sends to.
pub(crate) const MAX_RECIPIENTS: usize = 10_000;

/// Bytes of entropy of a message's name.
const MESSAGE_ID_BYTES: usize = 12;

/// Every device of a user.
const ALL: &str = "*";

/// What is said to each device, by user and device.
pub(crate) type Recipients = BTreeMap<OwnedUserId, BTreeMap<String, Value>>;

/// Messages of one type, of one sender.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) sender: OwnedUserId,
    pub(crate) kind: String,
    pub(crate) recipients: Recipients,
}

impl Message {
    /// Returns whether something of it has more levels than an event.
    pub(crate) fn is_too_deep(&self) -> bool {
        let contents = self.recipients.values().flat_map(BTreeMap::values);
        contents
            .map(Value::to_string)
            .any(|it| !is_within_depth(it.as_bytes(), MAX_EVENT_DEPTH - 1))
    }

    /// Returns whether something of it is too large to be kept for a device.
    pub(crate) fn is_too_large(&self) -> bool {
        let is_too_large =
            |content| to_device::kept_form(&self.kind, &self.sender, content).is_none();
        self.recipients.values().flat_map(BTreeMap::values).any(is_too_large)
    }
}

impl Edus {
    /// Sends messages of a device, once for each transaction id.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn send_to_devices(
        &self,
        from: Device,
        transaction_id: String,
        message: Message,
    ) -> Result<(), StoreError> {
        let edus = self.clone();
        self.core
            .database
            .transaction(move |tx| {
                let sender = format!("{} {}", from.user_id, from.device_id);
                let transaction = format!("{} {transaction_id}", message.kind);
                if !edus.is_new(tx, [&sender, &transaction])? {
                    return Ok(());
                }
                edus.hand_out(tx, &message)?;
                edus.send_on(tx, &message)
            })
            .await
    }

    /// Takes note that a device has the messages up to a point: they are forgotten.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn has(&self, device: Device, points: Points) -> Result<(), StoreError> {
        let (until, of) = (points.side, device.clone());
        let any = self.core.database.call(move |db| {
            // A point that was not given out yet is of a life of the database that is over.
            Ok::<_, StoreError>(until <= side::last(db)? && to_device::any_until(db, &of, until)?)
        });
        if until == 0 || !any.await? {
            return Ok(());
        }
        self.core.database.transaction(move |tx| to_device::forget_until(tx, &device, until)).await
    }

    /// Takes note of a message by its sender and its id, and returns whether it is new.
    pub(super) fn is_new(&self, tx: &Transaction<'_>, of: [&str; 2]) -> Result<bool, StoreError> {
        let ages = self.core.ages;
        is_new(tx, of, ages.now_ms(), ages.ms_ago(self.core.config.answer_time_to_live))
    }

    /// Puts a message into the queues of those of its recipients who are of this server. What is too large
    /// for that is dropped.
    pub(super) fn hand_out(
        &self,
        tx: &Transaction<'_>,
        message: &Message,
    ) -> Result<(), StoreError> {
        let (mut reached, mut too_large) = (BTreeSet::new(), 0);
        for (user, contents) in &message.recipients {
            if !self.core.is_local(user) {
                continue;
            }
            let devices = to_device::devices(tx, user)?;
            for (name, content) in contents {
                let kept = to_device::kept_form(&message.kind, &message.sender, content);
                let Some(event) = kept else {
                    too_large += 1;
                    continue;
                };
                for device_id in devices.iter().filter(|id| name == ALL || id.as_str() == name) {
                    let device = Device { user_id: user.clone(), device_id: device_id.clone() };
                    to_device::put(tx, &device, &event)?;
                    reached.insert(user.clone());
                }
            }
        }
        if too_large > 0 {
            tracing::info!(sender = %message.sender, too_large, "dropped messages to devices");
        }
        self.news.ring(reached.into_iter().map(Topic::User));
        Ok(())
    }

    /// Queues a message for the servers of its other recipients.
    fn send_on(&self, tx: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
        let mut by_server: BTreeMap<OwnedServerName, Map<String, Value>> = BTreeMap::new();
        for (user, contents) in &message.recipients {
            if !self.core.is_local(user) {
                let of_server = by_server.entry(user.server_name().to_owned()).or_default();
                of_server.insert(user.to_string(), json!(contents));
            }
        }
        for (server, messages) in by_server {
            let content = json!({
                "sender": message.sender,
                "type": message.kind,
                "message_id": self.core.host.random_token(MESSAGE_ID_BYTES),
                "messages": messages,
            });
            let edu =
                OutgoingEdu { kind: "m.direct_to_device", content, key: None, expires_ms: None };
            self.outgoing.enqueue_edu(tx, &BTreeSet::from([server]), &edu)?;
        }
        Ok(())
    }
}
