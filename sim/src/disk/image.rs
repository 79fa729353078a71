//! What a disk holds, as a value: a backup, or what an installation put there.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use transport::host::Clock;

use super::{Disk, Unobserved, pages::Pages};

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
        let disk = Disk::new(0, WORKBENCH, Arc::new(Epoch), Arc::new(Unobserved));
        // In a task of tokio's, a lock that is free may ask the task to yield.
        let installing = pin!(tokio::task::unconstrained(install(disk.mount())));
        match installing.poll(&mut Context::from_waker(Waker::noop())) {
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
    use transport::DatabaseError;

    use super::{DiskImage, ImageError};

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

    #[test]
    fn an_installation_that_waits_is_refused() {
        let image = DiskImage::made_by(|_| std::future::pending::<Result<(), String>>());
        assert!(matches!(image, Err(ImageError::Waits)));
    }
}
