//! The sender of one destination: takes its queue batch by batch, one transaction in flight, backs
//! off after failures, and turns to relays (`by_relay`) when the destination stays away.

mod by_relay;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use defects::{Defect, planted};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, ServerName, UInt,
    api::federation::transactions::send_transaction_message::v1 as send_transaction, serde::Raw,
};
use tokio::time::Instant;
use transport::{federation::CallError, settings::duration_text};

use self::by_relay::{CONTACT_CHECK, Relayed, Takers};
use super::{
    MAX_PDUS,
    outgoing::{Destination, Outgoing},
};
use crate::store::{
    StoreError,
    queues::{self, BackOff, Batch, Now},
};

/// How long the sender waits after the store refused.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How often in a row a destination may refuse a transaction for what is in it. A proxy in front of it
/// may be wrong for a while; then the transaction is taken apart, until what is at fault is found.
const MAX_BODIES_REFUSED: u32 = 3;

/// What came of one attempt.
enum Attempt {
    /// The batch arrived.
    Arrived,
    /// It did not, and is tried again.
    Again,
    /// It can never be sent as it is; why.
    Never(String),
    /// No relay takes as much at once.
    TooLarge,
}

/// Empties the queue of `name`, for ever.
pub(super) async fn run(outgoing: Outgoing, name: OwnedServerName, destination: Arc<Destination>) {
    let mut sender = Sender {
        outgoing,
        name,
        destination,
        relays_failed_at: 0,
        bodies_refused: 0,
        due: None,
        proxied_at: None,
        is_early: false,
        early: 0,
        takers: Takers::default(),
        contact_due: Instant::now() + CONTACT_CHECK,
    };
    loop {
        if let Err(error) = sender.empty_queue().await {
            tracing::warn!(destination = %sender.name, %error, "failed to read or write a queue");
            tokio::time::sleep(STORE_PAUSE).await;
            continue;
        }
        sender.destination.wake.notified().await;
    }
}

struct Sender {
    outgoing: Outgoing,
    name: OwnedServerName,
    destination: Arc<Destination>,
    /// The number of failed direct attempts at which the relays failed too: they are not asked
    /// again before the next direct attempt.
    relays_failed_at: u32,
    /// How often the transaction in flight was refused for what is in it.
    bodies_refused: u32,
    /// After how many failures the next attempt is due, and when. This is on the timers' clock,
    /// since the wall clock may jump; the wall clock counts only for a wait that an earlier process
    /// began.
    due: Option<(u32, Instant)>,
    /// When the last attempt failed, if a proxy answered it.
    proxied_at: Option<Instant>,
    /// Whether the next attempt comes before its time, because the destination was heard from.
    is_early: bool,
    /// How many of the failures came before their time.
    early: u32,
    /// Who has the transaction in flight.
    takers: Takers,
    /// When it is looked again how old what the destination publishes is.
    contact_due: Instant,
}

impl Sender {
    /// Sends until nothing is left.
    async fn empty_queue(&mut self) -> Result<(), StoreError> {
        let mut next = self.next_batch().await?;
        loop {
            let back_off = self.back_off().await?;
            let Some(batch) = next else { return Ok(()) };
            if planted(Defect::QueueIsEmptiedBeforeItIsSent) {
                self.with_queue(|tx, name, _| queues::delivered(tx, name)).await?;
            }
            next = match self.deliver(&batch, back_off).await? {
                Attempt::Arrived => self.finish_and_next().await?,
                Attempt::Never(reason) => self.take_apart(&batch, reason).await?,
                Attempt::TooLarge => self.with_queue(queues::halve).await?,
                Attempt::Again if planted(Defect::RetryCarriesMoreUnderTheSameId) => {
                    self.with_queue(|tx, name, _| queues::widen(tx, name, MAX_PDUS)).await?
                }
                Attempt::Again if self.destination.dropped.swap(false, Ordering::SeqCst) => {
                    self.next_batch().await?
                }
                Attempt::Again => Some(batch),
            };
        }
    }

    /// Goes on with half of a batch that can never be sent; sets a single event or EDU aside, so that it
    /// does not hold up what is queued behind it.
    async fn take_apart(
        &mut self,
        batch: &Batch,
        reason: String,
    ) -> Result<Option<Batch>, StoreError> {
        if batch.pdus.len() + batch.edus.len() > 1 {
            return self.with_queue(queues::halve).await;
        }
        self.bodies_refused = 0;
        tracing::error!(destination = %self.name, reason, "set something aside that cannot be sent");
        let core = &self.outgoing.core;
        let (name, now) = (self.name.clone(), self.now());
        core.database
            .transaction(move |tx| {
                queues::set_aside(tx, &name, &reason)?;
                queues::fix_next(tx, &name, MAX_PDUS, now)
            })
            .await
    }

