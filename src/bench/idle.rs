//! What a world costs in which nothing but timers happens.

use std::time::Duration;

use workloads::{servers, simulated};

use super::{
    row::{Length, Measured, number},
    turns::{Round, per_yardstick},
};

const MACHINES: usize = 1000;
const HOUR: Duration = Duration::from_hours(1);

/// A thousand plain machines.
pub(super) fn machines(length: Length) -> Result<Measured, String> {
    let (rounds, time) = length.pick((15, HOUR), (1, Duration::from_mins(6)));
    let idle = || simulated::idle(MACHINES, time);
    Ok(simulated_seconds(per_yardstick((rounds, 5), time.as_secs_f64(), idle)?))
}

/// A thousand homeservers, each of which asks one of a hundred relays for its mail.
pub(super) fn homeservers(length: Length) -> Result<Measured, String> {
    let (rounds, time) = length.pick((3, HOUR), (1, Duration::from_mins(6)));
    let mut entries = 0;
    let idle = || {
        entries = servers::idle(MACHINES, time)?;
        Ok(())
    };
    let round = per_yardstick((rounds, length.pick(50, 5)), time.as_secs_f64(), idle)?;
    let Measured { figure, detail } = simulated_seconds(round);
    let detail = format!("{detail}; boot included, {entries} journal entries");
    Ok(Measured { figure, detail })
}

/// Returns how many simulated seconds take the time of one yardstick, given what each costs.
pub(super) fn simulated_seconds(round: Round) -> Measured {
    let Round { inner: a_second, outer: yardstick } = round;
    Measured {
        figure: yardstick / a_second,
        detail: format!("{} x real time; a yardstick {yardstick:.3} s", number(1.0 / a_second)),
    }
}
