//! The share of a run that goes into its journal and checks.

use std::time::Duration;

use runs::{Options, judge, simulate};
use workloads::clock::wall;

use super::{
    federation::ten_messages,
    row::{Length, Measured},
};

/// The share of a whole run that goes into decoding and writing the journal, reading it, every
/// check, and the record.
pub(super) fn journal_and_checks(length: Length) -> Result<Measured, String> {
    let scenario = ten_messages();
    let options = Options { time_journal: true, ..Options::default() };
    let mut shares: Vec<_> = (1..=length.pick(51, 5))
        .map(|seed| {
            let (simulated, world) = wall(|| simulate(&scenario, seed, &options));
            let journal = simulated.journal_time;
            let (_, checks) = wall(|| judge(&scenario, seed, &options, simulated.recording));
            Share { journal, checks, whole: world + checks }
        })
        .collect();
    shares.sort_by(|one, other| one.percent().total_cmp(&other.percent()));
    let median = shares.get(shares.len() / 2).ok_or("nothing was run")?;
    let of_whole = |part: Duration| part.as_secs_f64() / median.whole.as_secs_f64() * 100.0;
    Ok(Measured {
        figure: median.percent(),
        detail: format!(
            "journal {:.1} %, checks and record {:.1} % of {:.2} ms, median of {} runs",
            of_whole(median.journal),
            of_whole(median.checks),
            median.whole.as_secs_f64() * 1e3,
            shares.len(),
        ),
    })
}

/// What one run took. It is wall time, because the parts are too short for the CPU clock. All parts
/// are of the same run, so that a busy machine slows them alike.
struct Share {
    journal: Duration,
    checks: Duration,
    whole: Duration,
}

impl Share {
    fn percent(&self) -> f64 {
        (self.journal + self.checks).as_secs_f64() / self.whole.as_secs_f64() * 100.0
    }
}
