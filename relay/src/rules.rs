//! Whom the relay serves and how much it keeps, as it stands now: the configuration, and over it what
//! an operator has said at run time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, MutexGuard},
    time::Duration,
};

use ruma::{OwnedServerName, ServerName};
use transport::{
    DatabaseError, Lock,
    rates::{Rate, Rates},
};

use crate::{
    Config,
    admin::Block,
    policy::{Policy, Quota},
    refusal::Refusal,
    store::{Said, Store, host_of},
};

/// The rules of one relay. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rules(Arc<Fields>);

struct Fields {
    store: Store,
    configured: Policy,
    now: Lock<Now>,
    deposits: Rates<String>,
}

struct Now {
    policy: Policy,
    /// What was said at run time of quotas.
    quotas: BTreeMap<Quota, u64>,
    /// Whether the destinations were said at run time.
    says_destinations: bool,
    blocks: BTreeMap<String, Block>,
}

impl Rules {
    /// Returns the rules as they were left.
    pub(crate) async fn open(store: Store, config: &Config) -> Result<Self, DatabaseError> {
        let configured = Policy::of(config);
        let Said { quotas, destinations, blocks } = store.said().await?;
        let mut policy = configured.clone();
        policy.quotas.change(&quotas);
        let says_destinations = destinations.is_some();
        if let Some(destinations) = destinations {
            policy.destinations = destinations;
        }
        let now = Now { policy, quotas, says_destinations, blocks };
        let burst = config.max_deposits_per_minute;
        let rate = Rate { burst, pause: Duration::from_mins(1) / burst };
        let (now, deposits) = (Lock::new(now), Rates::new(rate));
        Ok(Self(Arc::new(Fields { store, configured, now, deposits })))
    }

    /// Returns the policy as it stands.
    pub(crate) fn policy(&self) -> Policy {
        self.now().policy.clone()
    }

    /// Refuses what `origin` leaves for `destination` whatever it is; counts it, if not.
    pub(crate) fn admit(
        &self,
        origin: &OwnedServerName,
        destination: &ServerName,
    ) -> Result<(), Refusal> {
        let host = host_of(origin);
        {
            let now = self.now();
            now.policy.serves(destination)?;
            if now.blocks.contains_key(&host) {
                return Err(Refusal::Blocked(origin.clone()));
            }
        }
        let counted = self.0.deposits.take(&host);
        counted.map_err(|wait| Refusal::TooOften { origin: origin.clone(), wait })
    }

    /// Returns the quotas as they stand, and which of them were said at run time.
    pub(crate) fn quotas(&self) -> BTreeMap<Quota, (u64, bool)> {
        let now = self.now();
        let value = |quota: Quota| (now.policy.quotas.get(quota), now.quotas.contains_key(&quota));
        Quota::ALL.into_iter().map(|quota| (quota, value(quota))).collect()
    }

    /// Sets a quota at run time, or takes back what was said of it; durable when this returns.
    pub(crate) async fn set_quota(
        &self,
        quota: Quota,
        value: Option<u64>,
    ) -> Result<(), DatabaseError> {
        self.0.store.say_quota(quota, value).await?;
        let mut now = self.now();
        match value {
            Some(value) => now.quotas.insert(quota, value),
            None => now.quotas.remove(&quota),
        };
        let quotas = now.quotas.clone();
        now.policy.quotas = self.0.configured.quotas;
        now.policy.quotas.change(&quotas);
        Ok(())
    }

    /// Returns the destinations served (none: all of them), and whether that was said at run time.
    pub(crate) fn destinations(&self) -> (BTreeSet<OwnedServerName>, bool) {
        let now = self.now();
        (now.policy.destinations.clone(), now.says_destinations)
    }

    /// Sets the destinations at run time, or takes back what was said; durable when this returns.
    pub(crate) async fn set_destinations(
        &self,
        destinations: Option<BTreeSet<OwnedServerName>>,
    ) -> Result<(), DatabaseError> {
        self.0.store.say_destinations(destinations.clone()).await?;
        let mut now = self.now();
        now.says_destinations = destinations.is_some();
        now.policy.destinations =
            destinations.unwrap_or_else(|| self.0.configured.destinations.clone());
        Ok(())
    }

    /// Returns the hosts that may leave nothing here.
    pub(crate) fn blocks(&self) -> BTreeMap<String, Block> {
        self.now().blocks.clone()
    }

    /// Blocks a host, or lets it leave mail again; durable when this returns.
    pub(crate) async fn set_block(
        &self,
        host: String,
        block: Option<Block>,
    ) -> Result<bool, DatabaseError> {
        self.0.store.say_block(host.clone(), block.clone()).await?;
        let mut now = self.now();
        let before = match block {
            Some(block) => now.blocks.insert(host, block),
            None => now.blocks.remove(&host),
        };
        Ok(before.is_some())
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock()
    }
}
