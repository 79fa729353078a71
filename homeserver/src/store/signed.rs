//! What this server has signed last, as its events tell.

use ruma::{OwnedUserId, ServerName};
use transport::{DatabaseError, Transaction};

/// Events that are looked at for what this server has signed: a clock that was ahead is set right before
/// long.
const LOOKED_AT: i64 = 10_000;

/// Returns the latest moment that an event of `own` names, among those that came here last.
///
/// # Errors
/// The database refuses.
pub fn last_signed(tx: &Transaction<'_>, own: &ServerName) -> Result<u64, DatabaseError> {
    let mut newest = tx.prepare_cached("SELECT json FROM events ORDER BY id DESC LIMIT ?1")?;
    let mut rows = newest.query([LOOKED_AT])?;
    let mut latest = 0;
    while let Some(row) = rows.next()? {
        let Ok(head) = serde_json::from_str::<Head>(row.get_ref(0)?.as_str().unwrap_or_default())
        else {
            continue;
        };
        if head.sender.server_name() == own {
            latest = latest.max(head.origin_server_ts);
        }
    }
    Ok(latest)
}

/// What of an event says who signed it, and for when.
#[derive(serde::Deserialize)]
struct Head {
    sender: OwnedUserId,
    origin_server_ts: u64,
}
