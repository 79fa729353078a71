//! The notification stream of each device, written in the very transaction that makes an event
//! visible, read by `/notifications` and pushed by `/await`; and the bells by which whoever waits for
//! news of a room or a user is woken, and nobody else.
//!
//! Ids go up in the order of commits, because one database has one writer; so a device that has
//! read up to an id has read everything before it.

mod id;

use std::{collections::BTreeSet, time::Duration};

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use rusqlite::Connection;
use serde_json::Value;
use transport::{Database, Host, Transaction};
use uuid::Uuid;

use self::id::take_id;
use super::push_rules::{Judge, Verdict};
use crate::{
    core::{
        Core,
        bells::{Bells, Listener},
        moment::AgeClock,
    },
    event::Pdu,
    pdu::EventHandler,
    store::{
        StoreError,
        accounts::{self, Authority, Device},
        generations, memberships,
        notifications::{self, Notification, PageSize, Stretch},
        pushers::{self, PusherKey, PusherRow},
        relations,
    },
};

/// Fewest notifications that a page may be limited to.
pub(crate) const MIN_PAGE: usize = 100;

/// Most notifications of a page.
pub(crate) const MAX_PAGE: usize = 10_000;

/// Notifications of a page when the client does not say.
pub(crate) const DEFAULT_PAGE: usize = 1000;

/// Bytes of events in a page that a client asked for.
const MAX_PAGE_BYTES: usize = 5 << 20;

/// Bytes of events that are held for one websocket or push gateway until it has taken them, unless one
/// event alone is larger: whoever takes nothing must not take up memory either.
const MAX_HELD_BYTES: usize = 64 << 10;

/// A page of notifications, oldest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) notifications: Vec<Notification>,
    /// Whether there are newer ones than the last of this page.
    pub(crate) has_more: bool,
    /// Whether the id asked for is that of a notification of this device, not yet expired.
    pub(crate) since_known: bool,
}

/// A notification, and what the push rules of its user say of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) notification: Notification,
    /// Its event in the client format.
    pub(crate) event: Value,
    pub(crate) verdict: Verdict,
}

/// The notification streams of this server's devices. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notifications {
    host: Host,
    ages: AgeClock,
    database: Database,
    time_to_live: Duration,
    pub(crate) news: News,
    /// The name of the life that the database begins with the first event of this process.
    generation: String,
}

/// What there is news of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Something happened in the room.
    Room(OwnedRoomId),
    /// The user's relation to a room has changed, or a token of theirs has ended.
    User(OwnedUserId),
}

/// Rung for news.
pub(crate) type News = Bells<Topic>;

/// Who waits for news.
pub(crate) type Waiting = Listener<Topic>;

/// Bytes of entropy of the name of a life.
const GENERATION_BYTES: usize = 8;

