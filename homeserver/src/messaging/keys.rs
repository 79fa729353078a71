//! End-to-end encryption: keys of this server's devices, and those of other servers' for its users. The
//! server hands keys out; what they are used for it cannot read.

mod cross_signing;
mod query;

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use serde_json::{Map, Value, json};
use transport::{
    DatabaseError, Transaction,
    bounds::{MAX_EVENT_DEPTH, is_within_depth},
};

pub(crate) use self::query::{Wanted, WantedOneTime, changed_near};
use super::edus::{DeviceNews, Edus};
use crate::{
    core::Core,
    store::{
        StoreError,
        accounts::{self, Device},
        device_keys::{self, OneTimeKey, Usage},
    },
};

/// Bytes of one key with its signatures.
const MAX_KEY: usize = 16 << 10;

/// Bytes of the name of an algorithm or a key.
const MAX_NAME: usize = 255;

/// Why keys were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// What was uploaded makes no sense, or is another one's.
    #[error("{0}")]
    Invalid(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatabaseError> for KeysError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// What a device uploads.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// The keys of its identity.
    pub(crate) of_device: Option<Value>,
    pub(crate) one_time: BTreeMap<String, Value>,
    pub(crate) fallback: BTreeMap<String, Value>,
}

/// The keys that this server knows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keys {
    core: Core,
    edus: Edus,
}

impl Keys {
    /// Returns the keys in the database of `core`; of changes others are told through `edus`.
    pub(crate) fn new(core: &Core, edus: Edus) -> Self {
        Self { core: core.clone(), edus }
    }

    /// Keeps what a device uploads, all of it or nothing; returns how many one-time keys it has now.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub(crate) async fn upload(
        &self,
        device: Device,
        upload: Upload,
    ) -> Result<BTreeMap<String, i64>, KeysError> {
        let one_time = named(upload.one_time)?;
        let fallback = named(upload.fallback)?;
        if let Some(keys) = &upload.of_device {
            must_be_of(&device, keys)?;
        }
        let edus = self.edus.clone();
        self.core
            .database
            .transaction(move |tx| {
                if let Some(keys) = &upload.of_device
                    && device_keys::put(tx, &device, keys)?
                {
                    edus.devices_changed(tx, &device.user_id, about(tx, &device)?)?;
                }
                for key in &one_time {
                    if !device_keys::put_one_time(tx, &device, key)? {
                        let OneTimeKey { algorithm, key_id, .. } = key;
                        let message =
                            format!("{algorithm}:{key_id} is another key already, or one too many");
                        return Err(KeysError::Invalid(message));
                    }
                }
                for key in &fallback {
                    device_keys::put_fallback(tx, &device, key)?;
                }
                Ok(device_keys::counts(tx, &device)?)
            })
            .await
    }

    /// Returns the users near `user` whose devices changed after `since` and not after `until`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn changed(
        &self,
        user: OwnedUserId,
        since: i64,
        until: i64,
    ) -> Result<Vec<OwnedUserId>, StoreError> {
        self.core.database.call(move |db| changed_near(db, &user, since, until)).await
    }

    /// Returns the devices of a local user, as another server asks for them.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn device_list(&self, user: OwnedUserId) -> Result<Value, StoreError> {
        self.core
            .database
            .call(move |db| {
                let mut devices = Vec::new();
                for (device_id, mut keys) in device_keys::of_user(db, &user)? {
                    query::add_signatures(db, &user, &device_id, None, &mut keys)?;
                    let name = take_name(&mut keys);
                    let mut device = json!({ "device_id": device_id, "keys": keys });
                    if let Some(name) = name {
                        device["device_display_name"] = name;
                    }
                    devices.push(device);
                }
                let mut list = json!({
                    "user_id": user,
                    "stream_id": device_keys::last_change(db, &user)?,
                    "devices": devices,
                });
                for usage in [Usage::Master, Usage::SelfSigning] {
                    if let Some(key) = query::signed_key(db, &user, usage, None)? {
                        list[format!("{}_key", usage.as_str())] = key;
                    }
                }
                Ok(list)
            })
            .await
    }
}

/// Returns what is said of a device: its keys, and its name.
pub(crate) fn about(tx: &Transaction<'_>, device: &Device) -> Result<DeviceNews, StoreError> {
    let device_id = device.device_id.to_string();
    let mut keys = device_keys::of_user(tx, &device.user_id)?;
    let content = match keys.remove(&device_id) {
        Some(mut keys) => {
            query::add_signatures(tx, &device.user_id, &device_id, None, &mut keys)?;
            let name = take_name(&mut keys);
            let mut content = json!({ "device_id": device_id, "keys": keys });
            if let Some(name) = name {
                content["device_display_name"] = name;
            }
            content
        }
        None => json!({ "device_id": device_id, "deleted": true }),
    };
    Ok(DeviceNews::Device { device_id, content })
}

/// Takes what is not signed out of a device's keys, and returns the device's name.
fn take_name(keys: &mut Value) -> Option<Value> {
    let mut unsigned = keys.as_object_mut()?.remove("unsigned")?;
    unsigned.as_object_mut()?.remove("device_display_name")
}

/// Forgets devices of a user, and tells whoever has seen keys of them.
pub(crate) fn forget_devices(
    tx: &Transaction<'_>,
    edus: &Edus,
    devices: &[Device],
) -> Result<(), StoreError> {
    for device in devices {
        let had_keys = device_keys::exist(tx, device)?;
        accounts::forget_device(tx, device)?;
        if had_keys {
            edus.devices_changed(tx, &device.user_id, about(tx, device)?)?;
        }
    }
    Ok(())
}

/// Returns whether a key is small and flat enough for what takes it to other servers.
fn fits(key: &Value) -> bool {
    let json = key.to_string();
    json.len() <= MAX_KEY && is_within_depth(json.as_bytes(), MAX_EVENT_DEPTH)
}

/// Refuses keys that say they are another device's.
fn must_be_of(device: &Device, keys: &Value) -> Result<(), KeysError> {
    let right = keys["user_id"].as_str() == Some(device.user_id.as_str())
        && keys["device_id"].as_str() == Some(device.device_id.as_str());
    if !right {
        return Err(KeysError::Invalid("the device keys are another device's".to_owned()));
    }
    let whole = keys["algorithms"].is_array() && keys["keys"].is_object();
    if !whole || !keys["signatures"].is_object() {
        let message = "device keys have algorithms, keys and signatures";
        return Err(KeysError::Invalid(message.to_owned()));
    }
    if !fits(keys) {
        return Err(KeysError::Invalid("the device keys are too long or too deep".to_owned()));
    }
    Ok(())
}

/// Returns the keys by the parts of their names.
fn named(keys: BTreeMap<String, Value>) -> Result<Vec<OneTimeKey>, KeysError> {
    let read = |(name, key): (String, Value)| match name.split_once(':') {
        Some((algorithm, key_id))
            if name.len() <= MAX_NAME && (key.is_string() || key.is_object()) && fits(&key) =>
        {
            let (algorithm, key_id) = (algorithm.to_owned(), key_id.to_owned());
            Ok(OneTimeKey { algorithm, key_id, key })
        }
        _ => Err(KeysError::Invalid(format!("`{name}` is no key, or too long or deep"))),
    };
    keys.into_iter().map(read).collect()
}

/// Returns an object of an object, made if it is not there.
fn object_in<'a>(object: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !object[name].is_object() {
        object[name] = json!({});
    }
    object[name].as_object_mut().expect("it was made an object")
}
