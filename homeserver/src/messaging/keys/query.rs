//! Asking for keys: here, and at the servers of the users. A server that does not answer costs its own
//! users' keys alone.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedDeviceId, OwnedServerName, OwnedUserId, UserId,
    api::federation::keys::{claim_keys::v1 as claim_keys, get_keys::v1 as get_keys},
};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use transport::Transaction;

use super::{Keys, object_in};
use crate::store::{
    StoreError,
    accounts::Device,
    device_keys::{self, Usage},
    neighbors,
};

/// Servers that one request asks.
const MAX_SERVERS: usize = 100;

/// Whose keys are asked for: of the devices that are named, or of all.
pub(crate) type Wanted = BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>;

/// Which one-time keys are asked for, one each.
pub(crate) type WantedOneTime = BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, String>>;

/// One-time keys by user and device, and the servers that did not answer.
pub(crate) type Claimed = (Map<String, Value>, Map<String, Value>);

impl Keys {
    /// Returns the keys of these users, as the client-server API answers them to `reader`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn query(
        &self,
        reader: OwnedUserId,
        wanted: Wanted,
        patience: Duration,
    ) -> Result<Value, StoreError> {
        let (local, remote) = self.by_server(wanted);
        let mut answer = self.query_here(Some(reader), local).await?;
        answer["failures"] = json!({});
        let deadline = patience.min(self.core.config.request_timeout);
        let asked = remote.into_iter().take(MAX_SERVERS).map(|(server, users)| async move {
            let request = get_keys::Request::new(users.clone());
            let answer = self.core.federation.call(&server, request, deadline).await;
            (server, users, answer)
        });
        for (server, users, found) in join_all(asked).await {
            match found {
                Ok(found) => add_remote(&mut answer, &users, &found),
                Err(error) => {
                    let trouble = json!({ "error": error.to_string(), "status": 503 });
                    object_in(&mut answer, "failures").insert(server.to_string(), trouble);
                }
            }
        }
        Ok(answer)
    }

    /// Returns the keys of local users, as both APIs answer them; `reader` is a local user, if not a
    /// server asks.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn query_here(
        &self,
        reader: Option<OwnedUserId>,
        wanted: Wanted,
    ) -> Result<Value, StoreError> {
        self.core.database.call(move |db| keys_here(db, reader.as_deref(), &wanted)).await
    }

    /// Takes one-time keys, here and elsewhere, each for good.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn claim(
        &self,
        wanted: WantedOneTime,
        patience: Duration,
    ) -> Result<Claimed, StoreError> {
        let (mut local, mut remote) = (WantedOneTime::new(), BTreeMap::new());
        for (user, devices) in wanted {
            if self.core.is_local(&user) {
                local.insert(user, devices);
            } else {
                let of_server: &mut WantedOneTime =
                    remote.entry(user.server_name().to_owned()).or_default();
                of_server.insert(user, devices);
            }
        }
        let (mut claimed, mut failures) = (self.claim_here(local).await?, Map::new());
        let deadline = patience.min(self.core.config.request_timeout);
        let asked = remote.into_iter().take(MAX_SERVERS).map(|(server, users)| async move {
            let request = claim_keys::Request::new(with_algorithms(&users));
            let answer = self.core.federation.call(&server, request, deadline).await;
            (server, users, answer)
        });
        for (server, users, found) in join_all(asked).await {
            match found {
                // A server answers for its own users.
                Ok(found) => {
                    let keys = found.one_time_keys.into_iter();
                    let own = keys.filter(|(user, _)| users.contains_key(user));
                    claimed.extend(own.map(|(user, keys)| (user.to_string(), json!(keys))));
                }
                Err(error) => {
                    let trouble = json!({ "error": error.to_string(), "status": 503 });
                    failures.insert(server.to_string(), trouble);
                }
            }
        }
        Ok((claimed, failures))
    }

    /// Takes one-time keys of local users, each for good.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn claim_here(
        &self,
        wanted: WantedOneTime,
    ) -> Result<Map<String, Value>, StoreError> {
        if wanted.is_empty() {
            return Ok(Map::new());
        }
        self.core.database.transaction(move |tx| claim_in(tx, &wanted)).await
    }

    fn by_server(&self, wanted: Wanted) -> (Wanted, BTreeMap<OwnedServerName, Wanted>) {
        let (mut local, mut remote) = (Wanted::new(), BTreeMap::new());
        for (user, devices) in wanted {
            if self.core.is_local(&user) {
                local.insert(user, devices);
            } else {
                let of_server: &mut Wanted =
                    remote.entry(user.server_name().to_owned()).or_default();
                of_server.insert(user, devices);
            }
        }
        (local, remote)
    }
}

