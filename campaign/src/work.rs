//! Does one item of a campaign, and writes down what came of it.

mod audit;
mod block;
mod canary;
mod claim;
mod shrink;

pub(crate) use self::{block::FOUND, shrink::folder_of};

use std::sync::atomic::{AtomicBool, Ordering};

use explore::Subject;
use serde::Serialize;

use self::claim::{Claim, Claimed};
use crate::{
    block::Ended,
    desk::Desk,
    key::{Item, Key},
    plan::Plan,
    queue::{Lease, Trouble},
};

/// How often an item may end a process that began it, or not be done, before it is given up.
pub const MOST_DEATHS: usize = 3;
/// The most characters that are kept of why an item could not be done.
const LONGEST_WHY: usize = 500;

/// A thread that works.
pub(crate) struct Hand<'h> {
    pub(crate) desk: &'h Desk<'h>,
    pub(crate) plan: &'h Plan,
    pub(crate) subject: &'h Subject,
    /// Its name: that of the process, and a number.
    pub(crate) name: String,
    /// The name of the process.
    pub(crate) process: &'h str,
    pub(crate) build: &'h str,
    /// Set when everything is to end.
    pub(crate) over: &'h AtomicBool,
}

/// What became of a lease.
enum Did {
    /// It is written down.
    All,
    /// Somebody else has to do it.
    Nothing,
}

impl Hand<'_> {
    /// Does an item. What came of it is written down before the queue hears that it is done.
    pub(crate) fn work(&self, lease: Lease) -> Result<(), Trouble> {
        let item = lease.item.clone();
        let claim = Claim { desk: self.desk, process: self.process, item: &item };
        if claim.claim()? == Claimed::Over {
            return self.desk.queue.done(lease);
        }
        let did = match &item {
            Item::Block(number) => self.block(*number),
            Item::Audit(number) => self.audit(*number),
            Item::Shrink(finding) => self.shrink(finding),
            Item::Canary(number) => self.canary(*number),
        };
        match did {
            Ok(Did::All) => self.desk.queue.done(lease),
            Ok(Did::Nothing) => {
                claim.leave()?;
                self.desk.queue.give_back(lease)
            }
            Err(trouble) if trouble.is_of_item() => {
                claim.refuse(&trouble)?;
                self.desk.queue.give_back(lease)
            }
            Err(trouble) => {
                // Whoever cannot do it leaves it to others, as far as the queue still hears that.
                let _left = claim.leave().and_then(|()| self.desk.queue.give_back(lease));
                Err(trouble)
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Writes down what came of an item.
    fn end(&self, item: &Item, done: impl Serialize) -> Result<Did, Trouble> {
        self.desk.keep(&item.done(), &Ended::Done(done))?;
        Ok(Did::All)
    }

    /// Returns what was written down of a block.
    fn read_block(&self, number: u64) -> Result<crate::block::Block, Trouble> {
        let body = self.desk.queue.read(&Key::Block(number))?;
        let block = body.and_then(|body| serde_json::from_slice(&body).ok());
        let block =
            block.ok_or_else(|| Trouble::of_item(format!("block {number} cannot be read")))?;
        crate::play::check(&block, self.plan, self.build)?;
        Ok(block)
    }
}
