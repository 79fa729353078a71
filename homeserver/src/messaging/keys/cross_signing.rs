//! Cross-signing: a user's own keys for devices and for other users, and signatures with them.

use std::collections::BTreeMap;

use ruma::{
    OwnedUserId, UserId,
    canonical_json::try_from_json_map,
    serde::Base64,
    signatures::{PublicKeyMap, verify_json},
};
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use transport::Transaction;

use super::{Keys, KeysError, about, fits, query};
use crate::{
    messaging::edus::DeviceNews,
    store::{
        StoreError,
        accounts::Device,
        device_keys::{self, Usage},
    },
};

/// Signatures that one request uploads.
const MAX_SIGNATURES: usize = 1000;

/// The keys that a user uploads, by usage.
pub(crate) type CrossSigningKeys = Vec<(Usage, Value)>;

/// Why signatures were not taken, by user and target.
pub(crate) type SignatureFailures = BTreeMap<String, BTreeMap<String, Value>>;

/// Returns the public half of a cross-signing key.
pub(super) fn public_half(key: &Value) -> Option<&str> {
    let keys = key["keys"].as_object()?;
    let only = keys.values().next().filter(|_| keys.len() == 1)?;
    only.as_str()
}

/// Returns whether these keys are others than those that the user has; false for one who has none.
fn is_another_key(
    connection: &Connection,
    user: &UserId,
    keys: &CrossSigningKeys,
) -> Result<bool, StoreError> {
    for (usage, key) in keys {
        let known = device_keys::cross_signing_key(connection, user, *usage)?;
        if known.is_some_and(|known| public_half(&known) != public_half(key)) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Keys {
    /// Returns whether uploading these keys replaces others, which a token alone does not do.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn replaces(
        &self,
        user: OwnedUserId,
        keys: CrossSigningKeys,
    ) -> Result<bool, StoreError> {
        self.core.database.call(move |db| is_another_key(db, &user, &keys)).await
    }

    /// Keeps cross-signing keys of a user; the other two are signed by the master key.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub(crate) async fn upload_cross_signing(
        &self,
        user: OwnedUserId,
        keys: CrossSigningKeys,
    ) -> Result<(), KeysError> {
        for (usage, key) in &keys {
            must_be_sound(&user, *usage, key)?;
        }
        let edus = self.edus.clone();
        self.core
            .database
            .transaction(move |tx| {
                let uploaded = keys.iter().find(|(usage, _)| *usage == Usage::Master);
                let master = match uploaded {
                    Some((_, key)) => Some(key.clone()),
                    None => device_keys::cross_signing_key(tx, &user, Usage::Master)?,
                };
                let master = master.ok_or_else(|| invalid("there is no master key"))?;
                for (usage, key) in &keys {
                    if *usage != Usage::Master && !is_signed_by(&user, &master, key) {
                        return Err(invalid("a key is not signed by the master key"));
                    }
                    device_keys::put_cross_signing_key(tx, &user, *usage, key)?;
                }
                Ok(edus.devices_changed(tx, &user, signing_news(tx, &user)?)?)
            })
            .await
    }

    /// Keeps signatures that `user` made under their own devices and keys, and under other users' master
    /// keys; returns those that were not taken.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub(crate) async fn upload_signatures(
        &self,
        user: OwnedUserId,
        signed: BTreeMap<OwnedUserId, BTreeMap<String, Value>>,
    ) -> Result<SignatureFailures, KeysError> {
        if signed.values().map(BTreeMap::len).sum::<usize>() > MAX_SIGNATURES {
            return Err(invalid("too many signatures"));
        }
        let edus = self.edus.clone();
        self.core
            .database
            .transaction(move |tx| {
                let mut failures = SignatureFailures::new();
                let each = signed.iter().flat_map(|(of, targets)| {
                    targets.iter().map(move |(name, object)| (Target { user: of, name }, object))
                });
                for (target, object) in each {
                    if let Err(reason) = keep_signatures(tx, &user, &target, object)? {
                        let trouble = json!({ "errcode": "M_INVALID_PARAM", "error": reason });
                        let of_user = failures.entry(target.user.to_string()).or_default();
                        of_user.insert(target.name.to_owned(), trouble);
                    } else if *target.user == user {
                        edus.devices_changed(tx, &user, news_of(tx, &user, target.name)?)?;
                    } else {
                        device_keys::changed(tx, target.user)?;
                    }
                }
                Ok(failures)
            })
            .await
    }
}

