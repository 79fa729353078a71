//! Plays a block that another worker has played, and compares the journals.

use std::ops::ControlFlow;

use super::{Did, Hand};
use crate::{
    block::{Audited, Ended, Outcome, process_of},
    key::{Item, Key},
    now_ms,
    play::{self, Made},
    queue::Trouble,
};

impl Hand<'_> {
    pub(super) fn audit(&self, number: u64) -> Result<Did, Trouble> {
        let block = self.read_block(number)?;
        // Of what was given up, there is nothing to compare.
        let Some(outcome) = self.outcome(number)? else { return Ok(Did::All) };
        if self.leaves_it_to_others(&outcome.worker) {
            return Ok(Did::Nothing);
        }
        let vocabulary = (self.subject.found)().promises().vocabulary;
        let (text, scenario) =
            (self.desk.text(&block.text)?, self.desk.scenario(vocabulary, &block.text)?);
        let of = Made { text: &text, scenario: &scenario };
        let mut audited = Audited {
            first: outcome.worker.clone(),
            second: self.name.clone(),
            differ: Vec::new(),
            compared: 0,
            at_ms: now_ms(),
        };
        let mut hashes = outcome.hashes.iter();
        let is_whole = play::block(self.subject, &block, &of, true, |ran| {
            audited.compared += 1;
            if hashes.next().map_or("", String::as_str) != ran.hash.as_deref().unwrap_or_default() {
                audited.differ.push(ran.seed);
            }
            Ok(if self.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !is_whole && audited.compared < u64::from(block.count) {
            return Ok(Did::Nothing);
        }
        self.end(&Item::Audit(number), audited)
    }

    /// Returns whether an item is an audit that is better left to somebody else, as far as is known
    /// without asking the queue: who only gives it back does not have to write down that he began it.
    pub(super) fn is_for_others(&self, item: &Item) -> bool {
        let Item::Audit(number) = item else { return false };
        let first = self.desk.picture().results.get(number).map(|it| it.worker.clone());
        first.is_some_and(|first| self.leaves_it_to_others(&first))
    }

    /// Returns what came of a block when it was played first.
    fn outcome(&self, number: u64) -> Result<Option<Outcome>, Trouble> {
        let body = self.desk.queue.read(&Key::Result(number))?;
        Ok(match body.and_then(|body| serde_json::from_slice(&body).ok()) {
            Some(Ended::Done(outcome)) => Some(outcome),
            Some(Ended::Poison(_)) | None => None,
        })
    }

    /// Returns whether somebody else is there who is further away from `first` than this thread:
    /// another process before another thread, and that before the same one.
    fn leaves_it_to_others(&self, first: &str) -> bool {
        let picture = self.desk.picture();
        let is_own = process_of(first) == self.process;
        let mut here = picture.workers.keys().filter(|process| picture.is_here(process));
        if is_own && here.any(|process| process != self.process) {
            return true;
        }
        let own = picture.workers.get(self.process).map_or(1, |it| it.threads);
        first == self.name && own > 1
    }
}
