//! Waits until nothing is pending anymore: neither what the federation names, nor requests, nor what
//! the network delivers a second time.

use std::{sync::Arc, time::Duration};

use scenarios::{Vocabulary, endpoint};
use tokio::time::Instant;

use crate::{
    Federation,
    federation::{OBSERVER, Stage},
};

/// The time between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How many probes in a row must find nothing pending.
const QUIET_PROBES: usize = 3;

/// Waits until the world has settled or the scenario's time for it is over, and returns what is
/// still pending, in sentences.
pub(super) async fn settle(stage: &Arc<Stage>, federation: &dyn Federation) -> Vec<String> {
    let deadline = Instant::now() + stage.scenario().settle;
    let mut quiet = 0;
    loop {
        let mut pending = federation.pending(stage).await;
        pending.extend(in_flight(stage, federation.promises().vocabulary));
        // A network that repeats something beyond the time to settle keeps nobody from being judged.
        let is_quiet = pending.is_empty() && stage.world().replays_under_way() == 0;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if quiet == QUIET_PROBES || Instant::now() >= deadline {
            return pending;
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

/// Returns the requests in flight, except those that always are.
pub(crate) fn in_flight(stage: &Stage, vocabulary: &Vocabulary) -> Vec<String> {
    let requests = stage.world().requests_in_flight().into_iter();
    let pending = requests.filter(|(machine, method, target)| {
        let name = endpoint::name(vocabulary.endpoints, method, target).unwrap_or_default();
        machine != OBSERVER && !vocabulary.long_polls.contains(&name)
    });
    let words = pending.map(|(machine, method, target)| {
        format!("{machine} waits for {method} {}", endpoint::path(&target))
    });
    words.collect()
}
