//! The seam between a campaign and what carries it: hands out items of work for a time, and keeps what
//! is written down. `tests/campaigns` holds every queue to the same contract.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    folder::Mark,
    key::{Item, Key},
};

/// How long an item is somebody's without a sign of life, unless a campaign says otherwise.
pub const LEASE: Duration = Duration::from_secs(30);
/// The shortest lease: a worker gives signs of life a few times in it.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(2);
/// The longest lease.
pub const LONGEST_LEASE: Duration = Duration::from_secs(60 * 60);

/// Why something could not be done: a sentence, and the remedy on further lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Trouble {
    sentence: String,
    is_of_item: bool,
}

impl Trouble {
    /// Returns what a sentence says of the queue, or of this process: nothing else can be done either.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_of_item: false }
    }

    /// Returns what a sentence says of a single item or file: others can be done all the same.
    pub fn of_item(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_of_item: true }
    }

    /// Returns whether others can be done all the same.
    pub fn is_of_item(&self) -> bool {
        self.is_of_item
    }
}

/// An item that is this worker's for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is to be done.
    pub item: Item,
    /// Which lease of it this is.
    pub token: u64,
}

/// What somebody looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever there is to do.
    Any,
    /// Nothing urgent, because that was just left to others.
    NotUrgent,
}

/// Whether something was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was.
    Now,
    /// Something was there before, and stays.
    Before,
}

/// How far somebody has read what was written down.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// Everything up to here was told, in a queue that numbers what it keeps.
    #[cfg_attr(not(feature = "nats"), expect(dead_code, reason = "only a server numbers"))]
    pub(crate) after: u64,
    /// What was told, and which version of it, in one that does not.
    pub(crate) told: BTreeMap<String, u64>,
    /// What of it is replaced now and then.
    pub(crate) replaced: BTreeSet<String>,
    /// How far the list of what is new was read.
    pub(crate) mark: Mark,
}

/// Something that was written down, and its name.
pub type Document = (Key, Vec<u8>);

/// A queue of items, which are each one worker's at a time, with a place where things are written down.
///
/// Every method waits until it is done, at most as long as the queue has patience with a service that
/// does not answer. All of them can be called by several threads at once.
pub trait Queue: Send + Sync {
    /// Offers an item. One that is offered twice is handed out once or twice.
    fn offer(&self, item: &Item) -> Result<(), Trouble>;

    /// Returns an item that is nobody's, urgent ones first, which is this worker's from now on; none
    /// if there was none for a moment. Whoever is silent for longer than the lease loses it.
    fn lease(&self, wanted: Wanted) -> Result<Option<Lease>, Trouble>;

    /// Gives a sign of life, from which the lease counts anew.
    fn beat(&self, lease: &Lease) -> Result<(), Trouble>;

    /// Says that an item is done, which it is once this returns: it is not handed out any more. What
    /// came of it must have been written down before.
    fn done(&self, lease: Lease) -> Result<(), Trouble>;

    /// Gives an item back, which somebody else gets a moment later.
    fn give_back(&self, lease: Lease) -> Result<(), Trouble>;

    /// Writes something down for good, unless there is something of that name. It is durable once
    /// this returns.
    fn keep(&self, key: &Key, body: &[u8]) -> Result<Kept, Trouble>;

    /// Writes something down in the place of what is there.
    fn replace(&self, key: &Key, body: &[u8]) -> Result<(), Trouble>;

    /// Returns what was written down.
    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Trouble>;

    /// Returns what was written down and was not told to this cursor. What was replaced is told anew,
    /// as it is now.
    fn changes(&self, cursor: &mut Cursor) -> Result<Vec<Document>, Trouble>;

    /// Keeps a file, of any size up to [`LARGEST_FILE`].
    fn keep_file(&self, name: &str, body: &[u8]) -> Result<(), Trouble>;

    /// Returns a file that was kept.
    fn file(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble>;

    /// Returns how long an item is somebody's without a sign of life.
    fn lease_time(&self) -> Duration;
}

/// The largest file that a queue keeps, in bytes.
pub const LARGEST_FILE: usize = 64 << 20;

/// Refuses a file that is too large, or whose name leads elsewhere: `folder/name.extension` at most.
pub(crate) fn check_file(name: &str, bytes: usize) -> Result<(), Trouble> {
    let is_plain = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_allowed)
    };
    if name.len() > 200 || name.split('/').count() > 3 || !name.split('/').all(is_plain) {
        return Err(Trouble::of_item("this name of a file leads out of the campaign"));
    }
    if bytes > LARGEST_FILE {
        let message =
            format!("{name} has {bytes} bytes, and a campaign keeps {LARGEST_FILE} at most");
        return Err(Trouble::of_item(message));
    }
    Ok(())
}
