//! Deletes what is older than its time to live.

use std::time::Duration;

use ruma::ServerName;

use super::to_sql;

/// How long a delivered transaction is remembered, so that its origin, which may have lost the
/// answer, does not make it wait here again. Far longer than any back-off.
const RECEIPT_AGE: Duration = Duration::from_hours(24);

/// Delivered transactions remembered; the oldest are forgotten first. Nothing is lost by that: at
/// worst a destination gets a transaction twice, and knows its id.
const MAX_RECEIPTS: u64 = 100_000;

/// Rows of each kind deleted in one commit.
const BATCH: u64 = 1000;

/// Deletes what was stored for `destination` before `before_ms`.
pub(super) fn expire_of(
    transaction: &rusqlite::Transaction<'_>,
    destination: &ServerName,
    before_ms: i64,
) -> rusqlite::Result<()> {
    let expired = transaction
        .prepare_cached("DELETE FROM entries WHERE stored_ms < ?1 AND destination = ?2")?
        .execute((before_ms, destination.as_str()))?;
    if expired > 0 {
        tracing::info!(%destination, expired, "entries have outlived their time");
    }
    Ok(())
}

/// Deletes one batch of each kind of row that is too old; whether there may be more.
pub(super) fn expire_batch(
    transaction: &rusqlite::Transaction<'_>,
    before_ms: i64,
    now_ms: i64,
) -> rusqlite::Result<bool> {
    let batch = to_sql(BATCH);
    let entries = transaction.execute(
        "DELETE FROM entries WHERE id IN
             (SELECT id FROM entries WHERE stored_ms < ?1 ORDER BY stored_ms LIMIT ?2)",
        (before_ms, batch),
    )?;
    if entries > 0 {
        tracing::info!(entries, "entries have outlived their time");
    }
    let quarantined = transaction.execute(
        "DELETE FROM quarantine WHERE id IN
             (SELECT id FROM quarantine WHERE stored_ms < ?1 ORDER BY id LIMIT ?2)",
        (before_ms, batch),
    )?;
    let receipts = forget_receipts(transaction, now_ms)?;
    Ok([entries, quarantined, receipts].into_iter().any(|deleted| deleted as u64 >= BATCH))
}

fn forget_receipts(
    transaction: &rusqlite::Transaction<'_>,
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let age_ms = i64::try_from(RECEIPT_AGE.as_millis()).unwrap_or(i64::MAX);
    transaction.execute(
        "DELETE FROM receipts WHERE (destination, origin, transaction_id, body_hash) IN
             (SELECT destination, origin, transaction_id, body_hash FROM receipts
              WHERE delivered_ms < ?1
                  OR delivered_ms < (SELECT delivered_ms FROM receipts
                                     ORDER BY delivered_ms DESC LIMIT 1 OFFSET ?2)
              ORDER BY delivered_ms LIMIT ?3)",
        (now_ms.saturating_sub(age_ms), to_sql(MAX_RECEIPTS), to_sql(BATCH)),
    )
}