    /// Returns why the batch can never be sent, if that is what the last error means.
    fn hopeless(&mut self, error: &CallError) -> Option<String> {
        if !error.is_about_the_body() {
            return None;
        }
        self.bodies_refused = self.bodies_refused.saturating_add(1);
        let is_sure = matches!(error, CallError::Unsendable(_));
        (is_sure || self.bodies_refused > MAX_BODIES_REFUSED).then(|| error.to_string())
    }

    /// Makes one attempt at a batch, or waits for the next one.
    async fn deliver(&mut self, batch: &Batch, back_off: BackOff) -> Result<Attempt, StoreError> {
        let relays_due = back_off.failures >= self.config().attempts_before_relay.max(1);
        let due = self.due_at(back_off);
        if back_off.failures == 0 || due <= Instant::now() {
            self.relays_failed_at = 0;
            let began = Instant::now();
            match self.send_directly(batch).await {
                Ok(()) => {
                    self.clear_back_off(back_off).await?;
                    self.bodies_refused = 0;
                    self.refresh_contact();
                    if back_off.failures > 0 && planted(Defect::CatchUpSendsHeadsOnly) {
                        self.with_queue(|tx, name, _| queues::keep_heads(tx, name)).await?;
                    }
                    return Ok(Attempt::Arrived);
                }
                Err(error) => {
                    if let Some(reason) = self.hopeless(&error) {
                        return Ok(Attempt::Never(reason));
                    }
                    self.note_failure(back_off, &error).await?;
                    let none_left = began.elapsed() >= self.config().request_timeout;
                    if none_left && planted(Defect::RelaysShareTheTimeOfTheDirectAttempt) {
                        self.relays_failed_at = back_off.failures.saturating_add(1);
                    }
                }
            }
            // Whether it is the relays' turn is decided afresh, with this failure counted.
            return Ok(Attempt::Again);
        }
        let changed = self.destination.relays_changed.swap(false, Ordering::SeqCst);
        if relays_due && (changed || self.relays_failed_at != back_off.failures) {
            match self.send_by_relay(batch).await? {
                Relayed::Taken => return Ok(Attempt::Arrived),
                Relayed::TooLarge if batch.pdus.len() + batch.edus.len() > 1 => {
                    return Ok(Attempt::TooLarge);
                }
                Relayed::TooLarge | Relayed::Refused => {}
            }
            self.relays_failed_at = back_off.failures;
        }
        tokio::select! {
            biased;
            () = self.destination.wake.notified() => {}
            () = tokio::time::sleep_until(due) => {}
        }
        Ok(Attempt::Again)
    }

    async fn send_directly(&self, batch: &Batch) -> Result<(), CallError> {
        let mut request = send_transaction::Request::new(
            batch.transaction_id.as_str().into(),
            self.outgoing.core.owned_server_name(),
            MilliSecondsSinceUnixEpoch(timestamp(batch)),
        );
        request.pdus.clone_from(&batch.pdus);
        request.edus = batch.edus.iter().map(|edu| Raw::from_json(edu.clone())).collect();
        let deadline = self.config().request_timeout;
        // What is said of each PDU is for the log alone: some servers leave it out.
        let federation = &self.outgoing.core.federation;
        let answer = federation.call_for_json(&self.name, request, deadline).await?;
        for (event_id, outcome) in answer["pdus"].as_object().into_iter().flatten() {
            if let Some(reason) = outcome["error"].as_str() {
                tracing::info!(destination = %self.name, event_id, reason, "a PDU was refused");
            }
        }
        Ok(())
    }

    async fn next_batch(&self) -> Result<Option<Batch>, StoreError> {
        self.with_queue(|tx, name, now| match queues::in_flight(tx, name)? {
            Some(batch) => Ok(Some(batch)),
            None => queues::fix_next(tx, name, MAX_PDUS, now),
        })
        .await
    }

    async fn finish_and_next(&self) -> Result<Option<Batch>, StoreError> {
        self.with_queue(|tx, name, now| {
            queues::delivered(tx, name)?;
            queues::fix_next(tx, name, MAX_PDUS, now)
        })
        .await
        .inspect(|_| self.outgoing.delivered.ring())
    }

    async fn with_queue<T: Send + 'static>(
        &self,
        work: fn(&transport::Transaction<'_>, &ServerName, Now) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let core = &self.outgoing.core;
        let (name, now) = (self.name.clone(), self.now());
        core.database.transaction(move |tx| work(tx, &name, now)).await
    }

    fn now(&self) -> Now {
        let core = &self.outgoing.core;
        Now { wall_ms: core.host.unix_ms(), age_ms: core.ages.now_ms() }
    }

