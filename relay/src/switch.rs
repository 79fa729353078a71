//! Whether relaying is on: set by an operator at run time, kept over a restart.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;
use transport::DatabaseError;

use crate::{refusal::Refusal, store::Store};

const SETTING: &str = "relaying";

/// Whether relaying is on. Cheap to clone. What is stored stays while it is off.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    store: Store,
    on: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl Switch {
    /// Returns the switch as it was left; on, the first time.
    pub(crate) async fn open(store: Store) -> Result<Self, DatabaseError> {
        let on = store.setting(SETTING).await?.unwrap_or(true);
        Ok(Self { store, on: Arc::new(AtomicBool::new(on)), changed: Arc::default() })
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Refuses while relaying is off.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.is_on() { Ok(()) } else { Err(Refusal::Disabled) }
    }

    /// Turns relaying on or off; durable when this returns.
    pub(crate) async fn set(&self, on: bool) -> Result<(), DatabaseError> {
        self.store.set(SETTING, on).await?;
        self.on.store(on, Ordering::Relaxed);
        self.changed.notify_one();
        tracing::info!(on, "relaying was switched on or off");
        Ok(())
    }

    /// Resolves after the next change; for one listener.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
