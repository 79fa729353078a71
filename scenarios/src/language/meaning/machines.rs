//! The meaning of what happens to machines, their clocks and their disks.

use std::time::Duration;

use super::Meaning;
use crate::{
    language::mistake::{Code, Mistake},
    scenario::{MOST_RESTARTS, RATES, When},
};

impl Meaning<'_> {
    /// Notes that a number or a time is 0 and must not be.
    pub(in crate::language) fn none(&mut self, at: &str, why: &str) {
        let mistake = Mistake::new(Code::BadValue, why)
            .label("expected more than nothing")
            .help("write 1 or more");
        self.report(at, mistake);
    }

    pub(in crate::language) fn restarts(&mut self, at: &str, times: u32) {
        if !(1..=MOST_RESTARTS).contains(&times) {
            let mistake = Mistake::new(Code::BadValue, format!("{times} restarts are no storm"))
                .label(format!("expected 1 to {MOST_RESTARTS}"))
                .help("write, say, times = 5");
            self.report(at, mistake);
        }
    }

    pub(in crate::language) fn shift(&mut self, at: &str, by: Duration) {
        if by.is_zero() {
            let mistake = Mistake::new(Code::BadValue, "a clock that is set by nothing is right")
                .label("expected more than nothing")
                .help("write, say, \"1h\"");
            self.report(at, mistake);
        }
    }

    pub(in crate::language) fn rate(&mut self, at: &str, rate: f64) {
        if !RATES.contains(&rate) {
            let (least, most) = (RATES.start(), RATES.end());
            let mistake =
                Mistake::new(Code::BadValue, format!("no clock runs {rate} times as fast"))
                    .label(format!("expected {least} to {most}"))
                    .help("1.1 gains six minutes an hour");
            self.report(at, mistake);
        }
    }

    /// Checks when a backup is taken.
    pub(in crate::language) fn taken(&mut self, at: &str, when: &When) {
        match when {
            When::At(time) => self.in_time(at, "backup", *time),
            trigger => self.trigger(at, trigger),
        }
    }
}
