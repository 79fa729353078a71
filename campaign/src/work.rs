//! Does one item of a campaign, and writes down what came of it.

mod audit;
mod block;
mod canary;
mod claim;
mod shrink;

pub(crate) use self::{block::FOUND, claim::Claim, shrink::folder_of};

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use explore::Subject;
use serde::Serialize;

use self::claim::Claimed;
use crate::{
    block::Ended,
    clock,
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
    /// When it was last seen to go on.
    pub(crate) seen: &'h AtomicU64,
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// It is written down, or there is nothing to do.
    All,
    /// Nothing: somebody else has done it, or has to.
    Nothing,
}

impl Hand<'_> {
    /// Does an item. What came of it is written down before the queue hears that it is done. Returns
    /// whether this did something.
    pub(crate) fn work(&self, lease: Lease) -> Result<Did, Trouble> {
        let item = lease.item.clone();
        if self.is_for_others(&item) {
            return self.desk.queue.give_back(lease).map(|()| Did::Nothing);
        }
        let claim = Claim { desk: self.desk, process: self.process, item: &item };
        if claim.claim()? == Claimed::Over {
            return self.desk.queue.done(lease).map(|()| Did::Nothing);
        }
        match self.act(&item) {
            Ok(Did::All) => self.desk.queue.done(lease).map(|()| Did::All),
            Ok(Did::Nothing) => {
                claim.leave()?;
                self.desk.queue.give_back(lease).map(|()| Did::Nothing)
            }
            Err(trouble) if trouble.is_of_item() => {
                claim.refuse(&trouble)?;
                self.desk.queue.give_back(lease).map(|()| Did::Nothing)
            }
            Err(trouble) => {
                // Whoever cannot do it leaves it to others, as far as the queue still hears that.
                let _left = claim.leave().and_then(|()| self.desk.queue.give_back(lease));
                Err(trouble)
            }
        }
    }

    /// Does what an item says. A panic is a trouble of that item: all others can be done.
    fn act(&self, item: &Item) -> Result<Did, Trouble> {
        let did = explore::trial::caught(|| match item {
            Item::Block(number) => self.block(*number),
            Item::Audit(number) => self.audit(*number),
            Item::Shrink(finding) => self.shrink(finding),
            Item::Canary(number) => self.canary(*number),
        });
        did.unwrap_or_else(|panicked| Err(Trouble::of_item(panicked)))
    }

    /// Says that the work goes on, where no run is made for long.
    fn goes_on(&self) {
        self.seen.store(clock::ms(), Ordering::Relaxed);
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
