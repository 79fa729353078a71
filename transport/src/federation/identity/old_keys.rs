//! The keys that signed for a server once: published for as long as what they signed is verified by
//! newcomers, in the database, and in a note beside it, which is there when the database is lost or is
//! an older copy.

use std::{collections::BTreeMap, fmt::Write, io};

use ruma::{UInt, serde::Base64};

use crate::host::{Host, Transaction};

/// Keys in the document of one server, current and old, that its readers take: more of another server's
/// are refused, and a server does not publish more. That many are well below the bytes of a document.
pub const MAX_KEYS: usize = 256;

/// What the note is called on a machine's disk.
const NOTE: &str = "old-keys";

/// Public keys that signed for a server once, by their ids, and until when (milliseconds since the epoch).
pub type OldKeys = BTreeMap<String, (Base64, u64)>;

/// Returns the old keys that the note beside the databases has.
///
/// # Errors
/// The disk refuses, or what it has is no such note.
pub(super) async fn noted(host: &Host) -> io::Result<OldKeys> {
    let note = host.disk.note(NOTE).await?.unwrap_or_default();
    let malformed = |number, line| {
        io::Error::other(format!(
            "line {number} of {NOTE}.note is not the id of a key, the key and its end: {line}; mend it, or \
             take it out: then what only that key has signed counts for nobody new"
        ))
    };
    let lines = (1..).zip(note.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| read(line).ok_or_else(|| malformed(number, line))).collect()
}

/// Keeps the old keys in that note; durable when this returns.
///
/// # Errors
/// The disk refuses.
pub(super) async fn note(host: &Host, keys: &OldKeys) -> io::Result<()> {
    let mut text = String::new();
    for (id, (key, expired_ms)) in keys {
        writeln!(text, "{id} {key} {expired_ms}").map_err(io::Error::other)?;
    }
    host.disk.keep_note(NOTE, text).await
}

fn read(line: &str) -> Option<(String, (Base64, u64))> {
    let mut parts = line.split_whitespace();
    let (id, key, expired_ms) = (parts.next()?, parts.next()?, parts.next()?);
    let key = Base64::parse(key).ok()?;
    Some((id.to_owned(), (key, publishable(expired_ms.parse().ok()?))))
}

/// Returns a moment no later than the latest that canonical JSON can say.
fn publishable(expired_ms: u64) -> u64 {
    expired_ms.min(UInt::MAX.into())
}

/// Takes away those that expired first, until there is room beside the current one in a document of
/// [`MAX_KEYS`]; returns how many.
pub(super) fn forget_beyond_the_limit(keys: &mut OldKeys) -> usize {
    let count = keys.len();
    while keys.len() >= MAX_KEYS {
        let first = keys.iter().min_by_key(|(_, (_, expired_ms))| *expired_ms);
        let Some(first) = first.map(|(id, _)| id.clone()) else { break };
        keys.remove(&first);
    }
    count - keys.len()
}

/// Returns those in the database.
pub(super) fn stored(transaction: &Transaction<'_>) -> rusqlite::Result<OldKeys> {
    let mut statement =
        transaction.prepare("SELECT version, public_key, expired_ms FROM own_old_keys")?;
    let rows = statement.query_map([], |row| {
        let (version, expired_ms): (String, i64) = (row.get(0)?, row.get(2)?);
        let expired_ms = publishable(u64::try_from(expired_ms).unwrap_or(0));
        let key = (Base64::new(row.get(1)?), expired_ms);
        Ok((id_of(&version), key))
    })?;
    rows.collect()
}

/// Has exactly these in the database, where there were `before`.
pub(super) fn store(
    transaction: &Transaction<'_>,
    before: &OldKeys,
    keys: &OldKeys,
) -> rusqlite::Result<()> {
    for gone in before.keys().filter(|id| !keys.contains_key(*id)) {
        let sql = "DELETE FROM own_old_keys WHERE version = ?1";
        transaction.execute(sql, [version_of(gone)])?;
    }
    for (id, (key, expired_ms)) in keys.iter().filter(|(id, key)| before.get(*id) != Some(key)) {
        transaction.execute(
            "INSERT OR REPLACE INTO own_old_keys (version, public_key, expired_ms)
             VALUES (?1, ?2, ?3)",
            (version_of(id), key.as_bytes(), i64::try_from(*expired_ms).unwrap_or(i64::MAX)),
        )?;
    }
    Ok(())
}

/// Returns the id of a key by its version.
pub(super) fn id_of(version: &str) -> String {
    format!("ed25519:{version}")
}

fn version_of(id: &str) -> &str {
    id.strip_prefix("ed25519:").unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_of_a_key_is_later_than_canonical_json_can_say() {
        let (id, (_, expired_ms)) = read("ed25519:1 AAAA 18446744073709551615").unwrap();
        assert_eq!((id.as_str(), expired_ms), ("ed25519:1", (1 << 53) - 1));
        assert!(read("ed25519:1 AAAA soon").is_none());
    }
}
