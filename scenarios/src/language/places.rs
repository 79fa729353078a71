//! Where the keys of a scenario are in its text.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Key paths, such as `faults[0].crash.node`, and their bytes. Empty for a scenario built in Rust.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    spans: BTreeMap<String, Range<usize>>,
    broken: BTreeSet<String>,
}

impl Places {
    /// Remembers where a key's value, or a name, is.
    pub(super) fn put(&mut self, at: &str, span: Range<usize>) {
        self.spans.insert(at.to_owned(), span);
    }

    /// Remembers that a mistake at this key is already noted: what is read in place of its value
    /// means nothing, and must not lead to more mistakes.
    pub(super) fn mark_broken(&mut self, at: impl Into<String>) {
        self.broken.insert(at.into());
    }

    /// Forgets a key and everything below it, so that another can take its path.
    pub(super) fn forget(&mut self, at: &str) {
        self.spans.retain(|path, _| !path.starts_with(at));
        self.broken.retain(|path| !path.starts_with(at));
    }

    pub(super) fn is_broken(&self, at: &str) -> bool {
        self.broken.contains(at)
    }

    /// Returns the bytes of the key, or of the nearest one around it; `""` is the whole text.
    pub(super) fn find(&self, at: &str) -> Option<Range<usize>> {
        let mut at = at;
        loop {
            if let Some(span) = self.spans.get(at) {
                return Some(span.clone());
            }
            if at.is_empty() {
                return None;
            }
            at = &at[..at.rfind(['.', '[']).unwrap_or(0)];
        }
    }
}
