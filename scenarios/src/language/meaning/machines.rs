//! The meaning of what happens to machines, their clocks and their disks.

use std::time::Duration;

use super::Meaning;
use crate::{
    language::mistake::{Code, Mistake},
    scenario::{MOST_RESTARTS, RATES, When},
};

impl Meaning<'_> {
    /// Notes that a number or a time is 0 and must not be.
    pub(in crate::language) fn zero(&mut self, at: &str, help: &str) {
        let mistake = Mistake::new(Code::BadValue, format!("`{at}` cannot be 0"))
            .label("expected more than 0")
            .help(help);
        self.report(at, mistake);
    }

    pub(in crate::language) fn restarts(&mut self, at: &str, times: u32) {
        if !(1..=MOST_RESTARTS).contains(&times) {
            let mistake =
                Mistake::new(Code::BadValue, format!("a storm cannot have {times} restarts"))
                    .label(format!("expected 1 to {MOST_RESTARTS}"))
                    .help("write, for example, times = 5");
            self.report(at, mistake);
        }
    }

    pub(in crate::language) fn shift(&mut self, at: &str, by: Duration) {
        if by.is_zero() {
            self.zero(at, "write how far the clock is off, such as \"1h\"");
        }
    }

    pub(in crate::language) fn rate(&mut self, at: &str, rate: f64) {
        if !RATES.contains(&rate) {
            let (least, most) = (RATES.start(), RATES.end());
            let mistake = Mistake::new(Code::BadValue, format!("`{at}` cannot be {rate}"))
                .label(format!("expected a number from {least} to {most}"))
                .help("for example, 1.1 gains six minutes an hour");
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
