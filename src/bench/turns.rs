//! Two pieces of work that take turns, so that whatever else the machine does slows both.

use workloads::{clock::cpu, yardstick};

/// What the two cost in one round, each per unit of its work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// The cost of what is done once.
    pub(super) inner: f64,
    /// The cost of what is done before and after that: the mean of the two.
    pub(super) outer: f64,
}

/// Does `inner` once in each of `rounds` rounds, and `outer` before and after it. Returns the round
/// whose ratio is the median.
pub(super) fn median(
    rounds: u32,
    mut inner: impl FnMut() -> Result<f64, String>,
    mut outer: impl FnMut() -> Result<f64, String>,
) -> Result<Round, String> {
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let before = outer()?;
        let inner = inner()?;
        measured.push(Round { inner, outer: f64::midpoint(before, outer()?) });
    }
    measured.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    measured.get(measured.len() / 2).copied().ok_or_else(|| "nothing was measured".to_owned())
}

impl Round {
    /// Returns the inner cost divided by the outer one.
    pub(super) fn ratio(self) -> f64 {
        self.inner / self.outer
    }
}

/// Does `work`, which consists of so many `units`, and returns the CPU seconds per unit.
pub(super) fn cpu_by(units: f64, work: impl FnOnce() -> Result<(), String>) -> Result<f64, String> {
    let (done, cpu) = cpu(work);
    done.map(|()| cpu.as_secs_f64() / units)
}

/// Compares work of `units` units with a yardstick, of which `part` runs are done before and after.
/// Both costs are in CPU seconds: the inner one per unit, the outer one per whole yardstick.
pub(super) fn per_yardstick(
    (rounds, part): (u32, u32),
    units: f64,
    mut work: impl FnMut() -> Result<(), String>,
) -> Result<Round, String> {
    let share = f64::from(part) / f64::from(yardstick::RUNS);
    median(rounds, || cpu_by(units, &mut work), || cpu_by(share, || yardstick::runs(part)))
}