/// What a signature is under.
struct Target<'a> {
    user: &'a UserId,
    name: &'a str,
}

/// Keeps the signatures of `signer` in a signed copy of a device's keys or a master key; why not, if it
/// is not what it says it is.
fn keep_signatures(
    tx: &Transaction<'_>,
    signer: &UserId,
    target: &Target<'_>,
    object: &Value,
) -> Result<Result<(), &'static str>, StoreError> {
    if object["user_id"].as_str() != Some(target.user.as_str()) {
        return Ok(Err("it is another user's"));
    }
    let is_named = object["device_id"].as_str() == Some(target.name)
        || public_half(object) == Some(target.name);
    if !is_named || !fits(object) {
        return Ok(Err("it is not the key that it is named after, or too long"));
    }
    let made = object["signatures"][signer.as_str()].as_object();
    let Some(made) = made.filter(|made| !made.is_empty()) else {
        return Ok(Err("the user has not signed it"));
    };
    for (key_id, signature) in made {
        let Some(signature) = signature.as_str() else { continue };
        let parts = [signer.as_str(), target.user.as_str(), target.name, key_id, signature];
        device_keys::put_signature(tx, parts)?;
    }
    Ok(Ok(()))
}

/// Returns what others are told when a device or a key of a local user is signed.
fn news_of(tx: &Transaction<'_>, user: &UserId, target: &str) -> Result<DeviceNews, StoreError> {
    let device = Device { user_id: user.to_owned(), device_id: target.into() };
    if device_keys::exist(tx, &device)? {
        return about(tx, &device);
    }
    signing_news(tx, user)
}

fn signing_news(tx: &Transaction<'_>, user: &UserId) -> Result<DeviceNews, StoreError> {
    let mut content = json!({});
    for usage in [Usage::Master, Usage::SelfSigning] {
        if let Some(key) = query::signed_key(tx, user, usage, None)? {
            content[format!("{}_key", usage.as_str())] = key;
        }
    }
    Ok(DeviceNews::SigningKeys(content))
}

/// Refuses what is no key of this user for that.
fn must_be_sound(user: &UserId, usage: Usage, key: &Value) -> Result<(), KeysError> {
    let uses = key["usage"].as_array();
    let is_for_that =
        uses.is_some_and(|uses| uses.iter().any(|one| one.as_str() == Some(usage.as_str())));
    if key["user_id"].as_str() != Some(user.as_str()) || !is_for_that {
        return Err(invalid("a key is not the user's, or not for that"));
    }
    if public_half(key).is_none() || !fits(key) {
        return Err(invalid("a cross-signing key has one public key, and is not too long or deep"));
    }
    Ok(())
}

/// Returns whether the master key of a user has signed `key`.
fn is_signed_by(user: &UserId, master: &Value, key: &Value) -> bool {
    let Some((key_id, public)) = master["keys"].as_object().and_then(|keys| keys.iter().next())
    else {
        return false;
    };
    let Some(public) = public.as_str().and_then(|text| Base64::parse(text).ok()) else {
        return false;
    };
    // Other signatures under the key, such as a device's, are not checked here.
    let mut signed: Map<String, Value> = key.as_object().cloned().unwrap_or_default();
    let by_master = key["signatures"][user.as_str()][key_id].clone();
    signed.insert("signatures".to_owned(), json!({ user.as_str(): { key_id: by_master } }));
    let keys = PublicKeyMap::from([(user.to_string(), [(key_id.clone(), public)].into())]);
    try_from_json_map(signed).is_ok_and(|signed| verify_json(&keys, &signed).is_ok())
}

fn invalid(message: &str) -> KeysError {
    KeysError::Invalid(message.to_owned())
}
