//! Copies of room keys that clients keep here, encrypted: one version of a backup is current at a time.

use std::collections::BTreeMap;

use ruma::OwnedUserId;
use serde_json::Value;
use transport::{Database, DatabaseError, Transaction};

use crate::store::{
    StoreError,
    key_backups::{self, Backup, Sessions, Which},
};

/// Bytes of one key.
const MAX_SESSION: usize = 64 << 10;

/// Why a backup was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// There is no such version.
    #[error("there is no such backup")]
    Unknown,
    /// Another version is current.
    #[error("the current version is {0}")]
    WrongVersion(i64),
    /// What was uploaded makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatabaseError> for BackupError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// The etag of a backup, and how many keys it has.
pub(crate) type Size = (i64, i64);

/// The backups of this server's users. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backups(Database);

impl Backups {
    /// Returns those in `database`.
    pub(crate) fn new(database: &Database) -> Self {
        Self(database.clone())
    }

    /// Begins a new version, and returns its number.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn create(
        &self,
        user: OwnedUserId,
        algorithm: String,
        auth_data: Value,
    ) -> Result<i64, BackupError> {
        let create =
            move |tx: &Transaction<'_>| key_backups::create(tx, &user, &algorithm, &auth_data);
        Ok(self.0.transaction(create).await?)
    }

    /// Returns a version, or the current one, and its size.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn find(
        &self,
        user: OwnedUserId,
        version: Option<i64>,
    ) -> Result<(Backup, Size), BackupError> {
        let found = self.0.call(move |db| {
            let Some(backup) = key_backups::find(db, &user, version)? else { return Ok(None) };
            let count = key_backups::count(db, &user, backup.version)?;
            let etag = backup.etag;
            Ok::<_, StoreError>(Some((backup, (etag, count))))
        });
        found.await?.ok_or(BackupError::Unknown)
    }

    /// Changes what a version says of its key.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn update(
        &self,
        user: OwnedUserId,
        version: i64,
        auth_data: Value,
    ) -> Result<(), BackupError> {
        self.0
            .transaction(move |tx| {
                if key_backups::find(tx, &user, Some(version))?.is_none() {
                    return Err(BackupError::Unknown);
                }
                Ok(key_backups::update(tx, &user, version, &auth_data)?)
            })
            .await
    }

    /// Deletes a version, with its keys.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn delete(&self, user: OwnedUserId, version: i64) -> Result<(), BackupError> {
        self.0
            .transaction(move |tx| {
                if key_backups::find(tx, &user, Some(version))?.is_none() {
                    return Err(BackupError::Unknown);
                }
                Ok(key_backups::delete(tx, &user, version)?)
            })
            .await
    }

    /// Keeps keys in the current version, which must be the one named. Where there is one already, the
    /// better one stays.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn put(
        &self,
        user: OwnedUserId,
        version: i64,
        sessions: Sessions,
    ) -> Result<Size, BackupError> {
        let all = || sessions.values().flat_map(BTreeMap::values);
        if !all().all(|key| key.is_object() && key["session_data"].is_object()) {
            return Err(BackupError::Invalid("a key has no session_data"));
        }
        if all().any(|key| key.to_string().len() > MAX_SESSION) {
            return Err(BackupError::Invalid("a key is too long"));
        }
        self.0
            .transaction(move |tx| {
                let current = key_backups::find(tx, &user, None)?.ok_or(BackupError::Unknown)?;
                if current.version != version {
                    return Err(BackupError::WrongVersion(current.version));
                }
                if !key_backups::put_sessions(tx, &user, version, &sessions)? {
                    return Err(BackupError::Invalid("the backup has too many keys"));
                }
                size(tx, &user, version)
            })
            .await
    }

    /// Returns keys of a version.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn sessions(
        &self,
        user: OwnedUserId,
        version: i64,
        which: Which,
    ) -> Result<Sessions, BackupError> {
        let found = self.0.call(move |db| {
            if key_backups::find(db, &user, Some(version))?.is_none() {
                return Ok(None);
            }
            key_backups::sessions(db, &user, version, &which).map(Some)
        });
        found.await?.ok_or(BackupError::Unknown)
    }

    /// Deletes keys of a version.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub(crate) async fn delete_sessions(
        &self,
        user: OwnedUserId,
        version: i64,
        which: Which,
    ) -> Result<Size, BackupError> {
        self.0
            .transaction(move |tx| {
                if key_backups::find(tx, &user, Some(version))?.is_none() {
                    return Err(BackupError::Unknown);
                }
                key_backups::delete_sessions(tx, &user, version, &which)?;
                size(tx, &user, version)
            })
            .await
    }
}

fn size(tx: &Transaction<'_>, user: &ruma::UserId, version: i64) -> Result<Size, BackupError> {
    let backup = key_backups::find(tx, user, Some(version))?.ok_or(BackupError::Unknown)?;
    Ok((backup.etag, key_backups::count(tx, user, version)?))
}
