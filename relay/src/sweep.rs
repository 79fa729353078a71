//! Expiry: what is too old is deleted, here and nowhere else, whether or not anybody asks for it.
//!
//! The wall clock alone never decides: a machine whose clock jumps ahead by a year would delete all
//! that it has acknowledged, and nothing brings that back. So sweeps have a clock of their own,
//! kept in the store, which is never ahead of the wall clock and gains little on the time that has
//! passed between two sweeps.

use std::time::Duration;

use tokio::time::Instant;
use transport::Host;

use crate::{
    events::{Events, Kind},
    store::Store,
};

/// The pause between two sweeps: an entry may outlive its time by so much.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// The pause between two batches of one sweep, in which requests get their turn.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// What a sweep's clock may gain on the time that passed since the sweep before, so that it makes
/// up for the time in which the relay was down: a tenth of the interval. After a jump of the wall
/// clock, entries live at least ten elevenths of their time.
const MAX_GAIN: Duration = Duration::from_mins(1);

/// Starts sweeping in the background.
pub(crate) fn start(host: &Host, store: Store, events: Events) {
    let clock = host.clone();
    host.spawn(async move {
        let mut last: Option<Instant> = None;
        loop {
            let began = Instant::now();
            // The first sweep's clock stands still: a relay that restarts all the time must not
            // race ahead.
            let at_most = last.map_or(Duration::ZERO, |last| began - last + MAX_GAIN);
            match store.advance_sweep_clock(clock.unix_ms(), at_most).await {
                Ok(sweep_ms) => {
                    last = Some(began);
                    expire(&store, &events, sweep_ms).await;
                }
                Err(error) => tracing::warn!(%error, "failed to begin a sweep"),
            }
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    });
}

/// Deletes all that is too old in a sweep of the time `sweep_ms`, in batches.
async fn expire(store: &Store, events: &Events, sweep_ms: u64) {
    loop {
        match store.expire_batch(sweep_ms).await {
            Ok(expired) => {
                events.entries(Kind::Expired, expired.entries);
                if !expired.is_more {
                    return;
                }
                tokio::time::sleep(BATCH_PAUSE).await;
            }
            Err(error) => {
                tracing::warn!(%error, "failed to delete what has expired");
                return;
            }
        }
    }
}
