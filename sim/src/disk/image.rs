//! What a disk holds, as a value: a backup, or what an installation put there.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use transport::{DatabaseError, host::Clock};

use super::{Disk, Unobserved, mount::file_of, pages::Pages};

/// Name of the disk on which an image is made; its streams of randomness are named after it.
const WORKBENCH: &str = "installation";

/// Files with their bytes, by name. Cheap to clone, and cheap to put on many disks: they share its
/// pages until they write.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DiskImage {
    pub(super) files: Arc<BTreeMap<String, Pages>>,
}

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The program failed.
    #[error("{0}")]
    Failed(String),
    /// The program waits for something other than its disk.
    #[error("an installation has only its disk, but this one waits for something else")]
    Waits,
}

impl DiskImage {
    /// Returns what `install` leaves on an empty disk: always the same bytes, because it has
    /// nothing but the disk, and a clock that stands still at the epoch.
    ///
    /// Meant for what every first boot of a node would do in the same way, such as making its
    /// tables. Keep the image, and return it from [`crate::Node::installation`].
    ///
    /// # Errors
    /// `install` fails, or waits.
    pub fn made_by<F, E>(
        install: impl FnOnce(Arc<dyn transport::host::Disk>) -> F,
    ) -> Result<Self, ImageError>
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        Self::default().after(install)
    }

    /// Returns these files with those of the databases `names` that are among them closed: what
    /// their logs hold is copied into them, and the logs are gone.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub fn at_rest<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, ImageError> {
        let names = names.into_iter().filter(|name| self.files.contains_key(&file_of(name)));
        let names: Vec<&str> = names.collect();
        self.after(|disk| async move {
            for name in names {
                drop(disk.open(name).await?);
            }
            Ok::<_, DatabaseError>(())
        })
    }

    /// Returns what a program leaves on a disk that holds these files.
    fn after<F, E>(
        &self,
        program: impl FnOnce(Arc<dyn transport::host::Disk>) -> F,
    ) -> Result<Self, ImageError>
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let disk = Disk::new(0, WORKBENCH, Arc::new(Epoch), Arc::new(Unobserved));
        disk.restore(self);
        // In a task of tokio's, a lock that is free may ask the task to yield.
        let running = pin!(tokio::task::unconstrained(program(disk.mount())));
        match running.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(disk.snapshot()),
            Poll::Ready(Err(error)) => Err(ImageError::Failed(error.to_string())),
            Poll::Pending => Err(ImageError::Waits),
        }
    }
}

impl std::fmt::Debug for DiskImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.files.iter().map(|(name, pages)| (name, pages.len()))).finish()
    }
}

/// A clock that stands still at the epoch.
pub(super) struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use transport::DatabaseError;

    use super::{DiskImage, Epoch, ImageError};
    use crate::disk::{Disk, Unobserved};

    fn image() -> DiskImage {
        let image = DiskImage::made_by(|disk| async move {
            let database = disk.open("letters").await?;
            let table = "CREATE TABLE letter (id INTEGER PRIMARY KEY) STRICT";
            database.transaction::<_, DatabaseError>(move |it| Ok(it.execute_batch(table)?)).await
        });
        image.expect("an empty disk takes a table")
    }

    #[test]
    fn an_image_is_the_same_every_time() {
        assert_ne!(image(), DiskImage::default());
        assert_eq!(image(), image());
    }

    #[tokio::test]
    async fn at_rest_a_database_has_all_that_was_written_and_no_log_beside_it() {
        let disk = Disk::new(1, "a", Arc::new(Epoch), Arc::new(Unobserved));
        disk.restore(&image());
        let database = disk.mount().open("letters").await.expect("it is there");
        let write = "INSERT INTO letter (id) VALUES (7)";
        let written = database.transaction::<_, DatabaseError>(|it| Ok(it.execute_batch(write)?));
        written.await.expect("the disk is healthy");
        let running = disk.snapshot();
        let rested = running.at_rest(["letters", "media"]).expect("it can be opened");
        assert!(running.files.contains_key("letters.sqlite-wal"), "nothing was to be done");
        assert_eq!(rested.files.keys().collect::<Vec<_>>(), ["letters.sqlite"]);
        disk.restore(&rested);
        let database = disk.mount().open("letters").await.expect("it is there");
        let read = |it: &mut rusqlite::Connection| {
            let id = it.query_row("SELECT id FROM letter", [], |row| row.get(0));
            Ok::<i64, DatabaseError>(id?)
        };
        assert_eq!(database.call(read).await.expect("it can be read"), 7);
    }

    #[test]
    fn an_installation_that_waits_is_refused() {
        let image = DiskImage::made_by(|_| std::future::pending::<Result<(), String>>());
        assert!(matches!(image, Err(ImageError::Waits)));
    }
}
