//! A linear axis of simulated time, shared by the pictures that have one.

use maud::{Markup, html};

use crate::time::exact;

/// The left end, in which names stand.
pub(super) const LEFT: u64 = 200;
/// The length of the axis.
pub(super) const LENGTH: u64 = 760;
/// The whole width of a picture.
pub(super) const WIDTH: u64 = LEFT + LENGTH + 40;
/// The most ticks.
const TICKS: u64 = 8;
/// The least time between two ticks: 1 ms.
const LEAST: u64 = 1_000_000;

/// An axis from 0 to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    end_ns: u64,
}

impl Axis {
    pub(super) fn to(end_ns: u64) -> Self {
        Self { end_ns: end_ns.max(LEAST) }
    }

    /// Returns where a time is; what is past the end is at the end.
    pub(super) fn x(self, ns: u64) -> u64 {
        let along = u128::from(ns.min(self.end_ns)) * u128::from(LENGTH) / u128::from(self.end_ns);
        LEFT + u64::try_from(along).unwrap_or(LENGTH)
    }

    /// Draws the ticks, from `top` to `bottom`, with their times below.
    pub(super) fn ticks(self, top: u64, bottom: u64) -> Markup {
        let step = self.step();
        html! {
            @for n in 0..=self.end_ns / step {
                @let x = self.x(n * step);
                line.tick x1=(x) y1=(top) x2=(x) y2=(bottom) {}
                text.time x=(x) y=(bottom + 14) text-anchor="middle" { (short(n * step)) }
            }
        }
    }

    /// Returns the time between two ticks: 1, 2 or 5 times a power of ten, or whole minutes.
    fn step(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let round = [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|ms| ms * LEAST);
        let longer =
            [1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 36_000, 86_400].map(|s| s * SECOND);
        let mut steps = round.into_iter().chain(longer);
        steps.find(|step| self.end_ns / step <= TICKS).unwrap_or(self.end_ns)
    }
}

/// Returns a round time without zeros at its end.
fn short(ns: u64) -> String {
    exact(ns).replace(".000s", "s").replace("m 0s", "m")
}
