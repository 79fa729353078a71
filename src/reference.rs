//! The reference of the scenario language: a topic for each thing that a file can name, made of the
//! tables that files are read with. `fedsim explain` shows one, and the page `docs/language.md` is all
//! of them.
//!
//! `topics` makes them, `page` puts them on a page.

mod page;
mod topics;

use scenarios::language::reference::Key;

pub use self::page::page;
pub(crate) use self::topics::topics;

/// A thing that can be explained.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    /// What it is called, and by which it is asked for.
    pub(crate) name: String,
    /// What kind of thing it is.
    pub(crate) sort: Sort,
    /// What there is to say about it.
    pub(crate) blocks: Vec<Block>,
}

/// A kind of thing that can be explained, in the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// A section of a file.
    Section,
    /// A kind of operation.
    Operation,
    /// A kind of fault.
    Fault,
    /// A check.
    Check,
    /// An endpoint.
    Endpoint,
    /// A kind of mistake in a file.
    Mistake,
}

impl Sort {
    /// Returns the word for one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Section => "section",
            Self::Operation => "operation",
            Self::Fault => "fault",
            Self::Check => "check",
            Self::Endpoint => "endpoint",
            Self::Mistake => "mistake",
        }
    }
}

/// A part of what there is to say.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// A paragraph.
    Text(String),
    /// Keys of a table, each with the place that it has in it, such as `online.for`.
    Keys(Vec<(String, Key)>),
    /// A part of a scenario file.
    Example(String),
}
