//! The recorder of a world: all that every world writes down, and does on what it has written.
//!
//! A world brings machines, bytes and time; it tells the recorder what left, what arrived and what
//! broke, and runs the actions that it is handed. `exchanges`: requests and answers. `ledger`:
//! faults. `watches`: what waits for an exchange, or for an operation of a disk.

mod exchanges;
mod ledger;
mod watches;

use std::{sync::Arc, time::Duration};

use self::ledger::Ledger;
pub use self::{
    exchanges::{Exchanges, Mark, Route},
    watches::{Fired, Watches},
};
use crate::{Event, Journal};

/// Writes one run down.
#[derive(Debug, Default)]
pub struct Recorder {
    journal: Journal,
    ledger: Ledger,
    /// What waits for something.
    pub watches: Watches,
    is_over: bool,
}

impl Recorder {
    /// Writes an entry; returns its number. Writes nothing, and returns 0, once the run is over.
    pub fn write(
        &mut self,
        now: Duration,
        machine: Arc<str>,
        cause: Option<u64>,
        event: Event,
    ) -> u64 {
        if self.is_over { 0 } else { self.journal.push(now, machine, cause, event) }
    }

    /// Returns what has been written so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Takes what has been written.
    pub fn take_journal(&mut self) -> Journal {
        std::mem::take(&mut self.journal)
    }

    /// Ends the run: nothing more is written down.
    pub fn close(&mut self) {
        self.is_over = true;
    }

    /// Returns the request that entry `cause` is about, if it is about one.
    pub fn request_behind(&self, cause: Option<u64>) -> Option<u64> {
        let entry = self.journal.get(cause?)?;
        match &entry.event {
            Event::RequestSent(_) => Some(entry.n),
            Event::RequestArrived { request } | Event::AnswerArrived { request, .. } => {
                Some(*request)
            }
            Event::AnswerSent(answer) => Some(answer.request),
            Event::RequestDropped { request, .. } => Some(*request),
            _ => None,
        }
    }
}
