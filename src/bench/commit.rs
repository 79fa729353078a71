//! One commit on the simulated disk, against one on a real file: WAL and `synchronous=FULL` both.

use workloads::commits;

use super::row::{Length, Measured};

/// A commit's wall time, because a real disk is waited for. Mean over many.
pub(super) fn simulated_against_real(length: Length) -> Result<Measured, String> {
    let commits = length.pick(5000_u32, 200);
    let simulated = commits::simulated(commits.into())?;
    let real = commits::on_file(commits.into())?;
    let [simulated, real] =
        [simulated, real].map(|time| time.as_secs_f64() * 1e6 / f64::from(commits));
    Ok(Measured {
        figure: simulated / real,
        detail: format!("{simulated:.1} us a commit against {real:.1} us"),
    })
}