fn keys_here(
    connection: &Connection,
    reader: Option<&UserId>,
    wanted: &Wanted,
) -> Result<Value, StoreError> {
    let mut answer = json!({ "device_keys": {}, "master_keys": {}, "self_signing_keys": {} });
    for (user, devices) in wanted {
        let found = devices_of(connection, user, devices, reader)?;
        answer["device_keys"][user.as_str()] = Value::Object(found);
        let is_own = reader.is_some_and(|reader| reader == user);
        for usage in Usage::ALL.into_iter().filter(|usage| is_own || *usage != Usage::UserSigning) {
            if let Some(key) = signed_key(connection, user, usage, reader)? {
                let name = format!("{}_keys", usage.as_str());
                object_in(&mut answer, &name).insert(user.to_string(), key);
            }
        }
    }
    Ok(answer)
}

fn with_algorithms(
    wanted: &WantedOneTime,
) -> BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, OneTimeKeyAlgorithm>> {
    let algorithms = |devices: &BTreeMap<OwnedDeviceId, String>| {
        let each = devices.iter();
        each.map(|(id, name)| (id.clone(), OneTimeKeyAlgorithm::from(name.as_str()))).collect()
    };
    wanted.iter().map(|(user, devices)| (user.clone(), algorithms(devices))).collect()
}

fn claim_in(
    tx: &Transaction<'_>,
    wanted: &WantedOneTime,
) -> Result<Map<String, Value>, StoreError> {
    let mut claimed = Map::new();
    for (user, devices) in wanted {
        for (device_id, algorithm) in devices {
            let device = Device { user_id: user.clone(), device_id: device_id.clone() };
            if let Some((name, key)) = device_keys::claim(tx, &device, algorithm)? {
                let of_user = claimed.entry(user.as_str()).or_insert_with(|| json!({}));
                of_user[device_id.as_str()] = json!({ name: key });
            }
        }
    }
    Ok(claimed)
}

/// Adds what a server answers of its own users.
fn add_remote(answer: &mut Value, users: &Wanted, found: &get_keys::Response) {
    for user in users.keys() {
        if let Some(keys) = found.device_keys.get(user) {
            answer["device_keys"][user.as_str()] = json!(keys);
        }
        if let Some(key) = found.master_keys.get(user) {
            answer["master_keys"][user.as_str()] = json!(key);
        }
        if let Some(key) = found.self_signing_keys.get(user) {
            answer["self_signing_keys"][user.as_str()] = json!(key);
        }
    }
}

fn devices_of(
    connection: &Connection,
    user: &UserId,
    devices: &[OwnedDeviceId],
    reader: Option<&UserId>,
) -> Result<Map<String, Value>, StoreError> {
    let mut found = Map::new();
    for (device_id, mut keys) in device_keys::of_user(connection, user)? {
        let name: &DeviceId = device_id.as_str().into();
        if devices.is_empty() || devices.iter().any(|wanted| wanted == name) {
            add_signatures(connection, user, &device_id, reader, &mut keys)?;
            found.insert(device_id, keys);
        }
    }
    Ok(found)
}

/// Returns a cross-signing key with the signatures that `reader` may see.
pub(super) fn signed_key(
    connection: &Connection,
    user: &UserId,
    usage: Usage,
    reader: Option<&UserId>,
) -> Result<Option<Value>, StoreError> {
    let Some(mut key) = device_keys::cross_signing_key(connection, user, usage)? else {
        return Ok(None);
    };
    let public = super::cross_signing::public_half(&key).map(str::to_owned);
    if let Some(public) = public {
        add_signatures(connection, user, &public, reader, &mut key)?;
    }
    Ok(Some(key))
}

/// Adds the signatures under a device or a master key that came after it.
pub(super) fn add_signatures(
    connection: &Connection,
    user: &UserId,
    target: &str,
    reader: Option<&UserId>,
    keys: &mut Value,
) -> Result<(), StoreError> {
    for [signer, key_id, signature] in device_keys::signatures(connection, user, target, reader)? {
        let of_signer = object_in(keys, "signatures").entry(signer).or_insert_with(|| json!({}));
        of_signer[key_id] = signature.into();
    }
    Ok(())
}

/// Returns the users near `user` whose devices changed after `since` and not after `until`.
pub(crate) fn changed_near(
    connection: &Connection,
    user: &UserId,
    since: i64,
    until: i64,
) -> Result<Vec<OwnedUserId>, StoreError> {
    let mut near = Vec::new();
    for changed in device_keys::changed_between(connection, since, until)? {
        if neighbors::are_near(connection, user, &changed)? {
            near.push(changed);
        }
    }
    Ok(near)
}
