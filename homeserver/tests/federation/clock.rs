//! A wall clock that can be set back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use transport::host::Clock;

/// How far the clock of one machine is behind, in milliseconds.
#[derive(Clone, Default)]
pub(crate) struct SetBack(Arc<AtomicU64>);

impl SetBack {
    pub(crate) fn by(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// The clock `clock`, set back.
    pub(crate) fn of(&self, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(Late { clock, behind: self.clone() })
    }
}

struct Late {
    clock: Arc<dyn Clock>,
    behind: SetBack,
}

impl Clock for Late {
    fn now(&self) -> SystemTime {
        self.clock.now() - Duration::from_millis(self.behind.0.load(Ordering::SeqCst))
    }
}
