//! Notification ids: UUIDs of version 7 that only ever go up, whatever the clock does.

use defects::{Defect, planted};
use transport::{Host, Transaction};
use uuid::Uuid;

use crate::store::{StoreError, notifications};

/// Bits of the millisecond count in a `UUIDv7`.
const MS_MASK: u64 = (1 << 48) - 1;

/// Bits of what follows the milliseconds, without version and variant.
const TAIL_BITS: u32 = 74;

/// The largest step from one id to the next within a millisecond; random, so that ids cannot be
/// guessed from one another.
const MAX_STEP: u128 = 1 << 32;

/// Returns the next id after `last`, for a clock that reads `now_ms`.
///
/// Within a millisecond, and for as long as the clock reads less than it did before, the tail
/// counts up; when that is used up, the milliseconds run ahead of the clock.
pub(crate) fn next_id(last: Option<Uuid>, now_ms: u64, random: [u8; 16]) -> Uuid {
    let random = u128::from_le_bytes(random);
    let now_ms = now_ms & MS_MASK;
    match last.map(split) {
        Some((ms, tail)) if ms >= now_ms => {
            let step = 1 + random % MAX_STEP;
            let tail = tail + step;
            if tail >> TAIL_BITS == 0 { join(ms, tail) } else { join(ms + 1, fresh_tail(random)) }
        }
        _ => join(now_ms, fresh_tail(random)),
    }
}

/// Returns a random tail with its highest bit clear: room for counting up.
fn fresh_tail(random: u128) -> u128 {
    random & ((1 << (TAIL_BITS - 1)) - 1)
}

fn split(id: Uuid) -> (u64, u128) {
    let bits = id.as_u128();
    let ms = (bits >> 80) as u64;
    let tail = ((bits >> 64) & 0xfff) << 62 | bits & ((1 << 62) - 1);
    (ms, tail)
}

fn join(ms: u64, tail: u128) -> Uuid {
    let high = u128::from(ms & MS_MASK) << 80 | 0x7 << 76 | (tail >> 62) << 64;
    let low = 0b10 << 62 | tail & ((1 << 62) - 1);
    Uuid::from_u128(high | low)
}

/// How far ahead of the clock an id can be that somebody says was given out, in milliseconds: clocks
/// were wrong by as much, and nobody can use up all ids by naming the last one.
const MOST_AHEAD_MS: u64 = 400 * 24 * 60 * 60 * 1000;

/// Returns whether `named`, which a device says it was given, is one that this server no longer knows
/// to have given out: its database is older than that.
fn is_forgotten(last: Option<Uuid>, named: Uuid, now_ms: u64) -> bool {
    let is_plausible = named.get_version_num() == 7 && split(named).0 <= now_ms + MOST_AHEAD_MS;
    is_plausible && last.is_none_or(|last| last < named)
}

/// Lets every later id be larger than `named`, which a device says it was given; returns whether they
/// would not have been.
pub(crate) fn learn(tx: &Transaction<'_>, named: Uuid, now_ms: u64) -> Result<bool, StoreError> {
    let is_new = is_forgotten(notifications::last_id(tx)?, named, now_ms);
    if is_new {
        notifications::put_last_id(tx, named)?;
    }
    Ok(is_new)
}

/// Takes the next id in `tx`; it is given out for good when that commits.
pub(crate) fn take_id(tx: &Transaction<'_>, host: &Host) -> Result<Uuid, StoreError> {
    let last = notifications::last_id(tx)?;
    let last = last.filter(|_| !planted(Defect::NotificationIdsFollowTheClock));
    let id = next_id(last, host.unix_ms(), host.random_bytes());
    notifications::put_last_id(tx, id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_up_when_the_clock_jumps_back() {
        let first = next_id(None, 1_000_000, [0xff; 16]);
        let second = next_id(Some(first), 5, [0; 16]);
        assert!(second > first);
        assert!(next_id(Some(second), 1_000_001, [0; 16]) > second);
    }

    #[test]
    fn an_id_is_forgotten_if_it_is_beyond_the_last_and_not_beyond_belief() {
        let id = |ms| join(ms, 5);
        assert!(is_forgotten(None, id(7), 7));
        assert!(is_forgotten(Some(id(6)), id(7), 5));
        assert!(!is_forgotten(Some(id(7)), id(7), 7));
        assert!(!is_forgotten(Some(id(6)), id(MS_MASK), 7));
        assert!(!is_forgotten(None, Uuid::from_u128(u128::MAX), 7));
    }

    #[test]
    fn an_id_is_a_version_7_uuid_of_the_clock() {
        let id = next_id(None, 1_700_000_000_123, [0xab; 16]);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(split(id).0, 1_700_000_000_123);
    }

    #[test]
    fn ids_go_up_when_the_tail_of_a_millisecond_is_used_up() {
        let last = join(7, (1 << TAIL_BITS) - 1);
        assert!(next_id(Some(last), 7, [0; 16]) > last);
    }
}
