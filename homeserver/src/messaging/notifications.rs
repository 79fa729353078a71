//! The notification stream of each device: one row per device and event, written in the very
//! transaction that makes the event visible, read by `/notifications` and pushed by `/await`.
//!
//! Ids go up in the order of commits, because one database has one writer; so a device that has
//! read up to an id has read everything before it.

mod id;

use std::time::Duration;

use transport::{Database, Host, Transaction};
use uuid::Uuid;

use self::id::take_id;
use crate::{
    core::{
        Core,
        bell::{Bell, Listener},
        moment::AgeClock,
    },
    event::Pdu,
    pdu::EventHandler,
    store::{
        StoreError,
        accounts::Device,
        notifications::{self, Notification, Stretch},
    },
};

/// Fewest notifications that a page may be limited to.
pub(crate) const MIN_PAGE: usize = 100;

/// Most notifications of a page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// Notifications of a page when the client does not say.
pub(crate) const DEFAULT_PAGE: usize = 1000;

/// A page of notifications, oldest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) notifications: Vec<Notification>,
    /// Whether there are newer ones than the last of this page.
    pub(crate) has_more: bool,
    /// Whether the id asked for is that of a notification of this device, not yet expired.
    pub(crate) since_known: bool,
}

/// The notification streams of this server's devices. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifications {
    host: Host,
    ages: AgeClock,
    database: Database,
    time_to_live: Duration,
    commits: Bell,
}

impl Notifications {
    /// Returns the streams in the database of `core`; a notification is gone a time to live after it
    /// was made.
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            host: core.host.clone(),
            ages: core.ages,
            database: core.database.clone(),
            time_to_live: core.config.notification_time_to_live,
            commits: Bell::default(),
        }
    }

    /// Returns a listener that hears whenever something new may be visible. Listen first, then
    /// read.
    pub(crate) fn listen(&self) -> Listener {
        self.commits.listen()
    }

    /// Returns the newest id given out to any device; what is committed from now on is larger.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn newest_id(&self) -> Result<Uuid, StoreError> {
        let newest = self.database.call(|db| notifications::last_id(db)).await?;
        Ok(newest.unwrap_or(Uuid::nil()))
    }

    /// Returns at most `size` notifications of `device` after `since`, or from its first on.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn page(
        &self,
        device: &Device,
        since: Option<Uuid>,
        size: usize,
    ) -> Result<Page, StoreError> {
        let oldest_ms = self.ages.ms_ago(self.time_to_live);
        // An id of another version has no place in the order of ours.
        let after = since.filter(|id| id.get_version_num() == 7).unwrap_or(Uuid::nil());
        let stretch = Stretch { device: device.clone(), after, oldest_ms };
        self.database
            .call(move |db| {
                let since_known = match since {
                    Some(since) => notifications::is_known(db, &stretch.device, since, oldest_ms)?,
                    None => true,
                };
                let (notifications, has_more) = notifications::page(db, &stretch, size)?;
                Ok(Page { notifications, has_more, since_known })
            })
            .await
    }

    /// Returns the newest notification of `device`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn last(&self, device: &Device) -> Result<Option<Notification>, StoreError> {
        let (device, oldest_ms) = (device.clone(), self.ages.ms_ago(self.time_to_live));
        self.database.call(move |db| notifications::last(db, &device, oldest_ms)).await
    }

    /// Deletes what has expired.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn prune(&self) -> Result<(), StoreError> {
        let oldest_ms = self.ages.ms_ago(self.time_to_live);
        self.database.transaction(move |tx| notifications::prune(tx, oldest_ms)).await
    }

    /// Writes a notification of `event` for every device here that it concerns.
    fn notify(&self, tx: &Transaction<'_>, event: &Pdu) -> Result<(), StoreError> {
        let now = self.ages.now_ms();
        for recipient in notifications::devices_concerned(tx, event)? {
            let id = take_id(tx, &self.host)?;
            notifications::put(tx, &recipient, id, event.client_format(), now)?;
        }
        Ok(())
    }
}

impl EventHandler for Notifications {
    fn persisted(
        &self,
        tx: &Transaction<'_>,
        event: &Pdu,
        _position: i64,
    ) -> Result<(), StoreError> {
        self.notify(tx, event)?;
        // The write itself rings, so that it rings also when its caller is gone by the time that it
        // is committed. Whoever is woken reads through the same database, and so after this
        // transaction; if it is rolled back, they find nothing.
        self.commits.ring();
        Ok(())
    }
}
