//! Expiry while nobody asks: what is too old is deleted even if its destination never returns.

use std::time::Duration;

use transport::Host;

use crate::store::Store;

/// The pause between two sweeps. An entry that is asked for expires on time without them.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// The pause between two batches of one sweep, in which requests get their turn.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// Starts sweeping in the background.
pub(crate) fn start(host: &Host, store: Store) {
    let clock = host.clone();
    host.spawn(async move {
        loop {
            let pause = match store.expire_batch(clock.unix_ms()).await {
                Ok(true) => BATCH_PAUSE,
                Ok(false) => SWEEP_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "failed to delete what is too old");
                    SWEEP_INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    });
}
