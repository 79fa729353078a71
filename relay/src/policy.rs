//! Whom the relay serves, and how much it keeps.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedServerName, ServerName};

use crate::{Config, refusal::Refusal};

/// Bytes that an entry counts for beside its transaction: its names, hash and index entries. So
/// the quotas in bytes bound empty transactions too.
pub const ENTRY_OVERHEAD: u64 = 512;

/// Bytes of a transaction id; ids of the origins known are below 64.
const MAX_TRANSACTION_ID: usize = 255;

/// Bytes of a user id: `@`, a letter, `:` and a letter at least (Matrix specification, "User
/// identifiers"; the lower bound is Dendrite's).
const USER_ID_BYTES: std::ops::RangeInclusive<usize> = 4..=255;

/// Entries of one destination that one origin may have all the same, however small its share: a
/// small mailbox is not worth dividing.
const UNDIVIDED_ENTRIES: u64 = 64;

/// Bytes of one destination that one origin may have all the same: more than one transaction.
const UNDIVIDED_BYTES: u64 = 16 << 20;

/// What is kept at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// Entries of one destination.
    pub(crate) entries: u64,
    /// Bytes of one destination.
    pub(crate) bytes: u64,
    /// Hundredths of either that the origins of one host may use up.
    pub(crate) origin_share_percent: u64,
    /// Entries of the origins of one host, for all destinations together.
    pub(crate) entries_of_origin: u64,
    /// Bytes of these.
    pub(crate) bytes_of_origin: u64,
    /// Bytes of all destinations together.
    pub(crate) bytes_in_all: u64,
}

/// A quota that can be set at run time, by its key in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quota {
    EntriesPerDestination,
    BytesPerDestination,
    OriginSharePercent,
    EntriesPerOrigin,
    BytesPerOrigin,
    BytesInAll,
}

impl Quota {
    pub(crate) const ALL: [Self; 6] = [
        Self::EntriesPerDestination,
        Self::BytesPerDestination,
        Self::OriginSharePercent,
        Self::EntriesPerOrigin,
        Self::BytesPerOrigin,
        Self::BytesInAll,
    ];

    /// Returns its key in the configuration.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::EntriesPerDestination => "max_entries_per_destination",
            Self::BytesPerDestination => "max_bytes_per_destination",
            Self::OriginSharePercent => "origin_share_percent",
            Self::EntriesPerOrigin => "max_entries_per_origin",
            Self::BytesPerOrigin => "max_bytes_per_origin",
            Self::BytesInAll => "max_bytes_in_all",
        }
    }

    /// Returns the quota of a key.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quota| quota.key() == key)
    }

    /// Returns the largest value that makes sense.
    pub(crate) fn most(self) -> u64 {
        if self == Self::OriginSharePercent { 100 } else { i64::MAX.unsigned_abs() }
    }
}

impl Quotas {
    /// Returns one of them.
    pub(crate) fn get(self, quota: Quota) -> u64 {
        match quota {
            Quota::EntriesPerDestination => self.entries,
            Quota::BytesPerDestination => self.bytes,
            Quota::OriginSharePercent => self.origin_share_percent,
            Quota::EntriesPerOrigin => self.entries_of_origin,
            Quota::BytesPerOrigin => self.bytes_of_origin,
            Quota::BytesInAll => self.bytes_in_all,
        }
    }

    /// Sets those in `changes`.
    pub(crate) fn change(&mut self, changes: &BTreeMap<Quota, u64>) {
        for (quota, value) in changes {
            let place = match quota {
                Quota::EntriesPerDestination => &mut self.entries,
                Quota::BytesPerDestination => &mut self.bytes,
                Quota::OriginSharePercent => &mut self.origin_share_percent,
                Quota::EntriesPerOrigin => &mut self.entries_of_origin,
                Quota::BytesPerOrigin => &mut self.bytes_of_origin,
                Quota::BytesInAll => &mut self.bytes_in_all,
            };
            *place = *value;
        }
    }

    /// Returns how many entries of one destination may be from one host.
    pub(crate) fn origin_entries(self) -> u64 {
        self.share(self.entries).max(self.entries.min(UNDIVIDED_ENTRIES))
    }

    /// Returns how many bytes of one destination may be from one host.
    pub(crate) fn origin_bytes(self) -> u64 {
        self.share(self.bytes).max(self.bytes.min(UNDIVIDED_BYTES))
    }

