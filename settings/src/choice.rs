//! What was chosen of the settings of one server.

use std::collections::{BTreeMap, btree_map};

use super::Setting;

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A number in its smallest unit: milliseconds, bytes, or 1 for true.
    Amount(u64),
    /// Names of servers.
    Names(Vec<String>),
}

impl From<u64> for Choice {
    fn from(amount: u64) -> Self {
        Self::Amount(amount)
    }
}

/// What was chosen, by the keys of a server's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(BTreeMap<&'static str, Choice>);

impl Choices {
    /// Chooses a value for a setting.
    pub fn set(&mut self, setting: &'static Setting, choice: impl Into<Choice>) {
        self.0.insert(setting.key, choice.into());
    }

    /// Leaves a setting at its default.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Returns what was chosen for a key.
    pub fn get(&self, key: &str) -> Option<&Choice> {
        self.0.get(key)
    }

    /// Returns the amount that was chosen for a key.
    pub fn amount(&self, key: &str) -> Option<u64> {
        match self.0.get(key) {
            Some(Choice::Amount(amount)) => Some(*amount),
            _ => None,
        }
    }

    /// Returns what was chosen, by its keys.
    pub fn iter(&self) -> btree_map::Iter<'_, &'static str, Choice> {
        self.0.iter()
    }
}

impl<'c> IntoIterator for &'c Choices {
    type Item = (&'c &'static str, &'c Choice);
    type IntoIter = btree_map::Iter<'c, &'static str, Choice>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
