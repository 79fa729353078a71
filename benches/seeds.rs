//! Runs of one scenario, each with a seed of its own: what a thread has learned from a run (a
//! signature that holds, say) must not make the same run cheap.

use scenarios::Scenario;
use workloads::federations::pass;

/// Runs `scenario` each time that it is called, boot to verdict. To be kept over the samples of a
/// benchmark: a new one begins with the first seed again.
pub(crate) fn passes(scenario: Scenario) -> impl FnMut() {
    let mut seeds = 1..;
    move || {
        let seed = seeds.next().expect("seeds do not run out");
        pass(&scenario, seed).expect("it passes");
    }
}
