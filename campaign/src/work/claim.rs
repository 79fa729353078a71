//! Who has begun an item, and whether it is begun once more: an item that ended too many who began it,
//! or that could not be done too often, is given up.

#[cfg(test)]
mod tests;

use super::{LONGEST_WHY, MOST_DEATHS};
use crate::{
    block::{Begun, Ended, Poison},
    desk::Desk,
    key::{Item, Key},
    now_ms,
    queue::Trouble,
};

/// What a process has to do with an item that it leased.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'c> {
    pub(crate) desk: &'c Desk<'c>,
    /// The name of the process.
    pub(crate) process: &'c str,
    pub(crate) item: &'c Item,
}

/// Whether an item is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// By this process, which has written down that it begins.
    Own,
    /// By nobody: it is done, or given up.
    Over,
}

impl Claim<'_> {
    /// Claims the item.
    pub(crate) fn claim(&self) -> Result<Claimed, Trouble> {
        if self.desk.is_over(self.item)? {
            return Ok(Claimed::Over);
        }
        let mut begun = self.begun()?;
        let dead = begun.workers.iter().filter(|it| *it != self.process).count();
        if dead + begun.refused.len() >= MOST_DEATHS {
            self.give_up(begun)?;
            return Ok(Claimed::Over);
        }
        if !begun.workers.iter().any(|it| it == self.process) {
            begun.workers.push(self.process.to_owned());
        }
        self.write(&begun)?;
        Ok(Claimed::Own)
    }

    /// Leaves the item to others: nothing is wrong with it.
    pub(crate) fn leave(&self) -> Result<(), Trouble> {
        let mut begun = self.begun()?;
        begun.workers.retain(|it| it != self.process);
        self.write(&begun)
    }

    /// Writes down why the item could not be done: it counts as often as that is so, by whoever.
    pub(crate) fn refuse(&self, trouble: &Trouble) -> Result<(), Trouble> {
        let mut begun = self.begun()?;
        begun.workers.retain(|it| it != self.process);
        let why = trouble.to_string().chars().take(LONGEST_WHY).collect();
        begun.refused.push(why);
        self.write(&begun)
    }

    /// Returns who began it and was not heard of again, and why it could not be done.
    fn begun(&self) -> Result<Begun, Trouble> {
        let body = self.desk.queue.read(&Key::Begun(self.item.clone()))?;
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default())
    }

    fn write(&self, begun: &Begun) -> Result<(), Trouble> {
        self.desk.replace(&Key::Begun(self.item.clone()), begun)
    }

    fn give_up(&self, begun: Begun) -> Result<(), Trouble> {
        let Begun { workers, refused } = begun;
        let poison = Poison { workers, refused, at_ms: now_ms() };
        self.desk.keep(&self.item.done(), &Ended::<()>::Poison(poison)).map(drop)
    }
}
