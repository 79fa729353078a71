//! Does one item of a campaign, and writes down what came of it.

mod audit;
mod block;
mod canary;
mod shrink;

pub(crate) use self::{block::FOUND, shrink::folder_of};

use std::sync::atomic::{AtomicBool, Ordering};

use explore::Subject;
use serde::Serialize;

use crate::{
    block::{Ended, Poison},
    desk::Desk,
    key::{Item, Key},
    now_ms,
    plan::Plan,
    queue::{Lease, Trouble},
};

/// How many workers an item may take with it before it is given up.
pub const MOST_DEATHS: usize = 3;

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
        if self.desk.is_over(&item)? {
            return self.desk.queue.done(lease);
        }
        let begun = self.begun(&item)?;
        let others: Vec<&String> = begun.iter().filter(|it| **it != self.name).collect();
        if others.len() >= MOST_DEATHS {
            self.give_up(&item, &begun)?;
            return self.desk.queue.done(lease);
        }
        self.begin(&item, begun)?;
        let did = match &item {
            Item::Block(number) => self.block(*number),
            Item::Audit(number) => self.audit(*number),
            Item::Shrink(finding) => self.shrink(finding),
            Item::Canary(number) => self.canary(*number),
        };
        match did {
            Ok(Did::All) => self.desk.queue.done(lease),
            Ok(Did::Nothing) => {
                self.leave(&item)?;
                self.desk.queue.give_back(lease)
            }
            Err(trouble) => {
                // Whoever cannot do it leaves it to others, as far as the queue still hears that.
                let _left = self.leave(&item).and_then(|()| self.desk.queue.give_back(lease));
                Err(trouble)
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Returns who began an item and was not heard of again.
    fn begun(&self, item: &Item) -> Result<Vec<String>, Trouble> {
        let body = self.desk.queue.read(&Key::Begun(item.clone()))?;
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default())
    }

    fn begin(&self, item: &Item, mut begun: Vec<String>) -> Result<(), Trouble> {
        if !begun.contains(&self.name) {
            begun.push(self.name.clone());
        }
        self.desk.replace(&Key::Begun(item.clone()), &begun)
    }

    fn leave(&self, item: &Item) -> Result<(), Trouble> {
        let mut begun = self.begun(item)?;
        begun.retain(|it| *it != self.name);
        self.desk.replace(&Key::Begun(item.clone()), &begun)
    }

    fn give_up(&self, item: &Item, begun: &[String]) -> Result<(), Trouble> {
        let poison = Poison { workers: begun.to_vec(), at_ms: now_ms() };
        self.desk.keep(&item.done(), &Ended::<()>::Poison(poison)).map(drop)
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
        let block = block.ok_or_else(|| Trouble::new(format!("block {number} cannot be read")))?;
        crate::play::check(&block, self.plan, self.build)?;
        Ok(block)
    }
}