    fn share(self, quota: u64) -> u64 {
        let share = u128::from(quota) * u128::from(self.origin_share_percent) / 100;
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// Whom the relay serves, and how much it keeps for each.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    own_name: OwnedServerName,
    /// Empty serves every destination.
    pub(crate) destinations: BTreeSet<OwnedServerName>,
    /// What is kept at most.
    pub(crate) quotas: Quotas,
}

impl Policy {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            own_name: config.server_name.clone(),
            destinations: config.destinations.iter().cloned().collect(),
            quotas: Quotas {
                entries: config.max_entries_per_destination,
                bytes: config.max_bytes_per_destination,
                origin_share_percent: config.origin_share_percent,
                entries_of_origin: config.max_entries_per_origin,
                bytes_of_origin: config.max_bytes_per_origin,
                bytes_in_all: config.max_bytes_in_all,
            },
        }
    }

    /// Whether transactions for `destination` are kept here. Never for the relay itself, which
    /// has nobody to take them.
    pub(crate) fn serves(&self, destination: &ServerName) -> Result<(), Refusal> {
        let listed = self.destinations.is_empty() || self.destinations.contains(destination);
        if listed && destination != self.own_name {
            Ok(())
        } else {
            Err(Refusal::NotServed(destination.to_owned()))
        }
    }
}

/// Returns the server that `user_id` stands for. Historical user ids (capitals, spaces) are
/// refused, as Dendrite does.
pub(crate) fn destination_of(user_id: &str) -> Result<OwnedServerName, Refusal> {
    let refused = |problem: &str| Refusal::UserId(format!("{user_id:.255}: {problem}"));
    if !USER_ID_BYTES.contains(&user_id.len()) {
        return Err(refused("a user id must have 4 to 255 bytes"));
    }
    let rest = user_id.strip_prefix('@').ok_or_else(|| refused("a user id must begin with @"))?;
    let (localpart, server) = rest
        .split_once(':')
        .ok_or_else(|| refused("a user id must have a server name after a colon"))?;
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-=./".contains(&byte);
    if localpart.is_empty() || !localpart.bytes().all(allowed) {
        return Err(refused("a localpart can only contain a-z, 0-9 and _-=./"));
    }
    OwnedServerName::try_from(server)
        .map_err(|_| refused("what follows the colon is not a server name"))
}

/// Refuses a transaction id that is no id, or longer than any.
pub(crate) fn check_transaction_id(transaction_id: &str) -> Result<(), Refusal> {
    if (1..=MAX_TRANSACTION_ID).contains(&transaction_id.len()) {
        Ok(())
    } else {
        Err(Refusal::TransactionId(format!(
            "a transaction id must have 1 to {MAX_TRANSACTION_ID} bytes"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_stands_for_its_server() {
        assert_eq!(destination_of("@user:b.test:8449").unwrap(), "b.test:8449");
        assert_eq!(destination_of("@a_-=./9:b").unwrap(), "b");
    }

    #[test]
    fn what_is_no_user_id_is_refused() {
        for user_id in ["", "@:b", "user:b", "@User:b", "@user", "@user:", "@u r:b", "@u:b/c"] {
            assert!(matches!(destination_of(user_id), Err(Refusal::UserId(_))), "{user_id}");
        }
        assert!(destination_of(&format!("@{}:b", "a".repeat(253))).is_err());
    }

    #[test]
    fn listed_destinations_only_are_served() {
        let mut config = Config::new("r".try_into().unwrap());
        config.destinations = vec!["b".try_into().unwrap()];
        let policy = Policy::of(&config);
        assert!(policy.serves("b".try_into().unwrap()).is_ok());
        assert!(policy.serves("c".try_into().unwrap()).is_err());
    }

    #[test]
    fn an_empty_list_serves_everybody_but_the_relay() {
        let policy = Policy::of(&Config::new("r".try_into().unwrap()));
        assert!(policy.serves("b".try_into().unwrap()).is_ok());
        assert!(policy.serves("r".try_into().unwrap()).is_err());
    }

    #[test]
    fn a_small_mailbox_is_not_divided_and_a_large_one_is() {
        let shares = [1, 63, 64, 256, 10_000].map(|entries| {
            let mut quotas = Policy::of(&Config::default()).quotas;
            (quotas.entries, quotas.bytes) = (entries, 1 << 30);
            assert_eq!(quotas.origin_bytes(), 1 << 28);
            quotas.origin_entries()
        });
        assert_eq!(shares, [1, 63, 64, 64, 2500]);
    }

    #[test]
    fn an_endless_transaction_id_is_refused() {
        assert!(check_transaction_id(&"t".repeat(255)).is_ok());
        assert!(check_transaction_id(&"t".repeat(256)).is_err());
        assert!(check_transaction_id("").is_err());
    }
}
