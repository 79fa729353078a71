//! Forgets what is too old to matter, so that no table grows for ever.

use std::time::Duration;

use transport::DatabaseError;

use super::{Messaging, answers, m1, moment::ms_ago};

/// How often the tables are looked through.
const INTERVAL: Duration = Duration::from_hours(1);

/// Looks through the tables for as long as the process lives.
pub(super) async fn keep_up(messaging: Messaging) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = forget_what_is_old(&messaging).await {
            tracing::warn!(%error, "failed to forget what is old");
        }
    }
}

/// Forgets expired notifications, and answers that nobody asks for any more.
pub(super) async fn forget_what_is_old(messaging: &Messaging) -> Result<(), DatabaseError> {
    messaging.notifications.prune().await?;
    let core = messaging.rooms.core();
    let oldest_ms = ms_ago(&core.host, core.config.answer_time_to_live);
    core.database
        .transaction(move |tx| {
            answers::prune(tx, oldest_ms)?;
            m1::prune(tx, oldest_ms)?;
            Ok(())
        })
        .await
}
