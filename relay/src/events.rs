//! What happens to mail, counted and told in one place, so that the metrics and the log of events
//! cannot differ.
//!
//! Events go to the target [`TARGET`] of `tracing`; whether anybody writes them down is the process's
//! affair. They name servers and ids, and never an address or anything of a body.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ruma::ServerName;

use crate::{refusal::Refusal, store::EntryId};

/// The target of the events.
pub const TARGET: &str = "relay::events";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A transaction was stored.
    Stored,
    /// A transaction came again that is stored, or was delivered.
    Repeated,
    /// An entry was handed out.
    HandedOut,
    /// An entry was acknowledged, and is gone.
    Acknowledged,
    /// The relay itself delivered an entry.
    Forwarded,
    /// Entries outlived their time.
    Expired,
    /// An operator deleted entries.
    Purged,
    /// Entries went into the quarantine.
    SetAside,
    /// An entry came out of the quarantine.
    Released,
    /// A request was refused.
    Refused,
}

impl Kind {
    /// All of them: in the order of their counters.
    pub(crate) const ALL: [Self; 10] = [
        Self::Stored,
        Self::Repeated,
        Self::HandedOut,
        Self::Acknowledged,
        Self::Forwarded,
        Self::Expired,
        Self::Purged,
        Self::SetAside,
        Self::Released,
        Self::Refused,
    ];

    /// Returns its name, in logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::HandedOut => "handed_out",
            Self::Acknowledged => "acknowledged",
            Self::Forwarded => "forwarded",
            Self::Expired => "expired",
            Self::Purged => "purged",
            Self::SetAside => "set_aside",
            Self::Released => "released",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts and tells. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    by_kind: [AtomicU64; Kind::ALL.len()],
    by_refusal: [AtomicU64; Refusal::REASONS.len()],
}

impl Events {
    /// Something happened to an entry of `origin` for `destination`.
    pub(crate) fn entry(
        &self,
        kind: Kind,
        id: EntryId,
        origin: &ServerName,
        destination: &ServerName,
    ) {
        self.count(kind, 1);
        tracing::info!(target: TARGET, event = kind.name(), entry_id = id, %origin, %destination);
    }

    /// Entries for `destination` were set aside. Whose they were may be what could not be read of them.
    pub(crate) fn set_aside(&self, ids: &[EntryId], destination: &ServerName) {
        let event = Kind::SetAside.name();
        for id in ids {
            self.count(Kind::SetAside, 1);
            tracing::info!(target: TARGET, event, entry_id = id, %destination);
        }
    }

    /// Something happened to `count` entries at once.
    pub(crate) fn entries(&self, kind: Kind, count: u64) {
        if count > 0 {
            self.count(kind, count);
            tracing::info!(target: TARGET, event = kind.name(), count);
        }
    }

    /// A request of `origin` was refused.
    pub(crate) fn refused(&self, refusal: &Refusal, origin: &ServerName) {
        self.count(Kind::Refused, 1);
        let reason = refusal.reason();
        if let Some(place) = Refusal::REASONS.iter().position(|known| *known == reason) {
            self.0.by_refusal[place].fetch_add(1, Relaxed);
        }
        tracing::info!(target: TARGET, event = Kind::Refused.name(), reason, %origin);
    }

    /// An operator did something.
    #[expect(
        clippy::unused_self,
        reason = "an event of this relay, like the others, which are counted too"
    )]
    pub(crate) fn operator(&self, operator: &str, did: &str, with: &str) {
        tracing::info!(target: TARGET, event = "operator", operator, did, with);
        tracing::info!(operator, did, with, "an operator");
    }

    /// Returns how often something has happened since the start.
    pub(crate) fn counted(&self, kind: Kind) -> u64 {
        self.0.by_kind[kind as usize].load(Relaxed)
    }

    /// Returns how often requests were refused for each reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::REASONS.into_iter().zip(self.0.by_refusal.iter().map(|count| count.load(Relaxed)))
    }

    fn count(&self, kind: Kind, count: u64) {
        self.0.by_kind[kind as usize].fetch_add(count, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn each_kind_is_counted_in_a_place_of_its_own() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind}");
        }
    }
}
