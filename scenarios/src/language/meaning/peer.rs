//! The meaning of faults of dishonest peers.

use std::time::Duration;

use super::{Meaning, Sort};
use crate::language::mistake::{Code, Mistake};

impl Meaning<'_> {
    /// Notes a mistake unless `written` is a backend.
    pub(in crate::language) fn backend(&mut self, at: &str, written: &str) {
        self.refers(at, written, Sort::Backend);
    }

    /// Notes a mistake unless `written` is a relay.
    pub(in crate::language) fn relay(&mut self, at: &str, written: &str) {
        self.refers(at, written, Sort::Relay);
    }

    /// Notes a mistake unless `written` is a backend or a relay.
    pub(in crate::language) fn server(&mut self, at: &str, written: &str) {
        if !self.scenario.relays.contains_key(written) {
            self.refers(at, written, Sort::Backend);
        }
    }

    /// Checks those whom a peer wrongs: backends and relays, each once, and not the peer itself.
    pub(in crate::language) fn wronged(&mut self, at: &str, node: &str, to: &[String]) {
        for (n, wronged) in to.iter().enumerate() {
            let at = format!("{at}[{n}]");
            if wronged == node {
                let mistake =
                    Mistake::new(Code::BothSides, format!("`{node}` is listed as its own victim"))
                        .label("this is the dishonest peer")
                        .help("remove it, or leave `to` out to mean all others");
                self.report(&at, mistake);
            } else {
                self.server(&at, wronged);
            }
        }
        self.twice(at, to, Code::DuplicateName);
    }

    /// Checks the share of the messages that are tampered with.
    pub(in crate::language) fn share(&mut self, at: &str, share: f64) {
        // A NaN is not in any range, and nobody draws less than 0.
        if !(share > 0.0 && share <= 1.0) {
            let mistake = Mistake::new(Code::BadValue, format!("`{at}` cannot be {share}"))
                .label("expected a number above 0 and at most 1")
                .help("leave `share` out to tamper with every message");
            self.report(at, mistake);
        }
    }

    /// Notes a mistake if a time is 0.
    pub(in crate::language) fn some_time(&mut self, at: &str, time: Duration) {
        if time.is_zero() {
            self.zero(at, "write the pause after each byte, such as \"1s\"");
        }
    }
}
