//! Media: what users upload, in a database of its own that is opened when the first one does.

use std::sync::Arc;

use ruma::UserId;
use tokio::sync::OnceCell;
use transport::{Database, DatabaseError, Transaction};

use crate::{
    core::{Core, moment::now_ms},
    store::{
        StoreError,
        media::{self, DATABASE, Medium},
    },
};

/// Bytes that one user may upload in all.
const MAX_OF_USER: i64 = 10 << 30;

/// Bytes of entropy of a medium's id.
const ID_BYTES: usize = 18;

/// Why a medium was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MediaError {
    /// The user has uploaded as much as one may.
    #[error("the user has uploaded as much as one may")]
    TooMuch,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatabaseError> for MediaError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// The media of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Media {
    core: Core,
    database: Arc<OnceCell<Database>>,
}

impl Media {
    pub(crate) fn new(core: &Core) -> Self {
        Self { core: core.clone(), database: Arc::default() }
    }

    /// Keeps what a local user uploads; durable when this returns its id.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub(crate) async fn put(&self, user: &UserId, medium: Medium) -> Result<String, MediaError> {
        let media_id = self.core.host.random_token(ID_BYTES);
        let (id, user, now) = (media_id.clone(), user.to_string(), now_ms(&self.core.host));
        self.database()
            .await?
            .transaction(move |tx: &Transaction<'_>| {
                if media::bytes_of(tx, &user)? >= MAX_OF_USER {
                    return Err(MediaError::TooMuch);
                }
                Ok(media::put(tx, [&id, &user], &medium, now)?)
            })
            .await?;
        Ok(media_id)
    }

    /// Returns what was uploaded here under that id.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn find(&self, media_id: String) -> Result<Option<Medium>, StoreError> {
        self.database().await?.call(move |db| media::find(db, &media_id)).await
    }

    async fn database(&self) -> Result<&Database, DatabaseError> {
        self.database
            .get_or_try_init(|| async {
                let database = self.core.host.open(DATABASE).await?;
                media::migrate(&database).await?;
                Ok(database)
            })
            .await
    }
}