    /// Returns the back-off as it stands: none, if the destination was heard from since. If a proxy answers
    /// for it, the next attempt comes sooner, but the failures count: whoever can send may still be out of
    /// reach, and then its relays are needed.
    async fn back_off(&mut self) -> Result<BackOff, StoreError> {
        if !self.destination.failing.load(Ordering::SeqCst) {
            return Ok(BackOff::default());
        }
        let name = self.name.clone();
        let stored =
            self.outgoing.core.database.call(move |db| queues::back_off(db, &name)).await?;
        if !self.destination.heard_from.load(Ordering::SeqCst) {
            return Ok(stored);
        }
        let at_once = self.destination.at_once.swap(false, Ordering::SeqCst);
        if let Some(proxied_at) = self.proxied_at.filter(|_| !at_once) {
            self.destination.heard_from.store(false, Ordering::SeqCst);
            let due = proxied_at + self.config().backoff_first;
            let known = self.due_at(stored);
            self.is_early |= due < known;
            self.due = Some((stored.failures, due.min(known)));
            return Ok(stored);
        }
        self.clear_back_off(stored).await?;
        Ok(BackOff::default())
    }

    async fn clear_back_off(&mut self, before: BackOff) -> Result<(), StoreError> {
        if before.failures > 0 {
            if !planted(Defect::BackOffComesBackAfterARestart) {
                self.put_back_off(BackOff::default()).await?;
            }
            self.outgoing.reconnected.notify_one();
        }
        self.due = None;
        self.proxied_at = None;
        (self.is_early, self.early) = (false, 0);
        self.destination.at_once.store(false, Ordering::SeqCst);
        self.destination.failing.store(false, Ordering::SeqCst);
        self.destination.heard_from.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn note_failure(&mut self, before: BackOff, error: &CallError) -> Result<(), StoreError> {
        let proxied = matches!(error, CallError::Refused(error) if error.is_made_up());
        let silent = proxied || matches!(error, CallError::NoAnswer(_));
        self.proxied_at = proxied.then(Instant::now);
        // An attempt that was under way when the destination came back says nothing about it since.
        let came_back = !proxied && self.destination.heard_from.swap(false, Ordering::SeqCst);
        let earlier = if silent && came_back { 0 } else { before.failures };
        // What only came too early says nothing of how long to wait, but it may be the relays' turn.
        let is_early = std::mem::take(&mut self.is_early);
        let most =
            if is_early { self.config().attempts_before_relay.max(earlier) } else { u32::MAX };
        let failures = earlier.saturating_add(1).min(most.max(1));
        if earlier == 0 {
            self.early = 0;
        } else if is_early {
            self.early = self.early.saturating_add(failures - earlier);
        }
        let in_time = failures.saturating_sub(self.early);
        let wait = self.jittered(self.back_off_after(in_time));
        let told = duration_text(wait);
        tracing::info!(destination = %self.name, %error, failures, wait = told, "backing off");
        let now = self.outgoing.core.host.unix_ms();
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.due = Some((failures, Instant::now() + Duration::from_millis(wait_ms)));
        self.destination.silent.store(silent, Ordering::SeqCst);
        let back_off = BackOff { failures, retry_at_ms: now.saturating_add(wait_ms) };
        self.destination.failing.store(true, Ordering::SeqCst);
        self.put_back_off(back_off).await
    }

    async fn put_back_off(&self, back_off: BackOff) -> Result<(), StoreError> {
        let name = self.name.clone();
        let database = &self.outgoing.core.database;
        database.transaction(move |tx| queues::put_back_off(tx, &name, back_off)).await
    }

    /// Returns the first wait, doubled with every further failure, up to the longest.
    fn back_off_after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.config().backoff_first.saturating_mul(1 << doublings).min(self.config().backoff_max)
    }

    /// Returns between 0.8 and 1.2 times `wait`, so that servers that failed together do not come
    /// back together.
    fn jittered(&self, wait: Duration) -> Duration {
        let [byte] = self.outgoing.core.host.random_bytes::<1>();
        wait.mul_f64(0.8 + 0.4 * f64::from(byte) / 255.0)
    }

    /// Returns when the next attempt is due. A wait that an earlier process began is taken from the
    /// wall clock, but is no longer than the longest wait.
    fn due_at(&mut self, back_off: BackOff) -> Instant {
        match self.due {
            Some((failures, due)) if failures == back_off.failures => due,
            _ => {
                let now = self.outgoing.core.host.unix_ms();
                let left = Duration::from_millis(back_off.retry_at_ms.saturating_sub(now));
                let due = Instant::now() + left.min(self.config().backoff_max.mul_f64(1.2));
                self.due = Some((back_off.failures, due));
                due
            }
        }
    }

    fn config(&self) -> &crate::Config {
        &self.outgoing.core.config
    }
}

fn timestamp(batch: &Batch) -> UInt {
    UInt::try_from(batch.origin_server_ts).unwrap_or(UInt::MAX)
}