impl Notifications {
    /// Returns the streams in the database of `core`; a notification is gone a time to live after it
    /// was made.
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            host: core.host.clone(),
            ages: core.ages,
            database: core.database.clone(),
            time_to_live: core.config.notification_time_to_live,
            news: News::default(),
            generation: core.host.random_token(GENERATION_BYTES),
        }
    }

    /// Returns a listener to news of `user`. Listen first, then read; and listen to the rooms of the
    /// user as [`listen_to_rooms`] does.
    pub(crate) fn listen(&self, user: &UserId) -> Waiting {
        self.news.listen(Topic::User(user.to_owned()))
    }

    /// Returns the newest id given out to any device; what is committed from now on is larger, and
    /// rings `waiting` if it is in a room of `user`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn newest_id(
        &self,
        user: &UserId,
        waiting: &Waiting,
    ) -> Result<Uuid, StoreError> {
        let (user, waiting) = (user.to_owned(), waiting.clone());
        let newest = self.database.call(move |db| {
            listen_to_rooms(db, &waiting, &user)?;
            notifications::last_id(db)
        });
        Ok(newest.await?.unwrap_or(Uuid::nil()))
    }

    /// Returns at most `size` notifications after `since` of the device that `authority` is of;
    /// `None` if its token is not the device's any more. What rings `waiting` next is newer.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn page_for(
        &self,
        authority: &Authority,
        waiting: &Waiting,
        since: Uuid,
        size: usize,
    ) -> Result<Option<Page>, StoreError> {
        let oldest_ms = self.ages.ms_ago(self.time_to_live);
        let (authority, waiting) = (authority.clone(), waiting.clone());
        self.database
            .call(move |db| {
                if !accounts::holds(db, &authority)? {
                    return Ok(None);
                }
                if concerns(&waiting.heard(), &authority.device.user_id) {
                    listen_to_rooms(db, &waiting, &authority.device.user_id)?;
                }
                let stretch = Stretch { device: authority.device, after: since, oldest_ms };
                let size = PageSize { count: size, bytes: MAX_HELD_BYTES };
                let (notifications, has_more) = notifications::page(db, &stretch, size)?;
                Ok(Some(Page { notifications, has_more, since_known: true }))
            })
            .await
    }

    /// Returns at most `size` notifications of `device` after `since`, or from its first on. A `since`
    /// beyond all that this server gave out was given out before its database was set back: what is
    /// given out from now on comes after it, and the device reads from its first on.
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
        let is_forgotten = self.learn(after).await?;
        let after = if is_forgotten { Uuid::nil() } else { after };
        let stretch = Stretch { device: device.clone(), after, oldest_ms };
        let size = PageSize { count: size, bytes: MAX_PAGE_BYTES };
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

    /// Lets every later id be larger than `named`; returns whether they would not have been.
    async fn learn(&self, named: Uuid) -> Result<bool, StoreError> {
        let newest = self.database.call(|db| notifications::last_id(db)).await?;
        if newest.is_some_and(|newest| named <= newest) || named.is_nil() {
            return Ok(false);
        }
        let now_ms = self.host.unix_ms();
        self.database.transaction(move |tx| id::learn(tx, named, now_ms)).await
    }

    /// Returns a pusher and at most `size` notifications that neither its device nor its gateway has,
    /// with what the user's push rules say of them; `None` if the device does not have it any more. What
    /// rings `waiting` next is newer.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn missed_by(
        &self,
        key: &PusherKey,
        waiting: &Waiting,
        size: usize,
    ) -> Result<Option<(PusherRow, Vec<Judged>)>, StoreError> {
        let oldest_ms = self.ages.ms_ago(self.time_to_live);
        let (key, waiting) = (key.clone(), waiting.clone());
        self.database
            .call(move |db| {
                let Some(pusher) = pushers::find(db, &key)? else { return Ok(None) };
                waiting.heard();
                listen_to_rooms(db, &waiting, &key.device.user_id)?;
                let stretch = Stretch { device: key.device, after: pusher.pushed_id, oldest_ms };
                let size = PageSize { count: size, bytes: MAX_HELD_BYTES };
                let (missed, _) = notifications::page(db, &stretch, size)?;
                let missed = judged(db, &stretch.device.user_id, missed)?;
                Ok(Some((pusher, missed)))
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

    /// Rings for `event`. The write itself does, so that it is done also when its caller is gone by
    /// the time that it is committed. Whoever is woken reads through the same database, and so after
    /// this transaction; if it is rolled back, they find nothing.
    fn ring(&self, event: &Pdu) {
        let room = Topic::Room(event.room_id.clone());
        let target = event.state_key.as_deref().filter(|_| event.is_member_event());
        let target = target.and_then(|user| OwnedUserId::try_from(user).ok()).map(Topic::User);
        self.news.ring(std::iter::once(room).chain(target));
    }
}

fn judged(
    connection: &Connection,
    user: &UserId,
    notifications: Vec<Notification>,
) -> Result<Vec<Judged>, StoreError> {
    if notifications.is_empty() {
        return Ok(Vec::new());
    }
    let mut judge = Judge::of_user(connection, user)?;
    let judged = notifications.into_iter().map(|notification| {
        let event = serde_json::from_str(notification.event.get()).unwrap_or_default();
        let verdict = judge.judge(&event)?;
        Ok(Judged { notification, event, verdict })
    });
    judged.collect()
}

/// Has `waiting` listen to the rooms that `user` is in, and to the user. Called on the database's
/// thread, so that nothing is written between what was read and this.
///
/// # Errors
/// The store's.
pub(crate) fn listen_to_rooms(
    connection: &Connection,
    waiting: &Waiting,
    user: &UserId,
) -> Result<(), StoreError> {
    let rooms = memberships::joined_rooms(connection, user)?.into_iter().map(Topic::Room);
    waiting.listen_to(rooms.chain([Topic::User(user.to_owned())]).collect());
    Ok(())
}

/// Returns whether the user's relation to a room may have changed.
pub(crate) fn concerns(heard: &BTreeSet<Topic>, user: &UserId) -> bool {
    heard.iter().any(|topic| matches!(topic, Topic::User(of) if of == user))
}

impl EventHandler for Notifications {
    fn persisted(
        &self,
        tx: &Transaction<'_>,
        event: &Pdu,
        position: i64,
    ) -> Result<(), StoreError> {
        generations::begin(tx, &self.generation)?;
        let (id, now) = (take_id(tx, &self.host)?, self.ages.now_ms());
        notifications::put(tx, event, position, id, now)?;
        notifications::put_for_target(tx, event, id, now)?;
        relations::put(tx, event, position)?;
        self.ring(event);
        Ok(())
    }

    fn memberships_changed(
        &self,
        tx: &Transaction<'_>,
        room: &RoomId,
        position: i64,
    ) -> Result<(), StoreError> {
        let users = memberships::changed_at(tx, room, position)?;
        self.news.ring(users.into_iter().map(Topic::User));
        Ok(())
    }
}
