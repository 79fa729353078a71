//! Deletes what is older than its time to live, by a clock that does not jump.

use std::time::Duration;

use defects::{Defect, planted};
use rusqlite::OptionalExtension;

use super::{from_sql, to_sql};

/// How long a delivered transaction is remembered, so that its origin, which may have lost the
/// answer, does not make it wait here again. Far longer than any back-off.
const RECEIPT_AGE: Duration = Duration::from_hours(24);

/// Delivered transactions remembered; the oldest are forgotten first. Nothing is lost by that: at
/// worst a destination gets a transaction twice, and knows its id.
const MAX_RECEIPTS: u64 = 100_000;

/// Rows of each kind deleted in one commit.
const BATCH: u64 = 1000;

/// Returns the time of a sweep: `now_ms` on the wall clock, but at most `at_most` after the sweep
/// before. A wall clock that jumped forward thus expires nothing that would not have expired
/// anyway; one that was set back is followed at once, because that makes everything younger.
pub(super) fn advance_clock(
    transaction: &transport::Transaction<'_>,
    now_ms: i64,
    at_most: Duration,
) -> rusqlite::Result<i64> {
    let before = last_swept(transaction)?;
    let at_most = if planted(Defect::RelayExpiresByTheWallClock) { Duration::MAX } else { at_most };
    let at_most_ms = i64::try_from(at_most.as_millis()).unwrap_or(i64::MAX);
    let time_ms = before.map_or(now_ms, |before| now_ms.min(before.saturating_add(at_most_ms)));
    transaction
        .prepare_cached(
            "INSERT INTO sweep_clock VALUES (1, ?1)
         ON CONFLICT (only_row) DO UPDATE SET time_ms = excluded.time_ms",
        )?
        .execute([time_ms])?;
    if time_ms < now_ms {
        let behind_ms = from_sql(now_ms.saturating_sub(time_ms));
        tracing::debug!(behind_ms, "the clock of the sweeps is behind the wall clock");
    }
    Ok(time_ms)
}

/// Returns the time that a row written now is stamped with: `now_ms` on the wall clock, but never
/// before the last sweep. A wall clock that was set back for a moment would have what came meanwhile
/// look as old as it was set back, and the next sweep would delete it.
pub(super) fn stamp(
    transaction: &transport::Transaction<'_>,
    now_ms: i64,
) -> rusqlite::Result<i64> {
    Ok(last_swept(transaction)?.map_or(now_ms, |swept_ms| now_ms.max(swept_ms)))
}

/// Returns the time of the last sweep by its own clock, if there was one.
fn last_swept(transaction: &transport::Transaction<'_>) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached("SELECT time_ms FROM sweep_clock")?
        .query_row([], |row| row.get(0))
        .optional()
}

/// What one batch deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expired {
    /// Entries that waited.
    pub(crate) entries: u64,
    /// Whether there may be more that is too old.
    pub(crate) is_more: bool,
}

/// Deletes one batch of each kind of row that is too old.
pub(super) fn expire_batch(
    transaction: &transport::Transaction<'_>,
    before_ms: i64,
    now_ms: i64,
) -> rusqlite::Result<Expired> {
    let batch = to_sql(BATCH);
    let entries = transaction
        .prepare_cached(
            "DELETE FROM entries WHERE id IN
             (SELECT id FROM entries WHERE stored_ms < ?1 ORDER BY stored_ms LIMIT ?2)",
        )?
        .execute((before_ms, batch))?;
    if entries > 0 {
        tracing::info!(entries, "entries have expired");
    }
    let quarantined = transaction
        .prepare_cached(
            "DELETE FROM quarantine WHERE id IN
             (SELECT id FROM quarantine WHERE stored_ms < ?1 ORDER BY id LIMIT ?2)",
        )?
        .execute((before_ms, batch))?;
    let receipts = forget_receipts(transaction, now_ms)?;
    let is_more = [entries, quarantined, receipts].into_iter().any(|it| it as u64 >= BATCH);
    Ok(Expired { entries: entries as u64, is_more })
}

fn forget_receipts(
    transaction: &transport::Transaction<'_>,
    now_ms: i64,
) -> rusqlite::Result<usize> {
    let age_ms = i64::try_from(RECEIPT_AGE.as_millis()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM receipts WHERE (destination, origin, transaction_id, body_hash) IN
             (SELECT destination, origin, transaction_id, body_hash FROM receipts
              WHERE delivered_ms < ?1
                  OR delivered_ms < (SELECT delivered_ms FROM receipts
                                     ORDER BY delivered_ms DESC LIMIT 1 OFFSET ?2)
              ORDER BY delivered_ms LIMIT ?3)",
        )?
        .execute((now_ms.saturating_sub(age_ms), to_sql(MAX_RECEIPTS), to_sql(BATCH)))
}
