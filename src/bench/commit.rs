//! A commit on the simulated disk against one on a real file, both with WAL and
//! `synchronous=FULL`.

use std::time::Duration;

use workloads::commits;

use super::{
    row::{Length, Measured},
    turns::{Round, median},
};

/// The time of a commit. It is wall time, because a commit waits for a real disk.
pub(super) fn simulated_against_real(length: Length) -> Result<Measured, String> {
    let (rounds, commits) = length.pick((5, 1000_u32), (1, 200));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(commits);
    let Round { inner: real, outer: simulated } = median(
        rounds,
        || commits::on_file(commits.into()).map(each),
        || commits::simulated(commits.into()).map(each),
    )?;
    Ok(Measured {
        figure: simulated / real,
        detail: format!("{simulated:.1} us per commit against {real:.1} us, median of {rounds}"),
    })
}
