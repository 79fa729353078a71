//! Forgets what is too old to matter, so that no table grows for ever.

use std::time::Duration;

use transport::Transaction;

use super::Policies;
use crate::{
    messaging::notifications::Notifications,
    store::{StoreError, age_clock, received},
};

/// How often the tables are looked through.
const INTERVAL: Duration = Duration::from_hours(1);

/// Looks through the tables for as long as the process lives: at once, as a server that is started
/// anew all the time would never do so otherwise, and then again and again.
pub(super) async fn keep_up(policies: Policies, notifications: Notifications) {
    loop {
        if let Err(error) = forget_what_is_old(policies.clone(), &notifications).await {
            tracing::warn!(%error, "failed to delete old records");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Forgets expired notifications, and answers that nobody asks for any more. How the sends of a
/// device ended is kept as long as the device.
async fn forget_what_is_old(
    policies: Policies,
    notifications: &Notifications,
) -> Result<(), StoreError> {
    notifications.prune().await?;
    let core = policies.0.rooms.core().clone();
    let (now_ms, oldest_ms) =
        (core.ages.now_ms(), core.ages.ms_ago(core.config.answer_time_to_live));
    let mut more = core
        .database
        .transaction(move |tx| {
            age_clock::put(tx, now_ms)?;
            policies.prune(tx, oldest_ms)?;
            received::prune(tx, now_ms, String::new())
        })
        .await?;
    // Whoever wants to write meanwhile has their turn between two portions.
    while let Some(after) = more {
        let prune = move |tx: &Transaction<'_>| received::prune(tx, now_ms, after);
        more = core.database.transaction(prune).await?;
    }
    Ok(())
}
