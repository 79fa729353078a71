//! The ledger of faults: when each was in force, and what it touched.

use std::{sync::Arc, time::Duration};

use super::Recorder;
use crate::{
    Event,
    fault::{FaultId, FaultReport},
};

/// All faults of a run, by number from 1.
#[derive(Debug, Default)]
pub(super) struct Ledger(Vec<Line>);

/// A fault, and the machine in whose name it stands in the journal.
#[derive(Debug)]
struct Line {
    report: FaultReport,
    machine: Arc<str>,
}

impl Ledger {
    /// # Panics
    /// No fault has that number: a bug of the world.
    fn line(&mut self, fault: u64) -> &mut Line {
        &mut self.0[index(fault)]
    }
}

fn index(fault: u64) -> usize {
    usize::try_from(fault - 1).expect("faults are counted from 1")
}

impl Recorder {
    /// Writes down that a fault begins; returns it.
    pub fn begin_fault(
        &mut self,
        now: Duration,
        machine: Arc<str>,
        what: String,
        cause: Option<u64>,
    ) -> FaultId {
        let report = FaultReport { what: what.clone(), from: now, ..FaultReport::default() };
        self.ledger.0.push(Line { report, machine: Arc::clone(&machine) });
        let fault = self.ledger.0.len() as u64;
        self.write(now, machine, cause, Event::FaultBegan { fault, what });
        FaultId::numbered(fault)
    }

    /// Writes down that a fault ends. Returns whether it was in force.
    pub fn end_fault(&mut self, now: Duration, fault: FaultId) -> bool {
        let Line { report, machine } = self.ledger.line(fault.number());
        if report.until.is_some() {
            return false;
        }
        report.until = Some(now);
        let (machine, what) = (Arc::clone(machine), report.what.clone());
        self.write(now, machine, None, Event::FaultEnded { fault: fault.number(), what });
        true
    }

    /// Returns how many faults there were.
    pub fn faults(&self) -> u64 {
        self.ledger.0.len() as u64
    }

    /// Returns what a fault has done so far.
    pub fn fault(&self, fault: FaultId) -> &FaultReport {
        &self.ledger.0[index(fault.number())].report
    }

    /// Returns what each fault has done so far, by number.
    pub fn reports(&self) -> Vec<FaultReport> {
        self.ledger.0.iter().map(|line| line.report.clone()).collect()
    }

    /// Returns whether fault number `fault` has begun and not ended; there is none numbered 0.
    pub fn is_in_force(&self, fault: u64) -> bool {
        let line = fault.checked_sub(1).and_then(|before| usize::try_from(before).ok());
        let line = line.and_then(|index| self.ledger.0.get(index));
        line.is_some_and(|line| line.report.until.is_none())
    }

    /// Counts one thing that a fault touched, and the requests that it concerned.
    pub fn hit(&mut self, fault: u64, requests: impl IntoIterator<Item = u64>) {
        let report = &mut self.ledger.line(fault).report;
        report.hits += 1;
        report.requests.extend(requests);
    }

    /// Counts that a fault held something in its state, unless it was seen doing so.
    pub fn hit_if_inert(&mut self, fault: u64) {
        if self.ledger.line(fault).report.hits == 0 {
            self.hit(fault, []);
        }
    }
}
